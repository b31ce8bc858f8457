"""Curves as texts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.graph.curve import MOST_POINTS, height_at, points_of, text_of
from studio.graph.graph import Point

shares = st.integers(0, 1000).map(lambda part: part / 1000)


@st.composite
def curves(draw: st.DrawFn) -> tuple[Point, ...]:
    places = sorted({0.0, 1.0, *draw(st.lists(shares, max_size=20))})
    return tuple((place, draw(shares)) for place in places)


@given(curves())
def test_a_curve_is_read_as_it_was_written(points: tuple[Point, ...]) -> None:
    assert points_of(text_of(points)) == points


@given(curves(), shares)
def test_a_curve_goes_through_its_points_and_stays_between_them(points: tuple[Point, ...], place: float) -> None:
    assert [height_at(points, left) for left, _ in points] == pytest.approx([height for _, height in points])
    near = [height for left, height in points if left <= place][-1:] + [h for left, h in points if left >= place][:1]
    assert min(near) - 1e-9 <= height_at(points, place) <= max(near) + 1e-9


def test_lines_are_straight() -> None:
    points = points_of(" 0 1,0.5   0.25 , 1 0")
    assert [height_at(points, place) for place in (0, 0.25, 0.75, 1)] == [1, 0.625, 0.125, 0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "'' is not a place and a height"),
        ("0 1", "1 points"),
        ("0 1, one 0", "'one 0'"),
        ("0 1, 1 0 0", "'1 0 0'"),
        ("0 1, 1 nan", "go from 0 to 1"),
        ("0 1, 1 1.5", "go from 0 to 1"),
        ("0.1 1, 1 0", "first place is 0"),
        ("0 1, 0.9 0", "the last 1"),
        ("0 1, 0.5 0, 0.5 1, 1 0", "rise"),
        (", ".join(["0 1"] * (MOST_POINTS + 1)), f"{MOST_POINTS + 1} points"),
    ],
)
def test_what_is_no_curve_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        points_of(text)
