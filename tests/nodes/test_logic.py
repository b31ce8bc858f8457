from __future__ import annotations

import pytest

from nodes.logic import combine, compare, condition, fallback, not_, switch
from studio.graph.errors import ValueRefused
from studio.sdk import Image
from studio.sdk.definition import definition_of
from studio.sdk.testing import run_node

PICTURE = Image.of([[0.5]])


def test_a_switch_passes_on_one_value_of_any_kind() -> None:
    assert run_node(switch, on=PICTURE, off=3, condition=True) is PICTURE
    assert run_node(switch, on=PICTURE, off=3, condition=False) == 3
    assert run_node(switch, on=[1, 2], condition=True) == [1, 2]


def test_a_switch_asks_for_one_side_alone() -> None:
    needs = definition_of(switch).needs
    assert needs is not None
    assert needs(condition=True) == {"on"}
    assert needs(condition=False) == {"off"}


def test_a_switch_to_nothing_says_so() -> None:
    with pytest.raises(ValueRefused, match="nothing is connected there") as refused:
        run_node(switch, on=3, condition=False)
    assert refused.value.socket == "off"


@pytest.mark.parametrize(
    ("test", "results"),
    [
        ("=", [0, 1, 0]), ("≠", [1, 0, 1]), ("<", [1, 0, 0]), ("≤", [1, 1, 0]), (">", [0, 0, 1]), ("≥", [0, 1, 1]),
    ],
)  # fmt: skip
def test_comparing(test: str, results: list[int]) -> None:
    assert [run_node(compare, a=a, test=test, b=2.0) for a in (1, 2, 3)] == [bool(one) for one in results]


@pytest.mark.parametrize(
    ("rule", "results"),
    [("and", [0, 0, 0, 1]), ("or", [0, 1, 1, 1]), ("one of them", [0, 1, 1, 0]), ("neither", [1, 0, 0, 0])],
)
def test_combining(rule: str, results: list[int]) -> None:
    pairs = [(False, False), (False, True), (True, False), (True, True)]
    assert [run_node(combine, a=a, b=b, rule=rule) for a, b in pairs] == [bool(one) for one in results]
    assert run_node(not_, condition=True) is False


def test_the_first_that_is_connected() -> None:
    assert run_node(fallback, second="b", third="c") == "b"
    with pytest.raises(ValueRefused, match="Nothing is connected"):
        run_node(fallback)


def test_a_condition_is_what_it_is_set_to() -> None:
    assert run_node(condition) is True
    assert run_node(condition, value=False) is False
