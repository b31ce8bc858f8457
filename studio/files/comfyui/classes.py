"""What is known of ComfyUI's node classes: the order of their widgets, their sockets, and the pack that they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, TypeAlias

from studio.graph.graph import Value, empty
from studio.resources import resource


@dataclass(frozen=True, slots=True)
class Widget:
    """A value of a node. `type` is ComfyUI's (`INT`, `COMBO` ...), empty where it is not known.

    A widget with `branches` decides by its value which further widgets follow it.
    """

    name: str
    type: str = ""
    default: Value = None
    has_default: bool = False
    branches: Mapping[str, tuple[Slot, ...]] = field(default_factory=empty)


Slot: TypeAlias = Widget | str
"""A place in `widgets_values`: a widget, or by its name something that only the front end keeps there."""

Sockets: TypeAlias = tuple[tuple[str, str], ...]
"""Names and ComfyUI types, in the order of the slots."""


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """A node class. `widgets` is None where their order is not known."""

    pack: str = ""
    widgets: tuple[Slot, ...] | None = None
    inputs: Sockets = ()
    outputs: Sockets = ()


UNKNOWN: Final = ClassFacts()


@cache
def facts_of(name: str) -> ClassFacts:
    """What is known of a class; `UNKNOWN` for one that is not in the table."""
    row = _table().get(name)
    if row is None:
        return UNKNOWN
    widgets = row.get("widgets")
    return ClassFacts(
        row.get("pack", ""),
        None if widgets is None else tuple(_slot(one) for one in widgets),
        tuple((name, type) for name, type in row.get("inputs", ())),
        tuple((name, type) for name, type in row.get("outputs", ())),
    )


def widget_names(name: str) -> dict[str, Widget]:
    """All widgets of a class by name, with those of all branches."""
    found: dict[str, Widget] = {}
    waiting = list(reversed(facts_of(name).widgets or ()))
    while waiting:
        slot = waiting.pop()
        if isinstance(slot, Widget):
            found.setdefault(slot.name, slot)
            waiting.extend(one for branch in slot.branches.values() for one in branch)
    return found


@cache
def _table() -> Mapping[str, Any]:
    table: dict[str, Any] = json.loads(resource("interop", "comfyui_classes.json").read_bytes())
    return table


def _slot(plain: Any) -> Slot:  # noqa: ANN401 - a row of our own table
    if isinstance(plain, str):
        return plain
    if isinstance(plain, dict):
        branches = {value: tuple(_slot(one) for one in slots) for value, slots in plain["branches"].items()}
        return Widget(plain["name"], "COMBO", plain["default"], plain["default"] is not None, branches)
    name, type, *default = plain
    return Widget(name, type, default[0] if default else None, bool(default))
