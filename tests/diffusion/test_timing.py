"""Windows and curves over the steps of a run."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.diffusion.timing import Curve, Window, step_at
from studio.graph.errors import ValueRefused


def test_windows_that_meet_hold_every_step_once() -> None:
    first, second = Window(0, 0.5), Window(0.5, 1)
    assert [first.holds(step, 8) for step in range(8)] == [True] * 4 + [False] * 4
    assert [second.holds(step, 8) for step in range(8)] == [False] * 4 + [True] * 4


@given(st.integers(1, 200), st.floats(0, 1), st.floats(0, 1))
def test_a_window_holds_a_step_as_diffusers_counts(steps: int, start: float, end: float) -> None:
    if start >= end:
        with pytest.raises(ValueRefused):
            Window(start, end)
        return
    held = [Window(start, end).holds(step, steps) for step in range(steps)]
    assert held == [1.0 - float(i / steps < start or (i + 1) / steps > end) == 1.0 for i in range(steps)]


def test_a_curve_goes_straight_between_its_points() -> None:
    curve = Curve(((0.25, 8.0), (0.75, 2.0)))
    assert [curve.at(step, 5) for step in range(5)] == [8, 8, 5, 2, 2]
    assert Curve.level(3).at(4, 9) == 3
    assert curve.at(0, 1) == 8
    for points in ((), ((0.5, 1), (0.5, 2)), ((0, math.nan),)):
        with pytest.raises(ValueRefused):
            Curve(points)


def test_a_sigma_belongs_to_the_step_that_begins_at_or_above_it() -> None:
    sigmas = (14.0, 7.0, 2.0, 0.0)
    assert [step_at(sigmas, sigma) for sigma in (20.0, 14.0, 10.0, 7.0, 2.0, 1.0, 0.0)] == [0, 0, 0, 1, 2, 2, 2]
    assert step_at((), 3.0) == 0
