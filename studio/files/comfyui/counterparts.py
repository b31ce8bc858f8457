"""Which node of ours does what a class of another program does. The tables are data: `resources/interop/comfyui_nodes.json` ...

A class has one row, or several of which the first that fits is taken. A row:

    type      our node type
    inputs    ComfyUI's input or widget -> ours: a name, or {"to": name, "values": renamed values, "as": how else the value changes},
              which is one of seed, text, path, color, name, negative
    outputs   our outputs in the order of ComfyUI's; "" where there is none
    set       parameters of ours with values that stand for the class itself
    when      the row fits only where these widgets have one of these values
    ignore    widgets that do not change what comes out
    note      a sentence for the report, where our node does not do quite the same
    read_only true where our node does more than the class, so that it cannot be written as it

A row also does not fit a node of which a wire, or a value that is not the class's default, would be lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from studio.files.comfyui.classes import Widget, widget_names
from studio.graph.graph import Value, empty
from studio.resources import resource

_COLOR: Final = re.compile("#[0-9a-fA-F]{6}")
_SEEDS: Final = 2**63
"""Ours go up to here, ComfyUI's to twice that."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an input goes to. `values`: theirs, as text, to ours. `form`: how else the value changes."""

    to: str
    values: Mapping[str, Value] = field(default_factory=empty)
    form: str = ""

    def ours(self, value: Value) -> Value:
        """A value of theirs as ours."""
        if self.values:
            return self.values.get(_key(value), value)
        if self.form == "seed" and isinstance(value, int) and not isinstance(value, bool):
            return value % _SEEDS
        if self.form == "negative" and isinstance(value, int) and not isinstance(value, bool):
            return -value
        if self.form == "name" and isinstance(value, dict):
            return value.get("name") or value.get("model_name") or ""
        if self.form == "path" and isinstance(value, str):
            return value.replace("\\", "/")
        if self.form == "color" and isinstance(value, int) and 0 <= value < 2**24:
            return f"#{value:06x}"
        if self.form == "text" and not isinstance(value, str):
            return "" if value is None else str(value)
        return value

    def theirs(self, value: Value) -> Value:
        """A value of ours as theirs: the first of those that become it."""
        for key, held in self.values.items():
            if held == value and type(held) is type(value):
                return _unkey(key)
        if self.form == "negative" and isinstance(value, int) and not isinstance(value, bool):
            return -value
        if self.form == "color" and isinstance(value, str) and _COLOR.fullmatch(value):
            return int(value[1:7], 16)
        return value


@dataclass(frozen=True, slots=True)
class Row:
    """A counterpart of one class."""

    source: str
    type: str
    inputs: Mapping[str, Place]
    outputs: tuple[str, ...] = ()
    set: Mapping[str, Value] = field(default_factory=empty)
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=empty)
    ignore: frozenset[str] = frozenset()
    note: str = ""
    """What an artist should know of nodes that come over by this row."""
    read_only: bool = False
    """Nodes of ours are not written as this class, but for those that came from it."""

    def loses(self, values: Mapping[str, Value], linked: Collection[str], used: Collection[int]) -> str:
        """What a node with these values, wires to inputs and used outputs would lose; empty where the row fits."""
        for name, allowed in self.when.items():
            if name in linked or values.get(name) not in allowed:
                return name
        for name in linked:
            if name not in self.inputs:
                return name
        for slot in used:
            if slot >= len(self.outputs) or not self.outputs[slot]:
                return f"output {slot + 1}"
        known = widget_names(self.source)
        for name, value in values.items():
            if name not in self.inputs and name not in self.ignore and name not in self.when:
                widget = known.get(name)
                if widget is None or not widget.has_default or not _alike(widget, value):
                    return name
        return ""


def rows_of(source: str, program: str = "comfyui") -> tuple[Row, ...]:
    """The rows of another program's class, none where it has no counterpart."""
    return _rows(program).get(source, ())


@cache
def classes_of(type: str) -> tuple[Row, ...]:
    """The rows that lead to a node type of ours, the one to write it as first."""
    return tuple(row for rows in _rows("comfyui").values() for row in rows if row.type == type and not row.read_only)


@cache
def _rows(program: str) -> Mapping[str, tuple[Row, ...]]:
    table: dict[str, Any] = json.loads(resource("interop", f"{program}_nodes.json").read_bytes())
    shared = table.pop("values", {})
    return {
        name: tuple(_row(name, row, shared) for row in (plain if isinstance(plain, list) else [plain]))
        for name, plain in table.items()
    }


def _row(source: str, plain: Mapping[str, Any], shared: Mapping[str, Mapping[str, Value]]) -> Row:
    return Row(
        source,
        plain["type"],
        {name: _place(held, shared) for name, held in plain.get("inputs", {}).items()},
        tuple(plain.get("outputs", ())),
        plain.get("set", {}),
        {name: tuple(values) for name, values in plain.get("when", {}).items()},
        frozenset(plain.get("ignore", ())),
        plain.get("note", ""),
        plain.get("read_only", False),
    )


def _place(held: str | Mapping[str, Any], shared: Mapping[str, Mapping[str, Value]]) -> Place:
    if isinstance(held, str):
        return Place(held)
    values = held.get("values", {})
    return Place(held["to"], shared[values] if isinstance(values, str) else values, held.get("as", ""))


def _alike(widget: Widget, value: Value) -> bool:
    return value is None or value == widget.default


def _key(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _unkey(key: str) -> Value:
    if key in ("true", "false"):
        return key == "true"
    return key
