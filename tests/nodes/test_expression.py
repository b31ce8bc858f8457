from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.expression import calculate
from studio.graph.errors import ValueRefused

VALUES = {"a": 3.0, "b": 4.0, "c": -0.5}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a + b", 7),
        ("a - b * 2", -5),
        ("(a - b) * 2", -2),
        ("sqrt(a**2 + b**2)", 5),
        ("2 ** -1", 0.5),
        ("7 // 2 + 7 % 2", 4),
        ("-a", -3),
        ("max(a, b, 10)", 10),
        ("min(a, b)", 3),
        ("clamp(7, 0, 1)", 1),
        ("lerp(a, b, 0.5)", 3.5),
        ("round(2.5) + floor(2.5) + ceil(2.5)", 8),
        ("a < b", 1),
        ("a == b", 0),
        ("1 if a > b else 2", 2),
        ("1 / 0 if a > b else 2", 2),
        ("sin(pi / 2)", 1),
        ("log(8, 2)", 3),
        ("  1e3  ", 1000),
        ("abs(c)", 0.5),
    ],
)
def test_arithmetic(text: str, result: float) -> None:
    assert calculate(text, VALUES) == pytest.approx(result)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "cannot be read"),
        ("a +", "cannot be read"),
        ("x + 1", "no 'x'"),
        ("1 / 0", "divides by zero"),
        ("sqrt(-1)", "no result"),
        ("(-8) ** 0.5", "no real number"),
        ("10 ** 400", "no result"),
        ("9 ** 9 ** 9", "too large"),
        ("1e308 * 10", "no finite result"),
        ("exp(1000)", "no result"),
        ("sqrt()", "takes 1 numbers"),
        ("lerp(1)", "takes 3 numbers"),
        ("'a' * 1000000000", "not arithmetic"),
        ("__import__('os').system('true')", "not arithmetic"),
        ("a.real", "not arithmetic"),
        ("[1][0]", "not arithmetic"),
        ("(lambda: 1)()", "not arithmetic"),
        ("a < b < 9", "not arithmetic"),
        ("True", "not arithmetic"),
        ("sqrt(x=4)", "not arithmetic"),
        ("max(*[1, 2])", "not arithmetic"),
        ("(" * 240 + "1" + ")" * 240, "cannot be read"),
        ("-" * 499 + "1", None),
        ("1" * 501, "longer than"),
        ("a\0", "cannot be read"),
    ],
)
def test_anything_else_is_refused(text: str, what: str | None) -> None:
    if what is None:
        assert calculate(text, VALUES) == -1
        return
    with pytest.raises(ValueRefused, match=what) as refused:
        calculate(text, VALUES)
    assert refused.value.socket == "expression"


@given(st.text(alphabet="ab+-*/%() .0123456789<>=!ifelsmx,", max_size=40))
def test_no_text_does_anything_but_give_a_number_or_be_refused(text: str) -> None:
    try:
        result = calculate(text, VALUES)
    except ValueRefused:
        return
    assert math.isfinite(result)
