from __future__ import annotations

import numpy as np
import pytest

from nodes.picture_make import gradient, grain, solid
from studio.sdk import Image
from studio.sdk.testing import run_node


def test_solid() -> None:
    image = run_node(solid, color="#ff8000", width=3, height=2, batch=4)
    assert image.pixels.shape == (4, 2, 3, 3)
    assert image.pixels[3, 1, 2] == pytest.approx([1, 128 / 255, 0])
    assert run_node(solid, color="#ffffff80").alpha().mean() == pytest.approx(128 / 255)


def test_a_gradient_goes_from_start_to_end_in_its_direction() -> None:
    right = run_node(gradient, width=64, height=4).pixels[0, :, :, 0]
    assert np.all(np.diff(right, axis=1) > 0)
    assert np.all(np.diff(right, axis=0) == 0)
    assert (right[0, 0], right[0, -1]) == pytest.approx((0, 1), abs=0.01)
    down = run_node(gradient, width=4, height=64, angle=90.0).pixels[0, :, :, 0]
    assert np.all(np.diff(down, axis=0) > 0)
    round_ = run_node(gradient, shape="circle", start="#ffffff", end="#000000", width=33, height=33).pixels[0, :, :, 0]
    assert round_[16, 16] == pytest.approx(1)
    assert round_[0, 0] < 0.05
    assert round_ == pytest.approx(round_.T)


def test_grain_is_the_same_for_the_same_seed_and_spares_black_and_white() -> None:
    grey = Image.solid(64, 64, (0.5, 0.5, 0.5))
    grained = run_node(grain, image=grey, strength=0.1, seed=3)
    assert grained.pixels.std() == pytest.approx(0.1, abs=0.01)
    assert grained.mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(run_node(grain, image=grey, strength=0.1, seed=3).pixels, grained.pixels)
    assert not np.array_equal(run_node(grain, image=grey, strength=0.1, seed=4).pixels, grained.pixels)
    ends = Image.of([[0.0, 1.0]])
    assert run_node(grain, image=ends, strength=1.0).pixels.ravel().tolist() == [0.0, 1.0]


def test_coarse_grain_changes_slowly_from_pixel_to_pixel() -> None:
    grey = Image.solid(64, 64, (0.5,))
    fine, coarse = (run_node(grain, image=grey, coarse=size).gradient().mean() for size in (1.0, 8.0))
    assert coarse < fine / 2
