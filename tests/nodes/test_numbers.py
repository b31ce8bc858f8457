from __future__ import annotations

import pytest

from nodes.numbers import calculate_, decimal, map_range, random, round_, seed, whole
from studio.graph.errors import ValueRefused
from studio.sdk.testing import run_node


def test_constants() -> None:
    assert run_node(whole, value=3) == 3
    assert run_node(decimal, value=2) == 2.0
    assert run_node(seed, seed=7) == 7


def test_calculating_gives_a_number_and_a_whole_one() -> None:
    assert run_node(calculate_, expression="a / b", a=5, b=2) == (2.5, 3)
    assert run_node(calculate_, expression="-2.5") == (-2.5, -2)


@pytest.mark.parametrize(
    ("number", "to", "direction", "result"),
    [
        (2.5, 1, "nearest", 3),
        (-2.5, 1, "nearest", -2),
        (509, 8, "nearest", 512),
        (509, 8, "down", 504),
        (505, 8, "up", 512),
    ],
)
def test_rounding(number: float, to: int, direction: str, result: int) -> None:
    assert run_node(round_, number=number, to=to, direction=direction) == result


def test_mapping_a_range() -> None:
    assert run_node(map_range, number=0.25, to_low=10.0, to_high=20.0) == 12.5
    assert run_node(map_range, number=2.0, to_low=10.0, to_high=20.0) == 20.0
    assert run_node(map_range, number=2.0, to_low=10.0, to_high=20.0, clamp=False) == 30.0
    assert run_node(map_range, number=-1.0, to_low=20.0, to_high=10.0) == 20.0
    with pytest.raises(ValueRefused, match="two different ends"):
        run_node(map_range, number=1.0, from_low=3.0, from_high=3.0)


def test_chance_depends_on_the_seed_alone_and_stays_in_range() -> None:
    drawn = [run_node(random, low=2.0, high=5.0, seed=at) for at in range(200)]
    assert drawn == [run_node(random, low=2.0, high=5.0, seed=at) for at in range(200)]
    assert all(2 <= number <= 5 for number, _ in drawn)
    assert {whole for _, whole in drawn} == {2, 3, 4, 5}
    assert run_node(random, low=0.2, high=0.4, seed=1)[1] == 0
