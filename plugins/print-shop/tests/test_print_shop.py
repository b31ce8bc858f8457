"""Run with `pytest` in the plugin's folder."""

from pathlib import Path

import numpy as np
import pytest

from studio.sdk import Image
from studio.sdk.storage import pack_value, unpack_value
from studio.sdk.testing import load_plugin, run_node

plugin = load_plugin(Path(__file__).parents[1])
FIND, REDUCE, HALFTONE = (plugin[f"print-shop/{name}"] for name in ("FindPalette", "Reduce", "Halftone"))


@pytest.mark.parametrize("darkness", [0.1, 0.5, 0.8])
def test_dots_cover_as_much_as_the_picture_is_dark(darkness: float) -> None:
    printed = run_node(HALFTONE, image=Image.solid(96, 96, (1 - darkness,)), ink="#000000", paper="#ffffff", angle=30.0)
    assert printed.mean() == pytest.approx(1 - darkness, abs=0.02)
    assert set(np.unique(printed.pixels)) == {0.0, 1.0}


def test_a_palette_finds_the_colours_that_are_there() -> None:
    flag = Image.of(np.repeat([[[0, 0, 1.0], [1, 1, 1.0], [1.0, 0, 0]]], 5, axis=0))
    palette = run_node(FIND, image=flag, count=3)
    assert sorted(map(tuple, palette.colors.tolist())) == [(0, 0, 1), (1, 0, 0), (1, 1, 1)]


def test_a_reduced_picture_has_no_other_colours_and_dithering_keeps_its_brightness() -> None:
    grey = Image.solid(64, 64, (0.3, 0.3, 0.3))
    palette = run_node(FIND, image=Image.of([[[0.0, 0, 0], [1.0, 1, 1]]]), count=2)
    assert run_node(REDUCE, image=grey, palette=palette).mean() == 0
    dithered = run_node(REDUCE, image=grey, palette=palette, dither=True)
    assert set(np.unique(dithered.pixels)) == {0.0, 1.0}
    assert dithered.mean() == pytest.approx(0.3, abs=0.1)


def test_a_palette_is_kept_on_disk() -> None:
    palette = run_node(FIND, image=Image.of([[[0.0, 0, 0], [0.2, 0.4, 0.6]]]), count=2)
    packed = pack_value(palette)
    assert packed is not None
    again = unpack_value(packed)
    assert type(again) is type(palette)
    np.testing.assert_array_equal(again.colors, palette.colors)  # type: ignore[attr-defined]
