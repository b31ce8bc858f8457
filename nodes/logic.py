"""Decisions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, TypeVar

from studio.sdk import Lazy, Toggle, ValueRefused, node

T = TypeVar("T")


def _wanted_branch(condition: bool) -> Collection[str]:
    return {"on"} if condition else {"off"}


@node("logic/Switch", needs=_wanted_branch, aliases=("if", "choose", "branch", "either"))
def switch(on: Lazy[T] = None, off: Lazy[T] = None, condition: bool = Toggle(True)) -> T:
    """Pass on one of two inputs, of whatever kind. What leads to the other one is not computed.

    Args:
        on: Passed on while the condition holds.
        off: Passed on while it does not.
        condition: Which one.
    """
    chosen = on if condition else off
    if chosen is None:
        name = "on" if condition else "off"
        raise ValueRefused(f"The switch is {name}, but nothing is connected there.", socket=name, mend="Connect it.")
    return chosen


@node("logic/Condition", title="Condition", aliases=("bool", "boolean", "toggle", "constant"), output="holds")
def condition(value: bool = Toggle(True)) -> bool:
    """On or off, to be used in several places."""
    return value


@node("logic/Compare", aliases=("equal", "less", "greater"), output="holds")
def compare(a: float = 0.0, test: Literal["=", "≠", "<", "≤", ">", "≥"] = "=", b: float = 0.0) -> bool:
    """Compare two numbers.

    Args:
        a: A number.
        test: What is asked.
        b: Another number.
    """
    return {"=": a == b, "≠": a != b, "<": a < b, "≤": a <= b, ">": a > b, "≥": a >= b}[test]


@node("logic/Combine", title="Combine conditions", aliases=("and", "or", "xor", "not"), output="holds")
def combine(a: bool = False, rule: Literal["and", "or", "one of them", "neither"] = "and", b: bool = False) -> bool:
    """Two conditions become one.

    Args:
        a: A condition.
        rule: When the result holds.
        b: Another condition.
    """
    return {"and": a and b, "or": a or b, "one of them": a != b, "neither": not (a or b)}[rule]


@node("logic/Not", aliases=("invert", "negate"), output="holds")
def not_(condition: bool = False) -> bool:
    """The opposite of a condition."""
    return not condition


@node("logic/Fallback", title="First that is connected", aliases=("default", "any", "or"))
def fallback(first: T | None = None, second: T | None = None, third: T | None = None) -> T:
    """Pass on the first input that is connected."""
    for one in (first, second, third):
        if one is not None:
            return one
    raise ValueRefused("Nothing is connected.", socket="first", mend="Connect at least one input.")
