"""Models from the library: in parts, and in number formats of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from nodes.conditioning import encode_prompt
from nodes.latent import decode_
from nodes.model import LoadedCheckpoint, load, load_parts
from nodes.sample import sample_
from studio.graph.errors import ModelMissing, ModelUnreadable
from studio.library.places import set_model_folders
from studio.sdk import Image, Latent
from studio.sdk.definition import definition_of
from studio.sdk.testing import run_node
from tests.diffusion import tiny
from tests.diffusion.test_gguf import Q, parts_of, write


def picture(parts: LoadedCheckpoint) -> Image:
    words = [run_node(encode_prompt, text_encoder=parts.text_encoder, text=text) for text in ("the cat", "")]
    latent, _ = run_node(
        sample_, model=parts.model, positive=words[0], negative=words[1], latent=Latent.empty(16, 16), steps=2, seed=1
    )
    image = run_node(decode_, latent=latent, vae=parts.vae)
    assert isinstance(image, Image)
    return image


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny Stable Diffusion 1 as a folder, and in the files that artists have."""
    root = tmp_path / "models"
    pipeline = tiny.sd_pipeline(width=768)
    folder = tiny.save(pipeline, root / "checkpoints" / "whole")
    net, clip, vae = parts_of(pipeline, tmp_path, vae_names="original")
    (root / "vae").mkdir()
    (root / "text_encoders").mkdir()
    shutil.move(net, root / "checkpoints" / "net.safetensors")
    shutil.move(clip, root / "text_encoders" / "clip_l.safetensors")
    shutil.move(vae, root / "vae" / "ema.safetensors")
    shutil.copytree(folder / "tokenizer", root / "checkpoints" / "tokenizer")
    monkeypatch.setattr("studio.diffusion.families.sd1.resource", lambda *names: folder)
    set_model_folders((root,))
    return root


def test_files_put_together_make_the_folders_picture(library: Path) -> None:
    whole = LoadedCheckpoint(*run_node(load, model="whole"))
    parts = LoadedCheckpoint(*run_node(load_parts, model="net", text_encoder="clip_l", vae="ema"))
    assert not any(one.weights.loaded for one in parts)
    assert np.array_equal(picture(parts).pixels, picture(whole).pixels)


def test_a_gguf_network_borrows_from_another_checkpoint(library: Path) -> None:
    from tests.diffusion import original

    pipeline = tiny.sd_pipeline(width=768)
    names = original.unet(pipeline.unet.state_dict(), pipeline.unet.config)
    bare = {name.removeprefix("model.diffusion_model."): one for name, one in names.items()}
    write(library / "checkpoints" / "small.gguf", bare, Q.Q8_0, "sd1")
    small, whole = (LoadedCheckpoint(*run_node(load, model=name)) for name in ("small", "whole"))
    mixed = LoadedCheckpoint(small.model, whole.text_encoder, whole.vae)
    assert np.abs(picture(mixed).pixels - picture(whole).pixels).max() < 0.02
    with pytest.raises(ModelUnreadable, match="has no VAE"):
        small.vae.weights.load()


def test_each_file_counts_in_the_key(library: Path) -> None:
    fingerprint = definition_of(load_parts).fingerprint
    assert fingerprint is not None
    asked = {"model": "net", "text_encoder": "clip_l", "text_encoder_2": "", "text_encoder_3": "", "vae": ""}
    whole = fingerprint(**{**asked, "vae": "ema"})
    assert fingerprint(**asked) != whole
    (library / "vae" / "ema.safetensors").write_bytes(b"another")
    assert fingerprint(**{**asked, "vae": "ema"}) != whole
    with pytest.raises(ModelMissing):
        fingerprint(**{**asked, "vae": "nowhere"})


def test_every_part_has_the_format_that_is_asked_for(library: Path) -> None:
    parts = LoadedCheckpoint(
        *run_node(load, model="whole", precision="bfloat16", text_precision="float32", vae_precision="float16")
    )
    found = [next(iter(part.weights.load().modules)).dtype for part in parts]
    assert found == [torch.bfloat16, torch.float32, torch.float16]


@pytest.mark.parametrize("kept", ["int8", "float8"])
def test_a_network_in_8_bits_makes_the_picture_through_the_nodes(kept: str) -> None:
    whole = LoadedCheckpoint(*run_node(load, model="picture"))
    small = LoadedCheckpoint(*run_node(load, model="picture", precision=kept, text_precision=kept))
    assert small.model.weights.key != whole.model.weights.key
    assert np.abs(picture(small).pixels - picture(whole).pixels).mean() < 0.05
    assert small.model.weights.bytes < 0.34 * whole.model.weights.bytes
    assert next(iter(small.vae.weights.load().modules)).dtype == torch.float32
