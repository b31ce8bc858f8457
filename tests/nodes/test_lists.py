from __future__ import annotations

import pytest

from nodes.lists import each_with_each, join, length, make, part, pick, range_, repeat, reverse, shuffle, spread
from studio.graph.errors import ValueRefused
from studio.sdk import Image
from studio.sdk.definition import definition_of
from studio.sdk.testing import run_node

LETTERS = ["a", "b", "c", "d"]


def test_making_and_joining() -> None:
    picture = Image.of([[0.5]])
    assert run_node(make, first="a", third="c") == ["a", "c"]
    assert run_node(make, first=picture)[0] is picture
    assert run_node(join, first=["a"], second=["b", "c"], third=["d"]) == LETTERS
    assert run_node(join, first="a", second=[]) == ["a"]


def test_picking() -> None:
    assert [run_node(pick, items=LETTERS, index=at) for at in (0, 3, -1, -4)] == ["a", "d", "d", "a"]
    for at in (4, -5):
        with pytest.raises(ValueRefused, match=f"no item {at} in a list of 4"):
            run_node(pick, items=LETTERS, index=at)


@pytest.mark.parametrize(
    ("start", "count", "result"), [(0, 2, "ab"), (2, 9, "cd"), (-2, 1, "c"), (-9, 1, "a"), (4, 1, ""), (1, 0, "")]
)
def test_part(start: int, count: int, result: str) -> None:
    assert run_node(part, items=LETTERS, start=start, count=count) == list(result)


def test_order() -> None:
    assert run_node(reverse, items=LETTERS) == ["d", "c", "b", "a"]
    assert run_node(length, items=LETTERS) == 4
    assert run_node(repeat, items=["a", "b"], times=2) == ["a", "b", "a", "b"]
    with pytest.raises(ValueRefused, match="20000 items"):
        run_node(repeat, items=["a"] * 20, times=1000)
    mixed = run_node(shuffle, items=list(range(50)), seed=1)
    assert sorted(mixed) == list(range(50))
    assert mixed != list(range(50))
    assert mixed == run_node(shuffle, items=list(range(50)), seed=1)


def test_each_with_each_is_two_lists_that_go_together() -> None:
    first, second = run_node(each_with_each, first=["a", "b"], second=[1, 2, 3])
    assert list(zip(first, second, strict=True)) == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3)]
    assert [str(one.type) for one in definition_of(each_with_each).spec.outputs] == ["list[~T]", "list[~U]"]
    assert run_node(each_with_each, first=[], second=[1]) == ([], [])
    with pytest.raises(ValueRefused, match="40000 items"):
        run_node(each_with_each, first=list(range(200)), second=list(range(200)))


def test_numbers() -> None:
    assert run_node(range_, start=3, count=3, step=-2) == [3, 1, -1]
    assert run_node(spread, start=0.0, end=1.0, count=5) == [0, 0.25, 0.5, 0.75, 1]
    assert run_node(spread, start=2.0, end=9.0, count=1) == [2.0]
