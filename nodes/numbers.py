"""Numbers."""

from __future__ import annotations

import math
import random as random_numbers
from typing import Literal, NamedTuple

from nodes.expression import calculate
from studio.sdk import Number, Seed, TextLine, ValueRefused, node


class Result(NamedTuple):
    number: float
    whole: int


@node("number/Whole", title="Whole number", aliases=("int", "integer", "constant"))
def whole(value: int = 0) -> int:
    """A whole number, to be used in several places."""
    return value


@node("number/Decimal", title="Decimal number", aliases=("float", "constant"))
def decimal(value: float = 0.0) -> float:
    """A number with a fraction, to be used in several places."""
    return value


@node("number/Seed", title="Seed", aliases=("random", "noise"))
def seed(seed: int = Seed()) -> int:
    """One seed for several nodes."""
    return seed


@node("number/Calculate", aliases=("math", "expression", "formula", "add", "multiply", "divide"))
def calculate_(expression: str = TextLine("a + b"), a: float = 0.0, b: float = 0.0, c: float = 0.0) -> Result:
    """Work out an expression of a, b and c.

    It knows + - * / // % **, comparisons (1 where they hold, else 0), `x if c else y`, abs, min, max, round, floor, ceil, sqrt, exp,
    log, sin, cos, tan, clamp(x, low, high), lerp(a, b, t), pi, e and tau.

    Args:
        expression: For example  max(a, b) * 2 + 1.
        a: A number.
        b: A number.
        c: A number.

    Returns:
        number: The result.
        whole: The result, rounded to the nearest whole number.
    """
    result = calculate(expression, {"a": a, "b": b, "c": c})
    return Result(result, math.floor(result + 0.5))


@node("number/Round", aliases=("floor", "ceil", "int"), output="number")
def round_(
    number: float, to: int = Number(1, 1, 4096, step=1), direction: Literal["nearest", "down", "up"] = "nearest"
) -> int:
    """Round to a whole number, or to a multiple of one.

    Args:
        number: What is rounded.
        to: Multiples of this; 8 is what picture sizes want.
        direction: Halves are rounded up where the nearest is asked for.
    """
    parts = number / to
    return to * {"nearest": math.floor(parts + 0.5), "down": math.floor(parts), "up": math.ceil(parts)}[direction]


@node("number/MapRange", title="Map range", aliases=("remap", "scale", "clamp"))
def map_range(
    number: float,
    from_low: float = 0.0,
    from_high: float = 1.0,
    to_low: float = 0.0,
    to_high: float = 1.0,
    clamp: bool = True,
) -> float:
    """Carry a number from one range into another.

    Args:
        number: What is carried over.
        from_low: Becomes `to_low`.
        from_high: Becomes `to_high`.
        to_low: One end of the new range.
        to_high: The other end.
        clamp: Stay within the new range.
    """
    if from_low == from_high:
        raise ValueRefused("A range needs two different ends.", socket="from_high", mend="Move one of them.")
    share = (number - from_low) / (from_high - from_low)
    return to_low + (to_high - to_low) * (min(max(share, 0.0), 1.0) if clamp else share)


@node("number/Random", title="Random number", aliases=("chance", "vary"))
def random(low: float = 0.0, high: float = 1.0, seed: int = Seed()) -> Result:
    """A number by chance, evenly spread. The same seed gives the same number.

    Args:
        low: The least.
        high: The most.
        seed: Where the random numbers begin.

    Returns:
        number: The number.
        whole: One of the whole numbers from `low` to `high`, all equally likely.
    """
    first, last = math.ceil(min(low, high)), math.floor(max(low, high))
    if first > last:
        first = last = round(low)
    source = random_numbers.Random(seed)
    return Result(source.uniform(low, high), source.randint(first, last))
