"""Loading checkpoints from folders and single files, and what is said of those that cannot be loaded."""

from __future__ import annotations

import gzip
import json
import pickle
import shutil
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import studio.diffusion.families as families_folder
from studio.diffusion.device import Dtypes
from studio.diffusion.family import families
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Checkpoint
from studio.diffusion.prediction import Prediction
from studio.diffusion.weights import tokenizers
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.diffusion.weights.header import TensorInfo
from studio.graph.errors import ModelUnreadable
from studio.resources import resource
from tests.diffusion import original, tiny
from tests.diffusion.conftest import FLOAT32


def weights_of(part: Foreign) -> dict[str, Tensor]:
    return {
        f"{i}.{name}": tensor for i, module in enumerate(part.modules) for name, tensor in module.state_dict().items()
    }


def same_weights(one: Checkpoint, other: Checkpoint) -> bool:
    parts = ((one.model, other.model), (one.text_encoder, other.text_encoder), (one.vae, other.vae))
    return all(
        a.keys() == b.keys() and all(torch.equal(tensor, b[name]) for name, tensor in a.items())
        for a, b in ((weights_of(x), weights_of(y)) for x, y in parts)
    )


@pytest.fixture
def folder(sd1_folder: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(sd1_folder, tmp_path / "model"))


@pytest.fixture
def ldm() -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in original.checkpoint(tiny.sd_pipeline()).items()}


# --- what is there -------------------------------------------------------------------------------------------------


def test_a_folder_is_identified_from_its_headers(sd1_folder: Path, sd2_folder: Path, sdxl_folder: Path) -> None:
    for path, family in ((sd1_folder, "sd1"), (sd2_folder, "sd2"), (sdxl_folder, "sdxl")):
        found = identify(path)
        assert (found.kind, found.detected.family, found.detected.layout, found.dtype) == (
            "folder",
            family,
            "diffusers",
            "F32",
        )


@pytest.mark.parametrize(
    ("family", "channels", "expected"),
    [
        ("sd1", 4, ("sd1", "")),
        ("sd2", 4, ("sd2", "")),
        ("sdxl", 4, ("sdxl", "")),
        ("sdxl_refiner", 4, ("sdxl_refiner", "")),
        ("sd1", 9, ("sd1", "inpaint")),
        ("sd2", 5, ("sd2", "depth")),
    ],
)
def test_full_size_networks_are_told_apart_in_both_layouts(
    family: str, channels: int, expected: tuple[str, str]
) -> None:
    config = json.loads(resource("families", family, "unet", "config.json").read_text())
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config({**config, "in_channels": channels})
    names = unet.state_dict()
    for layout, weights in (("diffusers", names), ("ldm", original.unet(names, unet.config))):
        tensors = {name: TensorInfo("F16", tuple(tensor.shape)) for name, tensor in weights.items()}
        claims = [found for one in families().values() if (found := one.detect(tensors))]
        assert [(found.family, found.variant, found.layout) for found in claims] == [(*expected, layout)]


def test_nothing_claims_a_file_that_is_no_network() -> None:
    tensors = {"decoder.conv_in.weight": TensorInfo("F32", (512, 4, 3, 3)), "emb_params": TensorInfo("F32", (2, 768))}
    assert not any(family.detect(tensors) for family in families().values())


# --- folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_holds_what_was_saved(sd1: Checkpoint) -> None:
    pipeline = tiny.sd_pipeline()
    for part, module in (
        (sd1.model, pipeline.unet),
        (sd1.vae, pipeline.vae),
        (sd1.text_encoder, pipeline.text_encoder),
    ):
        saved = module.state_dict()
        assert all(torch.equal(tensor, saved[name.split(".", 1)[1]]) for name, tensor in weights_of(part).items())
    assert sd1.model.latents.factor == 2
    assert sd1.model.size == (16, 16)
    assert sd1.model.prediction is Prediction.EPSILON


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_number_format_is_the_one_asked_for_whatever_the_file_has(tmp_path: Path, dtype: torch.dtype) -> None:
    half = tiny.save(tiny.sd_pipeline().to(dtype=torch.float16), tmp_path / "half", variant="fp16")
    checkpoint = load_checkpoint(half, Dtypes(dtype, torch.float32, torch.float32))
    assert checkpoint.text_encoder is not None
    assert {tensor.dtype for tensor in weights_of(checkpoint.model).values()} == {dtype}
    assert {tensor.dtype for tensor in weights_of(checkpoint.text_encoder).values() if tensor.is_floating_point()} == {
        torch.float32
    }


def test_weights_in_parts_are_put_together(tmp_path: Path, sd1: Checkpoint) -> None:
    parts = tiny.save(tiny.sd_pipeline(), tmp_path / "parts", max_shard_size="60KB")
    assert len(list((parts / "unet").glob("*.safetensors"))) > 1
    assert same_weights(load_checkpoint(parts, FLOAT32), sd1)
    next(iter((parts / "unet").glob("*00002*.safetensors"))).unlink()
    with pytest.raises(ModelUnreadable, match="part of the weights is missing"):
        load_checkpoint(parts, FLOAT32)


def test_pickled_components_load_without_running_code(tmp_path: Path, sd1: Checkpoint) -> None:
    old = tiny.save(tiny.sd_pipeline(), tmp_path / "old", safe_serialization=False)
    for component in ("unet", "vae", "text_encoder"):
        for file in (old / component).glob("*.safetensors"):
            weights = load_file(file)
            name = "pytorch_model.bin" if component == "text_encoder" else "diffusion_pytorch_model.bin"
            torch.save(weights, old / component / name)
            file.unlink()
        assert list((old / component).glob("*.bin"))
    assert same_weights(load_checkpoint(old, FLOAT32), sd1)


def test_text_encoders_saved_by_older_programs_load(folder: Path, sd1: Checkpoint) -> None:
    file = folder / "text_encoder" / "model.safetensors"
    save_file(
        {f"text_model.{name}": tensor for name, tensor in load_file(file).items()}, file, metadata={"format": "pt"}
    )
    assert same_weights(load_checkpoint(folder, FLOAT32), sd1)


@pytest.mark.parametrize("component", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_component_is_named(folder: Path, component: str) -> None:
    shutil.rmtree(folder / component)
    with pytest.raises(ModelUnreadable) as caught:
        load_checkpoint(folder, FLOAT32)
    assert caught.value.field == component
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("component", ["unet", "vae", "text_encoder"])
def test_a_missing_or_broken_config_is_named(folder: Path, component: str) -> None:
    config = folder / component / "config.json"
    for broken in (b'{"half', b"[]", None):
        config.write_bytes(broken) if broken is not None else config.unlink()
        with pytest.raises(ModelUnreadable) as caught:
            load_checkpoint(folder, FLOAT32)
        assert caught.value.field == component


@pytest.mark.parametrize("component", ["unet", "vae", "text_encoder"])
def test_weights_that_are_cut_short_are_refused(folder: Path, component: str) -> None:
    file = next((folder / component).glob("*.safetensors"))
    whole = file.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 100, 4, 0):
        file.write_bytes(whole[:length])
        with pytest.raises(ModelUnreadable) as caught:
            load_checkpoint(folder, FLOAT32)
        assert caught.value.path == file
        assert caught.value.mend


def test_weights_with_tensors_missing_are_refused(folder: Path) -> None:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights.pop("conv_out.weight")
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ModelUnreadable, match=r"conv_out\.weight"):
        load_checkpoint(folder, FLOAT32)


def test_weights_of_another_shape_than_the_config_says_are_refused(folder: Path) -> None:
    config = json.loads((folder / "vae" / "config.json").read_text())
    (folder / "vae" / "config.json").write_text(json.dumps({**config, "block_out_channels": [8, 32]}))
    with pytest.raises(ModelUnreadable) as caught:
        load_checkpoint(folder, FLOAT32)
    assert caught.value.field == "vae"


def test_a_tokenizer_without_its_vocabulary_is_refused(folder: Path) -> None:
    (folder / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(ModelUnreadable) as caught:
        load_checkpoint(folder, FLOAT32)
    assert caught.value.field == "tokenizer"


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    config = json.loads((folder / "text_encoder" / "config.json").read_text())
    shorter = tiny.text_config()
    shorter.vocab_size = config["vocab_size"] + 5
    from transformers import CLIPTextModel

    CLIPTextModel(shorter).save_pretrained(folder / "text_encoder")
    with pytest.raises(ModelUnreadable, match="tokens"):
        load_checkpoint(folder, FLOAT32)


def test_a_path_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "note.txt", tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(ModelUnreadable):
            load_checkpoint(path, FLOAT32)


def test_an_unknown_prediction_type_is_refused(folder: Path) -> None:
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "prediction_type": "dreams"}))
    with pytest.raises(ModelUnreadable, match="dreams"):
        load_checkpoint(folder, FLOAT32)


# --- single files ------------------------------------------------------------------------------------------------------


def test_a_single_file_is_the_folder(tmp_path: Path, ldm: dict[str, Tensor], sd1: Checkpoint, sd1_folder: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file(ldm, file)
    assert identify(file).detected.layout == "ldm"
    assert same_weights(load_checkpoint(file, FLOAT32, config=sd1_folder, tokenizer=sd1_folder / "tokenizer"), sd1)


def test_the_sdxl_file_is_the_folder(tmp_path: Path, sdxl: Checkpoint, sdxl_folder: Path) -> None:
    pipeline = tiny.sdxl_pipeline()
    weights = original.unet(pipeline.unet.state_dict(), pipeline.unet.config)
    weights |= original.vae(pipeline.vae.state_dict(), 2)
    weights |= original.clip(pipeline.text_encoder.state_dict(), "conditioner.embedders.0.transformer.")
    weights |= original.open_clip(pipeline.text_encoder_2.state_dict(), "conditioner.embedders.1.model.")
    file = tmp_path / "xl.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, file)
    shutil.copytree(sdxl_folder / "tokenizer", tmp_path / "tokenizer")
    assert same_weights(load_checkpoint(file, FLOAT32, config=sdxl_folder), sdxl)


def test_what_a_single_file_predicts_comes_from_its_marker_or_from_the_user(
    tmp_path: Path, ldm: dict[str, Tensor], sd1_folder: Path
) -> None:
    plain, marked, stated = (tmp_path / name for name in ("a.safetensors", "b.safetensors", "c.safetensors"))
    save_file(ldm, plain)
    save_file({**ldm, "v_pred": torch.zeros(1)}, marked)
    save_file(ldm, stated, metadata={"modelspec.prediction_type": "v"})

    def prediction(path: Path, asked: Prediction | None = None) -> Prediction:
        return load_checkpoint(
            path, FLOAT32, prediction=asked, config=sd1_folder, tokenizer=sd1_folder / "tokenizer"
        ).model.prediction

    assert prediction(plain) is Prediction.EPSILON
    assert prediction(marked) is Prediction.V
    assert prediction(stated) is Prediction.V
    assert prediction(plain, Prediction.V) is Prediction.V


class Payload:
    """Writes a file when a careless reader unpickles it."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Foreign, tuple[str, str]]:
        return Path.write_text, (self.target, "run")  # type: ignore[return-value]


def test_a_ckpt_loads_and_its_code_does_not_run(
    tmp_path: Path, ldm: dict[str, Tensor], sd1: Checkpoint, sd1_folder: Path
) -> None:
    proof = tmp_path / "proof"
    file = tmp_path / "model.ckpt"
    callbacks = {"callbacks": {"hostile": Payload(proof)}, "optimizer": nn.Linear(2, 2), "global_step": 5}
    torch.save({"state_dict": OrderedDict(ldm), **callbacks}, file)
    assert same_weights(load_checkpoint(file, FLOAT32, config=sd1_folder, tokenizer=sd1_folder / "tokenizer"), sd1)
    assert not proof.exists()
    torch.load(file, weights_only=False)
    assert proof.exists(), "the payload works where it is allowed to"


def test_a_hostile_or_broken_pickle_is_refused(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    hostile, broken, empty, other = (tmp_path / name for name in ("a.ckpt", "b.ckpt", "c.ckpt", "d.ckpt"))
    hostile.write_bytes(pickle.dumps(Payload(proof)))
    broken.write_bytes(b"PK\x03\x04 not a zip")
    empty.write_bytes(b"")
    torch.save({"state_dict": {"text": "no tensor"}}, other)
    for file in (hostile, broken, empty, other):
        with pytest.raises(ModelUnreadable) as caught:
            load_checkpoint(file, FLOAT32)
        assert caught.value.path == file
    assert not proof.exists()


def test_a_single_file_without_a_tokenizer_says_where_to_put_one(
    tmp_path: Path, ldm: dict[str, Tensor], sd1_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.diffusion.weights.tokenizers._open_clip_vocabulary", lambda *names: None)
    monkeypatch.setattr("studio.diffusion.weights.tokenizers._hub_cache", lambda *names: None)
    file = tmp_path / "model.safetensors"
    save_file(ldm, file)
    with pytest.raises(ModelUnreadable, match="beside the file"):
        load_checkpoint(file, FLOAT32, config=sd1_folder)
    shutil.copytree(sd1_folder / "tokenizer", tmp_path / "tokenizer")
    assert load_checkpoint(file, FLOAT32, config=sd1_folder).text_encoder is not None


def test_what_a_single_file_lacks_is_left_out(tmp_path: Path, ldm: dict[str, Tensor], sd1_folder: Path) -> None:
    file = tmp_path / "model.safetensors"
    for prefix, lacks in (("first_stage_model.", "vae"), ("cond_stage_model.", "text_encoder")):
        save_file({name: tensor for name, tensor in ldm.items() if not name.startswith(prefix)}, file)
        found = load_checkpoint(file, FLOAT32, config=sd1_folder, tokenizer=sd1_folder / "tokenizer")
        assert [name for name in ("vae", "text_encoder") if getattr(found, name) is None] == [lacks]
        assert found.model.latents.factor == 2


def test_a_single_file_with_half_a_component_says_which(
    tmp_path: Path, ldm: dict[str, Tensor], sd1_folder: Path
) -> None:
    file = tmp_path / "model.safetensors"
    for prefix, component in (
        ("first_stage_model.decoder.", "vae"),
        ("cond_stage_model.transformer.text_model.enc", "text_encoder"),
    ):
        save_file({name: tensor for name, tensor in ldm.items() if not name.startswith(prefix)}, file)
        with pytest.raises(ModelUnreadable) as caught:
            load_checkpoint(file, FLOAT32, config=sd1_folder, tokenizer=sd1_folder / "tokenizer")
        assert caught.value.field == component


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (("lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",), "a LoRA"),
        (("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight",), "a LoRA"),
        (("control_model.input_blocks.0.0.weight",), "a ControlNet"),
        (("emb_params",), "a textual inversion"),
        (("decoder.mid.block_1.conv1.weight", "decoder.conv_in.weight"), "a VAE"),
        (("text_model.embeddings.token_embedding.weight",), "a text encoder"),
        (("nobody.knows.this",), "family that is known"),
    ],
)
def test_what_is_no_checkpoint_is_said_to_be_what_it_is(tmp_path: Path, names: tuple[str, ...], title: str) -> None:
    file = tmp_path / "model.safetensors"
    save_file({name: torch.zeros(2) for name in names}, file)
    with pytest.raises(ModelUnreadable, match=title) as caught:
        load_checkpoint(file, FLOAT32)
    assert caught.value.path == file
    assert caught.value.mend


def test_diffusers_reads_the_same_file_the_same_way(tmp_path: Path, ldm: dict[str, Tensor], sd1_folder: Path) -> None:
    """Guards the test's own renaming: the file is a real one to others as well."""
    file = tmp_path / "model.safetensors"
    save_file(ldm, file)
    theirs = StableDiffusionPipeline.from_single_file(
        str(file), config=str(sd1_folder), local_files_only=True, dtype=torch.float32
    )
    ours = load_checkpoint(file, FLOAT32, config=sd1_folder, tokenizer=sd1_folder / "tokenizer")
    assert all(
        torch.equal(tensor, theirs.unet.state_dict()[name]) for name, tensor in ours.model.network.state_dict().items()
    )


def test_the_sd2_file_is_the_folder(tmp_path: Path, sd2: Checkpoint, sd2_folder: Path) -> None:
    pipeline = tiny.sd_pipeline(width=1024, prediction="v_prediction")
    weights = original.unet(pipeline.unet.state_dict(), pipeline.unet.config)
    weights |= original.vae(pipeline.vae.state_dict(), 2)
    weights |= original.open_clip(pipeline.text_encoder.state_dict(), "cond_stage_model.model.")
    file = tmp_path / "model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, file)
    loaded = load_checkpoint(file, FLOAT32, config=sd2_folder, tokenizer=sd2_folder / "tokenizer")
    assert same_weights(loaded, sd2)
    assert loaded.model.prediction is Prediction.V


def test_parts_of_a_variant_are_found(tmp_path: Path) -> None:
    pipeline = tiny.sd_pipeline().to(dtype=torch.float16)
    folder = tiny.save(pipeline, tmp_path / "parts", variant="fp16", max_shard_size="30KB")
    assert len(list((folder / "unet").glob("*fp16*-of-*.safetensors"))) > 1
    loaded = load_checkpoint(folder, Dtypes.all(torch.float16))
    saved = pipeline.unet.state_dict()
    assert all(torch.equal(tensor, saved[name]) for name, tensor in loaded.model.network.state_dict().items())


def test_clips_vocabulary_is_built_from_its_merges(tmp_path: Path) -> None:
    """The file that open_clip brings: a first line of its own, then merges, of which CLIP takes the first 48894."""
    from transformers import CLIPTokenizer

    first, second = (
        "abcdefghijklmnopqrstuvwxyz",
        [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256))],
    )
    pairs = [f"{a} {b}" for a in second for b in second] + [f"{a}{b} {c}" for a in first for b in first for c in second]
    file = tmp_path / "merges.gz"
    file.write_bytes(gzip.compress("\n".join(["# version", *pairs[:60_000]]).encode()))
    tokenizer = CLIPTokenizer(**tokenizers._clip_tables(file), model_max_length=77)
    assert len(tokenizer) == 49408
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (49406, 49407)
    assert tokenizer("a").input_ids == [49406, 256 + 64, 49407]


def test_a_family_is_found_by_lying_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sketch_family.py").write_text(
        "from studio.diffusion.families.sd1 import StableDiffusion1\n"
        "class Sketch(StableDiffusion1):\n"
        "    name = 'sketch'\n"
        "    def is_mine(self, shape): return shape.context == 12345\n"
        "FAMILY = Sketch()\n"
    )
    monkeypatch.setattr(families_folder, "__path__", [*families_folder.__path__, str(tmp_path)])
    families.cache_clear()
    try:
        tensors = {
            "conv_in.weight": TensorInfo("F32", (8, 4, 3, 3)),
            "up_blocks.0.attn2.to_k.weight": TensorInfo("F32", (8, 12345)),
        }
        found = families()["sketch"].detect(tensors)
        assert found is not None
        assert found.family == "sketch"
    finally:
        monkeypatch.undo()
        families.cache_clear()
        sys.modules.pop("studio.diffusion.families.sketch_family", None)


# --- kinds of files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["scale_weight", "weight_scale"])
def test_float8_weights_with_scales_are_multiplied_by_them(
    tmp_path: Path, ldm: dict[str, Tensor], sd1: Checkpoint, sd1_folder: Path, ending: str
) -> None:
    weights: dict[str, Tensor] = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for name, tensor in ldm.items():
        if name.startswith("model.diffusion_model.") and tensor.ndim == 2 and name.endswith(".weight"):
            scale = tensor.abs().max() / 448
            weights[name] = (tensor / scale).to(torch.float8_e4m3fn)
            weights[f"{name.removesuffix('weight')}{ending}"] = scale
        else:
            weights[name] = tensor
    file = tmp_path / "model.safetensors"
    save_file(weights, file)
    found = load_checkpoint(file, FLOAT32, config=sd1_folder, tokenizer=sd1_folder / "tokenizer")
    whole, read = weights_of(sd1.model), weights_of(found.model)
    assert whole.keys() == read.keys()
    assert all(float((read[name] - one).norm()) <= 0.05 * float(one.norm()) for name, one in whole.items())


@pytest.mark.parametrize("ending", ["weight.quant_state.bitsandbytes__nf4", "comfy_quant", "qweight", "weight_scale_2"])
def test_weights_that_are_packed_in_a_way_that_is_not_read_are_refused(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"double_blocks.0.img_attn.qkv." + ending: torch.zeros(4, dtype=torch.uint8)}, file)
    with pytest.raises(ModelUnreadable, match="GGUF") as caught:
        load_checkpoint(file, FLOAT32)
    assert caught.value.path == file


def real_size(file: Path, weights: dict[str, Tensor], dtype: str) -> Path:
    """A file of real names and shapes that takes no room: a header, and a hole of the size of the numbers."""
    size, entries, end = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1}[dtype], {}, 0
    for name, tensor in weights.items():
        begin, end = end, end + tensor.numel() * size
        entries[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [begin, end]}
    header = json.dumps(entries).encode()
    with file.open("wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        out.truncate(8 + len(header) + end)
    return file


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F8_E4M3"])
@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_real_files_are_known_by_their_headers_alone(tmp_path: Path, family: str, bare: bool, dtype: str) -> None:
    config = json.loads(resource("families", family, "unet", "config.json").read_text())
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
    weights = original.unet(unet.state_dict(), unet.config)
    if bare:
        weights = {name.removeprefix("model.diffusion_model."): one for name, one in weights.items()}
    found = identify(real_size(tmp_path / "model.safetensors", weights, dtype))
    assert (found.kind, found.dtype) == ("file", dtype)
    assert (found.detected.family, found.detected.variant, found.detected.layout) == (family, "", "ldm")


def test_a_header_as_large_as_it_may_be_is_refused_quickly(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    with file.open("wb") as out:
        out.write((2**62).to_bytes(8, "little"))
        out.truncate(200_000_000)
    with pytest.raises(ModelUnreadable, match="beginning is damaged"):
        load_checkpoint(file, FLOAT32)
