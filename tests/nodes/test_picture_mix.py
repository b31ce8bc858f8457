from __future__ import annotations

import numpy as np
import pytest

from nodes.picture_mix import MODES, blend, join_alpha, join_batch, paste
from studio.graph.errors import ValueRefused
from studio.sdk import Image, Mask
from studio.sdk.testing import run_node

DARK, LIGHT = Image.solid(4, 4, (0.25, 0.25, 0.25)), Image.solid(4, 4, (0.75, 0.75, 0.75))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("normal", 0.75),
        ("multiply", 0.1875),
        ("screen", 0.8125),
        ("overlay", 0.375),
        ("soft light", 0.34375),
        ("hard light", 0.625),
        ("lighten", 0.75),
        ("darken", 0.25),
        ("add", 1.0),
        ("subtract", 0.0),
        ("difference", 0.5),
    ],
)
def test_blend_modes(mode: str, expected: float) -> None:
    assert run_node(blend, below=DARK, above=LIGHT, mode=mode).mean() == pytest.approx(expected)
    assert run_node(blend, below=DARK, above=LIGHT, mode=mode, amount=0.0).mean() == 0.25


def test_every_mode_of_the_control_is_there() -> None:
    control = blend.definition.spec.inputs_by_name["mode"].control  # type: ignore[attr-defined]
    assert control.choices == tuple(MODES)


def test_a_mask_and_transparency_say_where() -> None:
    half = Mask.of([[1.0, 1.0, 0.0, 0.0]] * 4)
    assert run_node(blend, below=DARK, above=LIGHT, mask=half).pixels[0, 0, :, 0].tolist() == [0.75, 0.75, 0.25, 0.25]
    clear = run_node(join_alpha, image=LIGHT, mask=half)
    assert clear.channels == 4
    assert run_node(blend, below=DARK, above=clear).pixels[0, 0, :, 0].tolist() == [0.75, 0.75, 0.25, 0.25]
    assert run_node(blend, below=clear, above=DARK).alpha().values[0, 0].tolist() == [1, 1, 0, 0]


def test_the_upper_picture_is_resized_and_one_goes_with_every_one() -> None:
    both = Image.stack([DARK, LIGHT])
    mixed = run_node(blend, below=both, above=Image.solid(2, 9, (1.0,)), amount=0.5)
    assert [one.mean() for one in mixed] == pytest.approx([0.625, 0.875])
    three = Image.stack([DARK, DARK, DARK])
    with pytest.raises(ValueRefused, match="2 and 3 pictures"):
        run_node(blend, below=both, above=three)


@pytest.mark.parametrize(
    ("x", "y", "place"), [(1, 1, np.s_[1:3, 1:3]), (-1, 0, np.s_[0:2, 0:1]), (3, 3, np.s_[3:, 3:]), (9, 0, np.s_[0:0])]
)
def test_paste_puts_a_picture_at_its_place(x: int, y: int, place: tuple[slice, slice]) -> None:
    expected = np.full((4, 4), 0.25, np.float32)
    expected[place] = 1
    pasted = run_node(paste, below=DARK, above=Image.solid(2, 2, (1.0,)), x=x, y=y)
    np.testing.assert_array_equal(pasted.pixels[0, :, :, 0], expected)


def test_paste_with_a_mask_onto_a_clear_ground() -> None:
    ground = Image.solid(2, 1, (0.0, 0.0, 0.0, 0.0))
    pasted = run_node(paste, below=ground, above=Image.solid(2, 1, (1.0,)), mask=Mask.of([[1.0, 0.25]]))
    assert pasted.alpha().values.ravel().tolist() == [1.0, 0.25]


def test_masks_must_fit_the_batch() -> None:
    masks = Mask.of(np.ones((2, 4, 4)))
    with pytest.raises(ValueRefused, match="2 masks do not fit 3 pictures"):
        run_node(join_alpha, image=Image.stack([DARK] * 3), mask=masks)


def test_batches_are_joined_at_the_size_of_the_first() -> None:
    small, large = Image.of([[0.25] * 4] * 2), Image.solid(16, 8, (1.0, 0.0, 0.0), batch=2)
    joined = run_node(join_batch, first=small, second=large)
    assert (joined.batch, joined.size, joined.channels) == (3, (4, 2), 3)
    assert joined.pixels[0].mean() == pytest.approx(0.25)
    assert joined.pixels[2, 0, 0].tolist() == [1.0, 0.0, 0.0]
