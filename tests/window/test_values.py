"""What is typed for a value, and how a value reads."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.graph.check import value_problems
from studio.graph.errors import Misuse
from studio.graph.graph import Node, NodeId
from studio.graph.spec import Input, NodeSpec, Number, Options, Seed, Shown, Toggle
from studio.graph.types import BOOL, CHOICE, FLOAT, INT
from studio.window.canvas.values import calculate, fit_number, hidden_inputs, typed_number, value_text

STEPS = Input("steps", INT, control=Number(1, 100, 1), default=20)
SCALE = Input("scale", FLOAT, control=Number(0.0, 4.0, 0.25, "x"), default=1.0)
SEED = Input("seed", INT, control=Seed(), default=0)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1+2*3", 7),
        ("(1+2)*3", 9),
        ("2**10", 1024),
        ("2^3", 8),
        ("7//2", 3),
        ("7%4", 3),
        ("-4", -4),
        ("pi*2", math.tau),
        ("1,5", 1.5),
    ],
)
def test_arithmetic(text: str, value: float) -> None:
    assert calculate(text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1/0",
        "9**9**9",
        "__import__('os')",
        "a+1",
        "[1]",
        "1 if 1 else 2",
        "'x'*99",
        "(-8)**0.5",
        "1" * 400,
        "(" * 150,
        "1e400*1e400**2",
    ],
)
def test_what_is_no_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        calculate(text)


def test_a_typed_number_fits_its_control() -> None:
    assert typed_number(STEPS, "12.4") == 12
    assert typed_number(STEPS, "1 0 0 0") == 100
    assert typed_number(SCALE, "1.5x") == 1.5
    assert typed_number(SEED, "9223372036854775807") == 2**63 - 1
    assert typed_number(SEED, "-1") == 0
    with pytest.raises(Misuse, match="'inf' is not a number"):
        typed_number(SCALE, "inf")


@given(st.floats(-1e12, 1e12))
def test_whatever_the_mouse_gives_is_a_value_that_the_check_accepts(value: float) -> None:
    for declared in (STEPS, SCALE, SEED):
        fitted = fit_number(declared, value, snap=True)
        assert not list(value_problems(NodeId("n"), declared, fitted))


@given(st.integers(0, 2**63 - 1))
def test_a_number_reads_back_as_it_is_shown(value: int) -> None:
    assert typed_number(SEED, value_text(SEED, value)) == value


def test_how_values_read() -> None:
    assert value_text(SEED, 840213) == "840\u202f213"
    assert value_text(SCALE, 1.5) == "1.50\u202fx"
    assert value_text(Input("on", BOOL, control=Toggle()), True) == "on"
    assert value_text(Input("kind", CHOICE, control=Options(("a",))), "a") == "a"


def test_hidden_are_what_another_value_hides_and_advanced_ones_at_their_default() -> None:
    spec = NodeSpec(
        "x/Y",
        "Y",
        inputs=(
            Input("tile", BOOL, control=Toggle(), default=False),
            Input("overlap", INT, control=Number(), default=8, shown=Shown("tile", (True,))),
            Input("odd", INT, control=Number(), default=1, advanced=True),
        ),
    )
    assert hidden_inputs(spec, Node("x/Y"), ()) == {"overlap", "odd"}
    assert hidden_inputs(spec, Node("x/Y", {"tile": True, "odd": 2}), ()) == set()
    assert hidden_inputs(spec, Node("x/Y"), ("overlap", "odd")) == set()
