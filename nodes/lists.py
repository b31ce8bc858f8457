"""Lists. A list that meets a node which takes one item makes that node work on each item in turn."""

from __future__ import annotations

import random
from typing import Any, Generic, NamedTuple, TypeVar

from studio.sdk import Number, Seed, ValueRefused, node

T = TypeVar("T")
U = TypeVar("U")

LONGEST = 10_000
"""Items; a longer list is taken for a slip of the hand."""


@node("list/Make", title="Make list", aliases=("join", "collect"), output="items")
def make(first: T, second: T | None = None, third: T | None = None, fourth: T | None = None) -> list[T]:
    """Several values of one kind as a list."""
    return [one for one in (first, second, third, fourth) if one is not None]


@node("list/Join", title="Join lists", aliases=("concatenate", "append", "extend"), output="items")
def join(first: list[T], second: list[T], third: list[T] | None = None) -> list[T]:
    """One list after the other."""
    return [*first, *second, *(third or [])]


@node("list/Pick", title="Pick from list", aliases=("index", "item", "get"))
def pick(items: list[T], index: int = Number(0, step=1)) -> T:
    """One item of a list.

    Args:
        items: The list.
        index: 0 is the first; -1 is the last.
    """
    if not -len(items) <= index < len(items):
        raise ValueRefused(
            f"There is no item {index} in a list of {len(items)}.", socket="index", mend="0 is the first, -1 the last."
        )
    return items[index]


@node("list/Slice", title="Part of a list", aliases=("first", "last", "range"), output="items")
def part(items: list[T], start: int = Number(0, step=1), count: int = Number(1, 0, LONGEST, step=1)) -> list[T]:
    """Some items in a row.

    Args:
        items: The list.
        start: The first item; below 0 it counts from the end.
        count: How many. Fewer are given where the list ends.
    """
    begin = max(start + len(items), 0) if start < 0 else start
    return items[begin : begin + count]


@node("list/Length", title="List length", aliases=("count", "size"), output="number")
def length(items: list[Any]) -> int:
    """How many items a list has."""
    return len(items)


@node("list/Reverse", title="Reverse list", output="items")
def reverse(items: list[T]) -> list[T]:
    """Last first."""
    return items[::-1]


@node("list/Repeat", title="Repeat list", output="items", aliases=("tile", "cycle"))
def repeat(items: list[T], times: int = Number(2, 1, 1000, step=1)) -> list[T]:
    """The same list several times over.

    Args:
        items: The list.
        times: How often.
    """
    _check(len(items) * times, "times")
    return items * times


@node("list/Shuffle", title="Shuffle list", output="items", aliases=("random", "mix"))
def shuffle(items: list[T], seed: int = Seed()) -> list[T]:
    """The items in an order by chance. The same seed gives the same order.

    Args:
        items: The list.
        seed: Where the random numbers begin.
    """
    return random.Random(seed).sample(items, len(items))


class Pairs(NamedTuple, Generic[T, U]):
    """Two lists of one length, whose items belong together."""

    first: list[T]
    second: list[U]


@node("list/EachWithEach", title="Each item with each", aliases=("combinations", "product", "matrix", "grid", "sweep"))
def each_with_each(first: list[T], second: list[U]) -> Pairs[T, U]:
    """Every item of one list with every item of another, as two lists that go through a node together.

    Three samplers and four numbers of steps make twelve pairs: laid out with four columns, a row is a sampler.

    Args:
        first: Changes slowest: each of its items is repeated as often as the second list is long.
        second: Is gone through once for each item of the first.

    Returns:
        first: The items of the first list.
        second: The items of the second list.
    """
    _check(len(first) * len(second), "second")
    pairs = [(one, other) for one in first for other in second]
    return Pairs([one for one, _ in pairs], [other for _, other in pairs])


@node("list/Range", title="Range of numbers", aliases=("count", "sequence", "seeds"), output="numbers")
def range_(
    start: int = Number(0, step=1), count: int = Number(4, 1, LONGEST, step=1), step: int = Number(1, step=1)
) -> list[int]:
    """Whole numbers in a row: 0, 1, 2, 3. As seeds they give several pictures.

    Args:
        start: The first number.
        count: How many.
        step: From one to the next.
    """
    return [start + step * at for at in range(count)]


@node("list/Spread", title="Spread of numbers", aliases=("linspace", "sweep"), output="numbers")
def spread(start: float = 0.0, end: float = 1.0, count: int = Number(5, 1, LONGEST, step=1)) -> list[float]:
    """Numbers at equal distances from one end to the other, both included: to try a control at several values.

    Args:
        start: The first number.
        end: The last number.
        count: How many; a single one is `start`.
    """
    if count == 1:
        return [start]
    return [start + (end - start) * at / (count - 1) for at in range(count)]


def _check(length: int, socket: str) -> None:
    if length > LONGEST:
        raise ValueRefused(f"The list would have {length} items.", socket=socket, mend=f"At most {LONGEST}.")
