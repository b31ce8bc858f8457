"""Plain data of strangers, read without ever failing: what has not the expected shape is empty."""

from __future__ import annotations

import math
from typing import Any, Final

from studio.graph.graph import Point

_FARTHEST: Final = 1e7
"""No node lies farther out than this, in scene units."""


def as_dict(held: object) -> dict[str, Any]:
    """The object, or an empty one."""
    return held if isinstance(held, dict) else {}


def as_list(held: object) -> list[Any]:
    """The list, or an empty one."""
    return held if isinstance(held, list) else []


def as_text(held: object) -> str:
    """The text, or an empty one."""
    return held if isinstance(held, str) else ""


def id_text(held: object) -> str:
    """An id as a text, whether it is written as a number or a text; empty for anything else."""
    if isinstance(held, bool):
        return ""
    if isinstance(held, float) and held.is_integer():
        held = int(held)
    if isinstance(held, int):
        return str(held) if abs(held) < 10**30 else ""
    return as_text(held)[:200]


def whole(held: object) -> int:
    """A whole number that may be written as a text; -1 for anything else."""
    if isinstance(held, bool):
        return -1
    if isinstance(held, str) and len(held) < 10 and held.isdecimal():
        return int(held)
    if isinstance(held, float) and held.is_integer():
        held = int(held)
    return held if isinstance(held, int) and abs(held) < 2**31 else -1


def point(held: object) -> Point | None:
    """Two numbers from a list, or from an object with the keys 0 and 1."""
    if isinstance(held, dict):
        held = [held.get("0"), held.get("1")]
    if not isinstance(held, list) or len(held) < 2:
        return None
    x, y = _number(held[0]), _number(held[1])
    return None if x is None or y is None else (x, y)


def _number(held: object) -> float | None:
    if isinstance(held, bool) or not isinstance(held, int | float) or abs(held) > _FARTHEST or not math.isfinite(held):
        return None
    return float(held)
