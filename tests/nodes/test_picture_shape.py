from __future__ import annotations

import numpy as np
import pytest

from nodes.picture_shape import (
    choose_size,
    crop,
    flip,
    grid,
    make_batch,
    pad,
    pick_from_batch,
    resize,
    rotate,
    scale,
    scale_to_pixels,
    size,
    split_batch,
)
from studio.graph.errors import ValueRefused
from studio.sdk import Image
from studio.sdk.testing import run_node

NUMBERED = Image.of(np.arange(6, dtype=np.float32).reshape(2, 3) / 10)


def values(image: Image) -> list[list[float]]:
    """Tenths, row by row."""
    rows: list[list[float]] = np.rint(image.pixels[0, :, :, 0] * 10).tolist()
    return rows


def test_turning_and_mirroring_move_pixels_and_change_none() -> None:
    assert values(NUMBERED) == [[0, 1, 2], [3, 4, 5]]
    assert values(run_node(flip, image=NUMBERED)) == [[2, 1, 0], [5, 4, 3]]
    assert values(run_node(flip, image=NUMBERED, direction="up-down")) == [[3, 4, 5], [0, 1, 2]]
    assert values(run_node(flip, image=NUMBERED, direction="both")) == [[5, 4, 3], [2, 1, 0]]
    assert values(run_node(rotate, image=NUMBERED)) == [[3, 0], [4, 1], [5, 2]]
    assert values(run_node(rotate, image=NUMBERED, angle="180°")) == [[5, 4, 3], [2, 1, 0]]
    assert values(run_node(rotate, image=NUMBERED, angle="270°")) == [[2, 5], [1, 4], [0, 3]]


@pytest.mark.parametrize(("fit", "expected"), [("stretch", (32, 32)), ("inside", (32, 16)), ("fill", (32, 32))])
def test_resizing_fits_as_asked(fit: str, expected: tuple[int, int]) -> None:
    wide = Image.solid(64, 32, (0.5, 0.25, 0.0))
    resized = run_node(resize, image=wide, width=32, height=32, fit=fit)
    assert resized.size == expected
    assert resized.pixels[0, 5, 5] == pytest.approx([0.5, 0.25, 0.0])


def test_filling_keeps_the_middle() -> None:
    striped = Image.of([[0.0] * 8 + [1.0] * 8 + [0.0] * 8] * 8)
    filled = run_node(resize, image=striped, width=8, height=8, fit="fill")
    assert filled.mean() == pytest.approx(1.0)


def test_scaling() -> None:
    assert run_node(scale, image=NUMBERED, factor=2.0, method="nearest").pixels[0, :2, :2, 0].tolist() == [
        [0, 0],
        [0, 0],
    ]
    assert run_node(scale, image=NUMBERED, factor=0.1).size == (1, 1)
    with pytest.raises(ValueRefused, match="At most"):
        run_node(scale, image=Image.of(np.zeros((1, 4096))), factor=8.0)


def test_cropping_leaves_away_what_is_outside() -> None:
    assert values(run_node(crop, image=NUMBERED, x=1, y=0, width=1, height=2)) == [[1], [4]]
    assert values(run_node(crop, image=NUMBERED, x=2, y=1, width=50, height=50)) == [[5]]
    with pytest.raises(ValueRefused, match="outside") as refused:
        run_node(crop, image=NUMBERED, x=0, y=2)
    assert refused.value.socket == "y"


def test_padding() -> None:
    framed = run_node(pad, image=Image.solid(2, 2, (1.0, 1, 1)), left=1, top=2, right=3, bottom=4, color="#ff0000")
    assert framed.size == (6, 8)
    assert framed.pixels[0, 0, 0].tolist() == [1, 0, 0]
    assert framed.pixels[0, 2, 1].tolist() == [1, 1, 1]
    assert values(run_node(pad, image=NUMBERED, left=1, fill="edge"))[0] == [0, 0, 1, 2]
    assert values(run_node(pad, image=NUMBERED, right=2, fill="mirror"))[0] == [0, 1, 2, 2, 1]
    clear = run_node(pad, image=NUMBERED, top=1, color="#00000000")
    assert clear.pixels[0, 0, 0].tolist() == [0, 0, 0, 0]
    assert clear.pixels[0, 1, 0, 3] == 1


def test_size() -> None:
    assert run_node(size, image=NUMBERED) == (3, 2, 1)


def test_a_grid_places_every_picture_in_its_cell() -> None:
    colours = [Image.solid(4, 4, (tone, tone, tone)) for tone in (0.25, 0.5, 0.75)]
    laid = run_node(grid, images=[Image.stack(colours[:2]), colours[2]], gap=2, color="#000000")
    assert laid.size == (14, 14)
    assert [float(laid.pixels[0, y, x, 0]) for y, x in ((3, 3), (3, 9), (9, 3), (9, 9), (0, 0), (3, 6))] == [
        0.25, 0.5, 0.75, 0, 0, 0
    ]  # fmt: skip
    assert run_node(grid, images=colours, columns=3, gap=0).size == (12, 4)


def test_pictures_of_several_sizes_sit_in_the_middle_of_their_cells() -> None:
    laid = run_node(
        grid, images=[Image.solid(6, 2, (1.0,)), Image.solid(2, 6, (1.0,))], columns=2, gap=0, color="#000000"
    )
    assert laid.size == (12, 6)
    assert laid.pixels[0, 0, :6, 0].tolist() == [0] * 6
    assert laid.pixels[0, 2, :6, 0].tolist() == [1] * 6
    assert laid.pixels[0, 0, 6:, 0].tolist() == [0, 0, 1, 1, 0, 0]


def test_batches_and_lists() -> None:
    batch = run_node(make_batch, images=[NUMBERED, 1 - NUMBERED])
    assert batch.batch == 2
    assert [one.batch for one in run_node(split_batch, image=batch)] == [1, 1]
    assert values(run_node(pick_from_batch, image=batch, index=0)) == values(NUMBERED)
    assert run_node(pick_from_batch, image=batch, index=-1).mean() == pytest.approx((1 - NUMBERED).mean())
    with pytest.raises(ValueRefused, match="no picture 2 in a batch of 2"):
        run_node(pick_from_batch, image=batch, index=2)
    for empty in (make_batch, grid):
        with pytest.raises(ValueRefused, match="at least one"):
            run_node(empty, images=[])


def test_scaling_to_megapixels_keeps_the_proportions() -> None:
    wide = Image.of(np.linspace(0, 1, 64 * 16, dtype=np.float32).reshape(16, 64))
    scaled = run_node(scale_to_pixels, image=wide, megapixels=0.25)
    assert scaled.size == (1024, 256)
    assert scaled.mean() == pytest.approx(wide.mean(), abs=1e-3)
    assert run_node(scale_to_pixels, image=wide, megapixels=0.01, multiple=64).size == (192, 64)
    with pytest.raises(ValueRefused, match="would be"):
        run_node(scale_to_pixels, image=Image.of([[0.5] * 4000]), megapixels=16.0)


def test_a_size_is_chosen_by_proportions_and_pixels() -> None:
    assert run_node(choose_size) == (1024, 1024)
    assert run_node(choose_size, proportions="16:9", multiple=64) == (1344, 768)
