from __future__ import annotations

import numpy as np
import pytest

from nodes.picture_filters import adjust, blur, channel, edges, invert, levels, sharpen
from studio.sdk import Image
from studio.sdk.testing import run_node

EDGE = Image.of([[0.0] * 8 + [1.0] * 8] * 16)
CLEAR = Image.of([[[0.2, 0.4, 0.8, 0.25]]])


def test_invert_turns_colours_and_leaves_transparency() -> None:
    assert run_node(invert, image=CLEAR).pixels.ravel() == pytest.approx([0.8, 0.6, 0.2, 0.25])
    assert run_node(invert, image=CLEAR, amount=0).pixels.ravel() == pytest.approx([0.2, 0.4, 0.8, 0.25])
    assert run_node(invert, image=CLEAR, amount=0.5).pixels.ravel() == pytest.approx([0.5, 0.5, 0.5, 0.25])


def test_blur_keeps_the_mean_and_softens_edges() -> None:
    soft = run_node(blur, image=EDGE, radius=1.0)
    assert soft.mean() == pytest.approx(EDGE.mean(), abs=1e-3)
    assert soft.gradient().max() < EDGE.gradient().max()
    assert soft.pixels[0, 0, 0, 0] == pytest.approx(0, abs=1e-3), "no light comes in from outside"
    assert run_node(blur, image=EDGE, radius=0) is EDGE


def test_blur_lets_no_hidden_colour_bleed_out_of_clear_pixels() -> None:
    halves = np.zeros((1, 16, 16, 4), np.float32)
    halves[:, :, :8] = (0, 0, 1, 1)
    halves[:, :, 8:] = (1, 0, 0, 0)
    soft = run_node(blur, image=Image(halves), radius=2.0).pixels
    assert soft[..., 0].max() < 1e-3
    assert soft[0, 8, 7, 2] == pytest.approx(1, abs=1e-3)
    assert 0.3 < soft[0, 8, 8, 3] < 0.7


def test_sharpen_undoes_some_of_a_blur() -> None:
    soft = run_node(blur, image=EDGE, radius=2.0)
    sharp = run_node(sharpen, image=soft, amount=1.0, radius=2.0)
    assert np.abs(sharp.pixels - EDGE.pixels).mean() < np.abs(soft.pixels - EDGE.pixels).mean()
    flat = Image.solid(8, 8, (0.3,))
    assert run_node(sharpen, image=flat).pixels == pytest.approx(flat.pixels)


def test_levels_stretch_between_black_and_white() -> None:
    ramp = Image.of([[0.0, 0.25, 0.5, 0.75, 1.0]])
    assert run_node(levels, image=ramp, black=0.25, white=0.75).pixels.ravel().tolist() == [0, 0, 0.5, 1, 1]
    assert run_node(levels, image=ramp, gamma=2.0).pixels.ravel()[1] == pytest.approx(0.5)
    assert run_node(levels, image=ramp, black=1.0, white=0.0).pixels.ravel().tolist() == [1, 0.75, 0.5, 0.25, 0]
    assert set(run_node(levels, image=ramp, black=0.5, white=0.5).pixels.ravel().tolist()) <= {0.0, 1.0}


def test_adjust() -> None:
    red = Image.of([[[0.6, 0.2, 0.2]]])
    assert run_node(adjust, image=red).pixels == pytest.approx(red.pixels)
    assert run_node(adjust, image=red, brightness=0.1).pixels.ravel() == pytest.approx([0.7, 0.3, 0.3])
    assert run_node(adjust, image=red, contrast=2.0).pixels.ravel() == pytest.approx([0.7, 0, 0])
    grey = run_node(adjust, image=red, saturation=0.0).pixels.ravel()
    assert grey == pytest.approx([red.gray().mean()] * 3)
    assert run_node(adjust, image=Image.of([[0.5]]), saturation=3.0).mean() == 0.5


@pytest.mark.parametrize(
    ("name", "value"), [("red", 0.2), ("green", 0.4), ("blue", 0.8), ("alpha", 0.25), ("brightness", 0.3864)]
)
def test_one_channel(name: str, value: float) -> None:
    taken = run_node(channel, image=CLEAR, channel=name)
    assert taken.channels == 1
    assert taken.mean() == pytest.approx(value, abs=1e-4)


def test_edges_are_white_where_the_brightness_changes() -> None:
    found = run_node(edges, image=EDGE)
    columns = found.pixels[0, :, :, 0].max(axis=0)
    assert columns[6:10].max() == 1
    assert columns[:6].max() == columns[10:].max() == 0
    assert run_node(edges, image=Image.solid(8, 8, (0.5,))).mean() == 0
