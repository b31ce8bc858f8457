"""When something acts in a run, and how strongly: windows and curves over the steps.

A denoiser is asked at a sigma, not at a step. It finds the step in the run's schedule, so that it stays a function of (x, sigma) and a
resumed run asks it the same questions as an unbroken one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from studio.graph.errors import ValueRefused


@dataclass(frozen=True, slots=True)
class Window:
    """A share of a run: from `start` to `end`, both in 0 .. 1. Raises ValueRefused where the end is not after the start."""

    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= 1:
            raise ValueRefused(
                f"A window from {self.start:g} to {self.end:g} holds no step.",
                socket="end",
                mend="Start and end are shares of the run, the end after the start.",
            )

    def holds(self, step: int, steps: int) -> bool:
        """Whether step `step` of `steps` lies wholly inside, as diffusers' `control_guidance_start` and `_end` count."""
        return not (step / steps < self.start or (step + 1) / steps > self.end)

    def cut(self, other: Window) -> Window | None:
        """What both have in common; None where that is nothing."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Window(start, end) if start < end else None


WHOLE_RUN = Window()


@dataclass(frozen=True, slots=True)
class Curve:
    """A number over a run: straight lines between points (share of the run in 0 .. 1, value), level before the first and after the last.

    Raises ValueRefused where there is no point, a number is not finite, or the shares do not rise.
    """

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        finite = all(math.isfinite(number) for point in self.points for number in point)
        if not self.points or not finite or any(later[0] <= earlier[0] for earlier, later in pairwise(self.points)):
            raise ValueRefused("A curve is a row of points whose places rise, all of them finite numbers.")

    @classmethod
    def level(cls, value: float) -> Curve:
        """The same all through the run."""
        return cls(((0.0, value),))

    def at(self, step: int, steps: int) -> float:
        """The value at a step; the first step is at share 0, the last at share 1."""
        share = step / (steps - 1) if steps > 1 else 0.0
        before, after = None, None
        for point in self.points:
            if point[0] <= share:
                before = point
            elif after is None:
                after = point
        if before is None or after is None:
            return (before or after or self.points[0])[1]
        along = (share - before[0]) / (after[0] - before[0])
        return before[1] + along * (after[1] - before[1])


def step_at(sigmas: Sequence[float], sigma: float) -> int:
    """The step in which a sigma lies: i where sigmas[i] >= sigma > sigmas[i + 1]. Above the schedule it is the first, below it the last."""
    last = max(len(sigmas) - 2, 0)
    return next((step for step in range(last) if sigma > sigmas[step + 1]), last)
