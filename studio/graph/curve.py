"""Curves as a parameter holds them: a text of points, `0 1, 0.4 0.6, 1 0`, joined by straight lines.

Places go from 0 to 1 and rise from point to point, the first is 0 and the last 1; heights are 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from studio.graph.graph import Point

MOST_POINTS: Final = 100


def points_of(text: str) -> tuple[Point, ...]:
    """The points (place, height) that a text holds. Raises `ValueError`, whose words say what is wrong with it."""
    points = []
    for part in text.split(","):
        try:
            place, height = (float(number) for number in part.split())
        except ValueError:
            raise ValueError(f"'{part.strip()}' is not a place and a height") from None
        points.append((place, height))
    if not 2 <= len(points) <= MOST_POINTS:
        raise ValueError(f"it has {len(points)} points, not 2 to {MOST_POINTS}")
    if not all(0 <= number <= 1 for point in points for number in point):
        raise ValueError("places and heights go from 0 to 1")
    if points[0][0] != 0 or points[-1][0] != 1:
        raise ValueError("the first place is 0 and the last 1")
    if any(later[0] <= earlier[0] for earlier, later in pairwise(points)):
        raise ValueError("places rise from point to point")
    return tuple(points)


def text_of(points: Sequence[Point]) -> str:
    """What `points_of` reads, with three digits behind the point at most."""
    return ", ".join(" ".join(f"{round(number, 3):g}" for number in point) for point in points)


def height_at(points: Sequence[Point], place: float) -> float:
    """The height of the curve at a place from 0 to 1."""
    after = next((at for at, point in enumerate(points) if point[0] >= place), len(points) - 1)
    if after == 0:
        return points[0][1]
    (left, low), (right, high) = points[after - 1], points[after]
    return low + (high - low) * min(max((place - left) / (right - left), 0.0), 1.0)
