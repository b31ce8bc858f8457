"""Upscalers: any file that spandrel knows, larger pictures of it, whole or in tiles."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nodes.upscale import load, upscale_with_model
from studio.diffusion.upscale import spans
from studio.graph.errors import ModelMissing, ModelUnreadable, ValueRefused
from studio.library.places import set_model_folders
from studio.sdk import Image, Upscaler
from studio.sdk.context import activate
from studio.sdk.testing import Recorder, run_node


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    set_model_folders((tmp_path / "models",))
    (tmp_path / "models" / "upscale_models").mkdir(parents=True)
    return tmp_path / "models" / "upscale_models"


def network() -> torch.nn.Module:
    # The network's layout ships with the models' training code, outside the program's own packages.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "resources" / "starters"))
    from train.upscale import Compact

    torch.manual_seed(0)
    made = Compact()
    torch.nn.init.normal_(made.body[-1].weight, std=0.01)
    return made


@pytest.fixture
def upscaler(folder: Path) -> Upscaler:
    save_file(network().state_dict(), folder / "own.safetensors")
    opened = run_node(load, model="own")
    assert isinstance(opened, Upscaler)
    return opened


def noise(width: int, height: int, channels: int = 3) -> Image:
    return Image(np.random.default_rng(0).random((1, height, width, channels), np.float32))


def larger(image: Image, upscaler: Upscaler, tile: int = 512) -> Image:
    made = run_node(upscale_with_model, image=image, upscaler=upscaler, tile=tile)
    assert isinstance(made, Image)
    return made


def test_a_picture_is_enlarged_as_the_network_does(upscaler: Upscaler) -> None:
    image = noise(40, 24)
    with torch.no_grad():
        wanted = network().eval()(torch.from_numpy(image.pixels.copy()).permute(0, 3, 1, 2)).clamp(0, 1)
    made = larger(image, upscaler)
    assert made.size == (80, 48)
    assert np.abs(made.pixels - wanted.permute(0, 2, 3, 1).numpy()).max() < 1e-5


def test_tiles_show_no_seams_and_can_be_watched(upscaler: Upscaler) -> None:
    image = noise(150, 90)
    recorder = Recorder()
    with activate(recorder):
        tiled = larger(image, upscaler, tile=64)
    assert recorder.done[-1] == (6, 6)
    assert np.abs(tiled.pixels - larger(image, upscaler).pixels).max() < 1e-5


def test_transparency_is_kept(upscaler: Upscaler) -> None:
    image = noise(16, 16, 4)
    made = larger(image, upscaler)
    assert made.channels == 4
    assert abs(float(made.pixels[..., 3].mean() - image.pixels[..., 3].mean())) < 0.02
    assert larger(noise(16, 16, 1), upscaler).channels == 3


def test_an_upscaler_of_older_programs_is_a_pickle_with_a_table_inside(folder: Path, upscaler: Upscaler) -> None:
    torch.save({"params_ema": network().state_dict()}, folder / "old.pth")
    image = noise(20, 20)
    old = run_node(load, model="old")
    assert np.array_equal(larger(image, old).pixels, larger(image, upscaler).pixels)


def test_other_files_are_refused(folder: Path) -> None:
    save_file({"conv_first.weight": torch.zeros(3, 3)}, folder / "other.safetensors")
    with pytest.raises(ModelUnreadable, match="no upscaler"):
        run_node(load, model="other").weights.load()
    with pytest.raises(ModelMissing):
        run_node(load, model="nowhere")


def test_a_network_for_other_channels_is_refused(upscaler: Upscaler) -> None:
    upscaler.weights.load().output_channels = 1
    with pytest.raises(ValueRefused, match="makes 1 channels of 3"):
        larger(noise(8, 8), upscaler)


@pytest.mark.parametrize(("length", "tile"), [(512, 512), (513, 512), (1000, 64), (5, 64)])
def test_tiles_cover_a_length_without_gaps(length: int, tile: int) -> None:
    found = list(spans(length, tile))
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))
    assert max(end - start for start, end in found) <= tile
