"""GGUF files, and models put together from several files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from diffusers.quantizers.gguf.utils import GGUFLinear
from safetensors.torch import save_file
from torch import Tensor

from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Checkpoint
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.diffusion.weights.gguf_file import as_numbers, gguf_weights, read_gguf
from studio.graph.errors import ModelUnreadable
from studio.sdk.resident import module_bytes
from tests.diffusion import original, tiny
from tests.diffusion.conftest import FLOAT32

Q = gguf.GGMLQuantizationType


def write(path: Path, weights: Mapping[str, Tensor], kind: gguf.GGMLQuantizationType, arch: str = "flux") -> Path:
    """A file as converters make it: what fits into blocks in blocks, the rest as it is."""
    writer = gguf.GGUFWriter(path, arch)
    block = gguf.GGML_QUANT_SIZES[kind][0]
    for name, tensor in weights.items():
        data = tensor.float().numpy()
        if data.ndim == 2 and data.shape[-1] % block == 0:
            packed = gguf.quants.quantize(data, kind)
            writer.add_tensor(name, packed, raw_dtype=kind)
        else:
            writer.add_tensor(name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("kind", [Q.Q2_K, Q.Q3_K, Q.Q4_K, Q.Q5_K, Q.Q6_K, Q.IQ4_NL, Q.IQ4_XS])
def test_blocks_that_only_other_programs_write_become_the_right_numbers(
    tmp_path: Path, kind: gguf.GGMLQuantizationType
) -> None:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    random = np.random.default_rng(3)
    # Scales are numbers of 16 bits: bytes below 60 make them small and finite wherever they lie.
    packed = random.integers(0, 60, (4, 512 // block * size), dtype=np.uint8)
    writer = gguf.GGUFWriter(tmp_path / "k.gguf", "flux")
    writer.add_tensor("a.weight", packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tensors, texts = read_gguf(tmp_path / "k.gguf")
    assert (tensors["a.weight"].dtype, tensors["a.weight"].shape) == (kind.name, (4, 512))
    assert texts["general.architecture"] == "flux"
    numbers = as_numbers(gguf_weights(tmp_path / "k.gguf"), torch.float32)["a.weight"]
    expected = torch.from_numpy(gguf.quants.dequantize(packed, kind))
    assert distance(numbers, expected) < 2e-3


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.diffusion.test_flux import pipeline

    return tiny.save(pipeline(), tmp_path_factory.mktemp("models") / "flux")


@pytest.mark.parametrize(
    ("kind", "error", "size"),
    [
        (Q.F16, 1e-3, 0.6),
        (Q.BF16, 5e-3, 0.6),
        (Q.Q8_0, 0.01, 0.4),
        (Q.Q5_1, 0.05, 0.3),
        (Q.Q5_0, 0.06, 0.3),
        (Q.Q4_1, 0.1, 0.3),
        (Q.Q4_0, 0.12, 0.3),
    ],
)
def test_a_flux_network_runs_from_blocks(
    flux: Path, tmp_path: Path, kind: gguf.GGMLQuantizationType, error: float, size: float
) -> None:
    whole = load_checkpoint(flux, FLOAT32).model
    file = write(tmp_path / "flux.gguf", whole.network.state_dict(), kind)
    found = identify(file)
    assert (found.detected.family, found.dtype) == ("flux", kind.name)
    loaded = load_checkpoint(file, FLOAT32, config=flux).model
    if kind not in (Q.F16, Q.BF16):
        linear = [one for one in loaded.network.modules() if isinstance(one, GGUFLinear)]
        assert len(linear) > 20
        assert module_bytes([loaded.network]) < size * module_bytes([whole.network])
    torch.manual_seed(0)
    asked: dict[str, Foreign] = {
        "hidden_states": torch.randn(1, 12, 64),
        "encoder_hidden_states": torch.randn(1, 4, 32),
        "pooled_projections": torch.randn(1, 32),
        "timestep": torch.tensor([0.5]),
        "guidance": torch.tensor([3.5]),
        "txt_ids": torch.zeros(4, 3),
        "img_ids": torch.zeros(12, 3),
        "return_dict": False,
    }
    with torch.no_grad():
        assert distance(loaded.network(**asked)[0], whole.network(**asked)[0]) < error


def test_a_u_net_under_its_authors_names_keeps_its_convolutions(
    tmp_path: Path, sd1: Checkpoint, sd1_folder: Path
) -> None:
    names = original.unet(sd1.model.network.state_dict(), sd1.model.network.config)
    bare = {name.removeprefix("model.diffusion_model."): one.contiguous() for name, one in names.items()}
    file = write(tmp_path / "sd.gguf", bare, Q.Q8_0, "sd1")
    assert (identify(file).detected.family, identify(file).detected.layout) == ("sd1", "ldm")
    loaded = load_checkpoint(file, FLOAT32, config=sd1_folder)
    assert (loaded.text_encoder, loaded.vae) == (None, None)
    assert loaded.model.latents == sd1.model.latents
    x, e = torch.randn(1, 4, 8, 8), torch.randn(1, 5, 32)
    with torch.no_grad():
        ours, theirs = (one.model.network(x, torch.tensor(5.0), e, return_dict=False)[0] for one in (loaded, sd1))
    assert distance(ours, theirs) < 0.02


def test_a_tensor_that_was_laid_into_rows_gets_its_shape_back(tmp_path: Path) -> None:
    values = torch.randn(8, 16, 3, 3)
    writer = gguf.GGUFWriter(tmp_path / "rows.gguf", "sd1")
    writer.add_tensor("a.weight", gguf.quants.quantize(values.reshape(-1, 128).numpy(), Q.Q8_0), raw_dtype=Q.Q8_0)
    writer.add_array("comfy.gguf.orig_shape.a.weight", list(values.shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert read_gguf(tmp_path / "rows.gguf")[0]["a.weight"].shape == (8, 16, 3, 3)
    assert distance(gguf_weights(tmp_path / "rows.gguf")["a.weight"].float(), values) < 0.01


def test_damaged_files_are_refused_at_once(flux: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "flux.gguf", load_checkpoint(flux, FLOAT32).model.network.state_dict(), Q.Q8_0)
    whole = file.read_bytes()
    endless = (
        whole[:24] + (9).to_bytes(8, "little") + b"a.b.c.d.e" + (9).to_bytes(4, "little") + b"\0\0\0\0" + b"\xff" * 8
    )
    for content in (b"", b"GGUF", whole[:100], whole[: len(whole) // 2], whole[:-1], b"x" * 5000, endless):
        file.write_bytes(content)
        with pytest.raises(ModelUnreadable) as caught:
            load_checkpoint(file, FLOAT32, config=flux)
        assert caught.value.path == file


def test_a_format_that_is_not_known_names_those_that_are(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "odd.gguf", "flux")
    writer.add_tensor("a.weight", np.zeros((2, gguf.GGML_QUANT_SIZES[Q.IQ1_S][1]), np.uint8), raw_dtype=Q.IQ1_S)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelUnreadable, match="Q8_0"):
        gguf_weights(tmp_path / "odd.gguf")


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion 1 whose text encoder is as wide as the real one, by which it is known."""
    return tiny.save(tiny.sd_pipeline(width=768), tmp_path_factory.mktemp("models") / "wide")


def same(one: Foreign, other: Foreign) -> bool:
    pairs = [(a.state_dict(), b.state_dict()) for a, b in zip(one.modules, other.modules, strict=True)]
    return all(a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) for a, b in pairs)


def parts_of(pipeline: Foreign, folder: Path, *, vae_names: str) -> tuple[Path, Path, Path]:
    unet = original.unet(pipeline.unet.state_dict(), pipeline.unet.config)
    vae = pipeline.vae.state_dict()
    if vae_names == "original":
        vae = {name.removeprefix("first_stage_model."): one for name, one in original.vae(vae, 2).items()}
    files = {
        "net": {name.removeprefix("model.diffusion_model."): one for name, one in unet.items()},
        "clip": original.clip(pipeline.text_encoder.state_dict(), ""),
        "vae": vae,
    }
    for name, weights in files.items():
        save_file({key: one.contiguous() for key, one in weights.items()}, folder / f"{name}.safetensors")
    return folder / "net.safetensors", folder / "clip.safetensors", folder / "vae.safetensors"


@pytest.mark.parametrize("vae_names", ["original", "diffusers"])
def test_a_model_is_put_together_from_its_files(wide: Path, tmp_path: Path, vae_names: str) -> None:
    net, clip, vae = parts_of(tiny.sd_pipeline(width=768), tmp_path, vae_names=vae_names)
    whole = load_checkpoint(wide, FLOAT32)
    found = load_checkpoint(net, FLOAT32, config=wide, tokenizer=wide / "tokenizer", parts=[vae, clip])
    assert same(found.model, whole.model)
    assert found.vae is not None
    assert whole.vae is not None
    assert same(found.vae, whole.vae)
    assert found.text_encoder is not None
    assert whole.text_encoder is not None
    assert same(found.text_encoder, whole.text_encoder)
    assert found.model.projection() is not None


def test_another_vae_takes_the_place_of_the_files_own(wide: Path, tmp_path: Path) -> None:
    pipeline = tiny.sd_pipeline(width=768)
    file = tmp_path / "all.safetensors"
    save_file({name: one.contiguous() for name, one in original.checkpoint(pipeline).items()}, file)
    other = tiny.vae()
    with torch.no_grad():
        next(other.parameters()).add_(1)
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    found = load_checkpoint(
        file, FLOAT32, config=wide, tokenizer=wide / "tokenizer", parts=[tmp_path / "other.safetensors"]
    )
    assert found.vae is not None
    assert all(torch.equal(one, other.state_dict()[name]) for name, one in found.vae.network.state_dict().items())
    assert found.text_encoder is not None


def test_parts_that_do_not_fit_are_named(wide: Path, tmp_path: Path) -> None:
    net, clip, vae = parts_of(tiny.sd_pipeline(width=768), tmp_path, vae_names="diffusers")
    for parts, match, path in (
        ([vae, vae], "second VAE", vae),
        ([net], "neither", net),
        ([clip, tmp_path / "none.safetensors"], "cannot be read", tmp_path / "none.safetensors"),
    ):
        with pytest.raises(ModelUnreadable, match=match) as caught:
            load_checkpoint(net, FLOAT32, config=wide, parts=parts)
        assert caught.value.path == path
    with pytest.raises(ModelUnreadable, match="folder"):
        load_checkpoint(wide, FLOAT32, parts=[vae])
