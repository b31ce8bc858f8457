"""Networks and text encoders in 8 bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from studio.diffusion.decode import decode
from studio.diffusion.device import Compact, Dtypes, dtype_of
from studio.diffusion.model import Checkpoint
from studio.diffusion.sampling import sample
from studio.diffusion.schedules import sigmas
from studio.diffusion.weights.checkpoint import load_checkpoint
from studio.diffusion.weights.compact import CompactLayer, compact
from studio.graph.errors import ModelUnreadable
from studio.resources import resource
from studio.sdk.resident import module_bytes
from tests.diffusion import tiny
from tests.diffusion.conftest import FLOAT32

INT8 = Compact(torch.int8, torch.float32)
FLOAT8 = Compact(torch.float8_e4m3fn, torch.float32)


def distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


def picture(checkpoint: Checkpoint, steps: int = 8) -> Tensor:
    model, encoder = checkpoint.model, checkpoint.text_encoder
    assert encoder is not None
    assert checkpoint.vae is not None
    words = [model.family.encode(encoder, [text]).conditioned for text in ("a red circle on a blue background", "")]
    levels = sigmas("karras", model.noise, steps)
    *_, last = sample(model, words[0], words[1], torch.zeros(model.latents.shape(128, 128)), levels, guidance=4.0)
    return decode(checkpoint.vae, last.latent)


@pytest.mark.parametrize(("format", "pixels"), [(INT8, 0.01), (FLOAT8, 0.06)])
def test_the_starter_in_8_bits_makes_the_same_picture_from_a_third_of_the_memory(
    starter: Checkpoint, format: Compact, pixels: float
) -> None:
    small = load_checkpoint(resource("starters", "picture"), Dtypes(format, format, torch.float32))
    assert dtype_of(small.model.network) == torch.float32
    assert module_bytes([small.model.network]) < 0.34 * module_bytes([starter.model.network])
    assert float((picture(small) - picture(starter)).abs().mean()) < pixels


@pytest.mark.parametrize(("format", "error"), [(INT8, 0.01), (FLOAT8, 0.04)])
@pytest.mark.parametrize("layer", [nn.Linear(64, 32), nn.Conv2d(16, 32, 3, padding=1)])
def test_a_layer_answers_nearly_as_before(layer: nn.Module, format: Compact, error: float) -> None:
    holder = nn.Sequential(layer)
    x = torch.randn(2, 64) if isinstance(layer, nn.Linear) else torch.randn(2, 16, 8, 8)
    with torch.no_grad():
        before = holder(x)
        compact(holder, format)
        assert isinstance(holder[0], CompactLayer)
        assert isinstance(holder[0], type(layer)), "what looks for linear layers still finds them"
        assert distance(holder(x), before) < error


def test_what_is_in_float8_already_loses_nothing() -> None:
    layer = nn.Linear(64, 32)
    with torch.no_grad():
        layer.weight.copy_((layer.weight / 5).to(torch.float8_e4m3fn).float())
        layer.weight[3] = 0
    before = layer.weight.clone()
    holder = nn.Sequential(layer)
    compact(holder, FLOAT8)
    assert torch.equal(holder[0].weight, before)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_whatever_the_file_has_it_computes_in_the_format_that_is_asked_for(tmp_path: Path, kind: str) -> None:
    half = tiny.save(tiny.sd_pipeline().to(dtype=getattr(torch, kind)), tmp_path / "half")
    format = Compact(torch.int8, torch.bfloat16)
    found = load_checkpoint(half, Dtypes(format, format, torch.float32))
    assert found.text_encoder is not None
    for network in (found.model.network, found.text_encoder.encoders[0]):
        assert {one.dtype for one in network.parameters()} == {torch.bfloat16}
        assert any(isinstance(one, CompactLayer) for one in network.modules())


def test_a_layer_moves_with_its_bits() -> None:
    holder = nn.Sequential(nn.Linear(8, 8))
    compact(holder, INT8)
    assert {one.device.type for one in holder.to("meta").state_dict().values()} == {"meta"}


def test_weights_that_are_not_finite_are_refused(sd1_folder: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(sd1_folder, tmp_path / "model"))
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    name = "down_blocks.0.resnets.0.conv1.weight"
    weights[name][0, 0] = torch.nan
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ModelUnreadable, match=name) as caught:
        load_checkpoint(folder, Dtypes(INT8, FLOAT32.text_encoder, FLOAT32.vae))
    assert caught.value.field == "unet"


@pytest.mark.parametrize("format", [INT8, FLOAT8])
def test_every_kind_of_network_and_text_encoder_computes_in_8_bits(
    format: Compact, tmp_path: Path, sdxl_folder: Path
) -> None:
    from tests.diffusion import test_flux, test_sd3

    folders = [sdxl_folder] + [tiny.save(made.pipeline(), tmp_path / made.__name__) for made in (test_flux, test_sd3)]
    for folder in folders:
        predictions = []
        for dtypes in (FLOAT32, Dtypes(format, format, torch.float32)):
            checkpoint = load_checkpoint(folder, dtypes)
            model, encoder = checkpoint.model, checkpoint.text_encoder
            assert encoder is not None
            words = model.family.encode(encoder, ["the cat"]).conditioned
            x = torch.randn(model.latents.shape(16, 16), generator=torch.Generator().manual_seed(1))
            guidance = 3.0 if model.family.takes_guidance(model) else None
            with torch.no_grad():
                predictions.append(model.family.call(model, x, 400.0, words, guidance))
        assert distance(predictions[1], predictions[0]) < (0.05 if format is INT8 else 0.2)
