from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from studio.graph.errors import ModelMissing
from studio.library.models import content_hash, find_models, resolve
from studio.library.places import places, set_model_folders
from studio.resources import resource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A further model folder of the artist."""
    made = tmp_path / "disk" / "ai"
    made.mkdir(parents=True)
    set_model_folders((made,))
    return made


def weights(path: Path, *names: str, size: int = 10) -> Path:
    """A safetensors file with tensors of these names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = json.dumps({name: {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for name in names}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))
    return path


def pipeline(path: Path) -> Path:
    (path / "unet").mkdir(parents=True)
    (path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    weights(path / "unet" / "diffusion_pytorch_model.safetensors", "down_blocks.0")
    return path


def names(kind: str) -> list[str]:
    """Of the artist's own models: what ships is another test's subject."""
    return [entry.name for entry in find_models(kind) if not entry.starter]


def test_the_picture_starter_is_there_and_comes_first(folder: Path) -> None:
    weights(folder / "checkpoints" / "a.safetensors")
    assert find_models("checkpoint")[0].name == "picture"
    assert resolve("picture", "checkpoint") == resource("starters", "picture")
    assert find_models("checkpoint")[0].starter


def test_files_and_folders_are_found_with_kind_name_and_size(folder: Path) -> None:
    file = weights(folder / "Loras" / "styles" / "ink.safetensors", size=100)
    whole = pipeline(folder / "checkpoints" / "sd15" / "toon")
    (folder / "loras" / ".cache").mkdir(parents=True)
    weights(folder / "loras" / ".cache" / "hidden.safetensors")
    (folder / "loras" / "readme.txt").write_text("no model")
    (folder / "loras" / "half.safetensors.part").write_text("no model yet")
    (lora,) = (entry for entry in find_models("lora") if not entry.starter)
    assert (lora.name, lora.path, lora.size) == ("styles/ink.safetensors", file, file.stat().st_size)
    toon = next(entry for entry in find_models("checkpoint") if not entry.starter)
    assert (toon.name, toon.path) == ("sd15/toon", whole)
    assert toon.size == sum(path.stat().st_size for path in whole.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("kind", "tensors"),
    [
        ("lora", ["lora_unet_mid.lora_down.weight", "lora_unet_mid.alpha"]),
        ("lora", ["unet.mid_block.attn.lora.up.weight", "unet.mid_block.attn.to_q.lora_A.weight"]),
        (
            "checkpoint",
            ["noise_refiner.0.attention.qkv.weight", "cap_embedder.0.weight", "layers.0.attention.qkv.weight"],
        ),
        ("checkpoint", ["transformer_blocks.0.img_mod.1.weight", "txt_norm.weight"]),
        ("checkpoint", ["model.diffusion_model.input_blocks.0.0.weight", "first_stage_model.decoder.conv_in.weight"]),
        ("vae", ["decoder.up.0.block.0.conv1.weight", "encoder.down.0.block.0.conv1.weight"]),
        ("controlnet", ["control_model.input_hint_block.0.weight"]),
        ("controlnet", ["controlnet_cond_embedding.conv_in.weight", "down_blocks.0.attentions.0.norm.weight"]),
        ("upscaler", ["body.0.weight", "body.1.weight"]),
        ("embedding", ["emb_params"]),
    ],
)
def test_a_file_outside_the_known_folders_is_told_by_its_tensors(folder: Path, kind: str, tensors: list[str]) -> None:
    weights(folder / "misc" / "thing.safetensors", *tensors)
    assert "misc/thing.safetensors" in names(kind)
    assert sum(entry.name == "misc/thing.safetensors" for entry in find_models()) == 1


def test_single_networks_in_the_layout_of_diffusers_are_told_by_their_config(folder: Path) -> None:
    for name, kind in (("AutoencoderKL", "vae"), ("ControlNetModel", "controlnet"), ("AutoencoderTiny", "preview")):
        weights(folder / name / "diffusion_pytorch_model.safetensors", "x")
        (folder / name / "config.json").write_text(json.dumps({"_class_name": name}))
        assert name in names(kind)


def test_damaged_and_strange_files_are_no_models(folder: Path) -> None:
    (folder / "zero.safetensors").write_bytes(b"")
    (folder / "liar.safetensors").write_bytes(b"\xff" * 100)
    (folder / "list.safetensors").write_bytes((2).to_bytes(8, "little") + b"[]")
    (folder / "odd").mkdir()
    (folder / "odd" / "config.json").write_text("[" * 100_000)
    weights(folder / "unknown.safetensors", "something.else")
    assert [entry for entry in find_models() if not entry.starter] == []


def test_an_added_folder_may_be_of_one_kind_or_one_model(tmp_path: Path) -> None:
    weights(tmp_path / "LoRA" / "a" / "ink.safetensors")
    whole = pipeline(tmp_path / "toon")
    set_model_folders((tmp_path / "LoRA", whole, tmp_path / "not there"))
    assert names("lora") == ["a/ink.safetensors"]
    assert resolve("toon", "checkpoint") == whole


def test_new_and_deleted_files_are_seen_at_once(folder: Path) -> None:
    kept = weights(folder / "vae" / "one.safetensors")
    long_ago = (1_000_000_000, 1_000_000_000)
    for path in (folder, folder / "vae"):
        os.utime(path, long_ago)
    assert names("vae") == names("vae") == ["one.safetensors"]
    two = weights(folder / "vae" / "deep" / "two.safetensors")
    assert names("vae") == ["deep/two.safetensors", "one.safetensors"]
    kept.unlink()
    assert names("vae") == ["deep/two.safetensors"]
    two.unlink()
    assert names("vae") == []


def test_a_name_may_be_shortened_where_one_model_fits(folder: Path) -> None:
    base = weights(folder / "checkpoints" / "XL" / "Base v1.0.safetensors")
    for name in (
        "XL/Base v1.0.safetensors",
        "xl/base v1.0",
        "XL\\Base v1.0.safetensors",
        "Base v1.0.safetensors",
        "BASE V1.0",
    ):
        assert resolve(name, "checkpoint") == base
    weights(folder / "checkpoints" / "old" / "Base v1.0.ckpt")
    assert resolve("base v1.0.safetensors", "checkpoint") == base
    with pytest.raises(
        ModelMissing, match=r"More than one checkpoint.*old/Base v1.0.ckpt, XL/Base v1.0.safetensors"
    ) as caught:
        resolve("base v1.0", "checkpoint")
    assert caught.value.where == "base v1.0"


def test_another_file_of_the_same_stem_is_never_taken_instead(folder: Path) -> None:
    weights(folder / "checkpoints" / "base.safetensors")
    with pytest.raises(ModelMissing, match=r"Did you mean base.safetensors\?"):
        resolve("base.ckpt", "checkpoint")


def test_names_are_unique_over_all_folders(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    first = weights(one / "checkpoints" / "a.safetensors")
    second = weights(one / "diffusion_models" / "a.safetensors")
    third = weights(two / "checkpoints" / "a.safetensors")
    fourth = pipeline(two / "checkpoints" / "picture")
    set_model_folders((one, two))
    found = {entry.name: entry.path for entry in find_models("checkpoint") if not entry.starter}
    assert found == {
        "a.safetensors": first,
        "one:diffusion_models/a.safetensors": second,
        "two:checkpoints/a.safetensors": third,
        "two:checkpoints/picture": fourth,
    }
    for name, path in found.items():
        assert resolve(name, "checkpoint") == path
    assert resolve("picture", "checkpoint") == resource("starters", "picture")


@pytest.mark.parametrize(
    "name", ["../secret", "../secret.safetensors", "/etc/passwd", "..", ".", "", "/", "checkpoints/../../secret"]
)
def test_no_name_leads_out_of_the_model_folders(folder: Path, name: str) -> None:
    weights(folder.parent / "secret.safetensors")
    weights(folder / "checkpoints" / "a.safetensors")
    weights(folder / "checkpoints" / "b.safetensors")
    for asked in (name, str(folder.parent / "secret.safetensors")):
        with pytest.raises(ModelMissing):
            resolve(asked, "checkpoint")


def test_a_missing_model_is_answered_with_what_is_near(folder: Path) -> None:
    weights(folder / "loras" / "watercolour.safetensors")
    with pytest.raises(ModelMissing, match=r"water_color: There is no lora .* Did you mean watercolour\.safetensors"):
        resolve("water_color", "lora")
    with pytest.raises(ModelMissing, match="There is a lora of this name: choose a vae"):
        resolve("watercolour", "vae")
    with pytest.raises(ModelMissing) as caught:
        resolve("zzz", "upscaler")
    assert str(places().models[0] / "upscale_models") in caught.value.mend


def test_links_and_circles_of_links_end(folder: Path) -> None:
    weights(folder.parent / "elsewhere" / "ink.safetensors")
    (folder / "loras").mkdir()
    (folder / "loras" / "linked").symlink_to(folder.parent / "elsewhere")
    (folder / "loras" / "round").symlink_to(folder)
    (folder / "loras" / "broken").symlink_to(folder / "nowhere")
    assert names("lora") == ["linked/ink.safetensors"]


def test_the_content_hash_of_a_folder_follows_its_files(folder: Path) -> None:
    whole = pipeline(folder / "checkpoints" / "toon")
    first = content_hash(whole)
    weights(whole / "unet" / "diffusion_pytorch_model.safetensors", "down_blocks.1", size=11)
    second = content_hash(whole)
    (whole / "unet" / "diffusion_pytorch_model.safetensors").rename(whole / "unet" / "other.safetensors")
    assert len({first, second, content_hash(whole)}) == 3
