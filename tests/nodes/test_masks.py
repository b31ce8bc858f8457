from __future__ import annotations

import numpy as np
import pytest

from nodes.masks import by_color, combine, feather, from_image, grow, invert, shape, solid, threshold, to_image
from studio.sdk import Image, Mask
from studio.sdk.testing import run_node

A, B = Mask.of([[1.0, 1.0, 0.0, 0.0]]), Mask.of([[1.0, 0.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    ("mode", "inside"),
    [("union", [1, 1, 1, 0]), ("intersection", [1, 0, 0, 0]), ("difference", [0, 1, 0, 0]), ("either", [0, 1, 1, 0])],
)
def test_combining(mode: str, inside: list[float]) -> None:
    assert run_node(combine, first=A, second=B, mode=mode).values.ravel().tolist() == inside


def test_a_channel_becomes_a_mask() -> None:
    image = Image.of([[[1.0, 0.5, 0.0, 0.25]]])
    inside = {
        name: run_node(from_image, image=image, channel=name).mean() for name in ("red", "green", "blue", "alpha")
    }
    assert inside == {"red": 1.0, "green": 0.5, "blue": 0.0, "alpha": 0.25}
    assert run_node(from_image, image=Image.of([[0.3]])).mean() == pytest.approx(0.3)


def test_by_colour() -> None:
    image = Image.of([[[0.0, 1.0, 0.0], [0.0, 0.9, 0.05], [1.0, 0.0, 0.0]]])
    inside = run_node(by_color, image=image, color="#00ff00", tolerance=0.1, softness=0.0).values.ravel()
    assert inside.tolist() == [1.0, 1.0, 0.0]
    soft = run_node(by_color, image=image, color="#00ff00", tolerance=0.0, softness=0.13).values.ravel()
    assert soft[0] == 1
    assert 0 < soft[1] < 1


def test_shapes_cover_what_they_should() -> None:
    box = run_node(shape, width=100, height=50, across=0.5, down=0.5)
    assert box.size == (100, 50)
    assert box.mean() == pytest.approx(0.25, abs=0.03)
    assert box.values[0, 25, 50] == 1
    assert box.values[0, 0, 0] == 0
    disc = run_node(shape, shape="ellipse", width=200, height=200, across=1.0, down=1.0)
    assert disc.mean() == pytest.approx(np.pi / 4, abs=0.01)
    corner = run_node(shape, width=10, height=10, x=0.0, y=0.0, across=0.4, down=0.4)
    assert corner.values[0, :2, :2].tolist() == [[1, 1], [1, 1]]
    assert corner.mean() == pytest.approx(0.04)


def test_growing_and_shrinking() -> None:
    dot = np.zeros((21, 21), np.float32)
    dot[10, 10] = 1
    grown = run_node(grow, mask=Mask.of(dot), pixels=5)
    assert grown.values[0, 10, 5:16].tolist() == [1.0] * 11
    assert grown.values[0, 10, 4] == 0
    assert grown.values.sum() == pytest.approx(np.pi * 25, rel=0.15), "a disc"
    np.testing.assert_array_equal(run_node(grow, mask=grown, pixels=-5).values[0], dot)
    assert run_node(grow, mask=A, pixels=0) is A


def test_softening_and_hardening() -> None:
    edge = Mask.of([[0.0] * 16 + [1.0] * 16] * 4)
    soft = run_node(feather, mask=edge, radius=3.0)
    assert 0 < soft.values[0, 0, 14] < 0.5
    np.testing.assert_array_equal(run_node(threshold, mask=soft).values, edge.values)
    assert run_node(feather, mask=edge, radius=0) is edge


def test_inverting() -> None:
    assert run_node(invert, mask=A).values.ravel().tolist() == [0, 0, 1, 1]


def test_a_mask_becomes_a_picture_and_an_even_one_is_made() -> None:
    half = run_node(solid, value=0.5, width=8, height=4)
    assert half.size == (8, 4)
    assert run_node(to_image, mask=half).pixels.tolist() == np.full((1, 4, 8, 1), 0.5).tolist()
