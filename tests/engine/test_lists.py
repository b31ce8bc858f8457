from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.engine.lists import depth_taken, map_over
from studio.graph.errors import ValueRefused
from studio.graph.types import parse_type


@pytest.mark.parametrize(
    ("type", "depth"),
    [
        ("Image", 0),
        ("list[Image]", 1),
        ("list[list[Image]]", 2),
        ("Image | Latent", 0),
        ("Image | list[Image]", 1),
        ("list[Image | Mask]", 1),
        ("Any", None),
        ("~T", None),
        ("list[~T]", None),
    ],
)
def test_how_deep_a_type_takes_its_value(type: str, depth: int | None) -> None:
    assert depth_taken(parse_type(type)) == depth


def total(arguments: Mapping[str, Any]) -> tuple[int]:
    return (sum(arguments.values()),)


nested = st.recursive(st.integers(-9, 9), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=8)


def plus(value: Any, amount: int) -> Any:  # noqa: ANN401 - nested lists
    return [plus(one, amount) for one in value] if isinstance(value, list) else value + amount


@given(nested, st.integers(-9, 9))
def test_the_results_have_the_shape_of_the_list(value: Any, amount: int) -> None:  # noqa: ANN401 - nested lists
    assert map_over({"a": value, "b": amount}, {"a": 0, "b": 0}, total, 1) == (plus(value, amount),)


@given(st.lists(st.integers()), st.lists(st.integers()))
def test_lists_of_one_length_go_together_others_are_refused(a: list[int], b: list[int]) -> None:
    arguments = {"a": a, "b": b}
    if len(a) == len(b) or 1 in (len(a), len(b)):
        count = len(b) if len(a) == 1 else len(a)
        results = map_over(arguments, {"a": 0, "b": 0}, total, 1)[0]
        assert results == [a[at % len(a)] + b[at % len(b)] for at in range(count)]
    else:
        with pytest.raises(ValueRefused, match="item"):
            map_over(arguments, {"a": 0, "b": 0}, total, 1)
