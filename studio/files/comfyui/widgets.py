"""Values by position become values by name.

A file holds a node's values as a list in the order of its widgets, with places in between that only the front end uses, and that are
there or not according to the version that wrote it. Each reading that is possible is tried; one in which every value has the type of its
widget wins. A value is never put under the name of another widget in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from studio.files.comfyui.classes import ClassFacts, Slot, Widget
from studio.graph.graph import Value

CONTROL: Final = "control_after_generate"
_CONTROLS: Final = frozenset({"fixed", "increment", "decrement", "randomize", "increment-wrap"})
_FRONT_END: Final = frozenset(
    {
        CONTROL,
        "control_filter_list",
        "upload",
        "choose file to upload",
        "audioUI",
        "videopreview",
        "video-preview",
        "upload_button",
        "fixed",
    }
)
"""Names under which the front end keeps things of its own among the values."""
_SEEDS: Final = ("seed", "noise_seed")
_MOST_VALUES: Final = 10_000


@dataclass(slots=True)
class Values:
    """What `widgets_values` says. `hidden`: what only the front end uses. `tail`: values beyond the last widget that is known."""

    named: dict[str, Value] = field(default_factory=dict)
    hidden: dict[str, Value] = field(default_factory=dict)
    tail: list[Value] = field(default_factory=list)
    defaulted: list[str] = field(default_factory=list)
    """Widgets that the file says nothing about."""
    clashing: list[str] = field(default_factory=list)
    """Widgets whose place holds something of another type."""
    order: list[str] = field(default_factory=list)
    """Names of the places in the file's list, one after the other, where the class is known."""


def read_values(facts: ClassFacts, block: Mapping[str, Any]) -> Values:
    """The values of a node's block in a workflow of the front end."""
    named, held = block.get("widgets_values_named"), block.get("widgets_values")
    if isinstance(named, dict) and named:
        return _from_names(named)
    if isinstance(held, dict):
        return _from_names(held)
    if not isinstance(held, list):
        return _defaults(facts) if held is None else Values(tail=[held])
    if facts.widgets is None:
        return _without_table(block, held)
    return _by_position(facts.widgets, held, _widget_inputs(block))


def fits(type: str, value: Value) -> bool:
    """Whether a value can be that of a widget of this type."""
    if value is None or not type:
        return True
    match type:
        case "INT":
            return (isinstance(value, int) and not isinstance(value, bool)) or _whole(value)
        case "FLOAT":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "BOOLEAN":
            return isinstance(value, bool) or value in (
                0,
                1,
                "true",
                "false",
                "enable",
                "disable",
                "enabled",
                "disabled",
            )
        case "STRING":
            return isinstance(value, str)
        case "COMBO":
            return not isinstance(value, list | dict)
        case _:
            return True


def _whole(value: Value) -> bool:
    return isinstance(value, float) and value.is_integer()


def _from_names(named: Mapping[str, Value]) -> Values:
    values = Values()
    for name, value in named.items():
        base = name.partition("#")[0]
        (values.hidden if base in _FRONT_END else values.named)[name] = value
    return values


def _defaults(facts: ClassFacts) -> Values:
    values = Values()
    _Walk(values, [], bools=False).over(facts.widgets or ())
    return values


def _widget_inputs(block: Mapping[str, Any]) -> list[str]:
    """Names of the widgets that the file lists among the node's inputs."""
    inputs = block.get("inputs")
    names = []
    for one in inputs if isinstance(inputs, list) else ():
        widget = one.get("widget") if isinstance(one, dict) else None
        if isinstance(widget, dict) and isinstance(widget.get("name"), str):
            names.append(widget["name"])
    return names


def _by_position(slots: Sequence[Slot], held: list[Value], listed: Sequence[str]) -> Values:
    readings = []
    for controls in (True, False):
        values = Values()
        walk = _Walk(values, held, bools=controls, controls=controls)
        walk.over(slots)
        values.tail = held[walk.at :]
        readings.append(values)
    whole = [one for one in readings if not one.clashing]
    if whole:
        return min(whole, key=lambda one: (len(one.tail) > 0, len(one.defaulted)))
    if listed and len(listed) == len(held):
        return Values(dict(zip(listed, held, strict=True)))
    best = min(readings, key=lambda one: len(one.clashing))
    return _given_up(best, slots, held)


def _given_up(best: Values, slots: Sequence[Slot], held: list[Value]) -> Values:
    """What stands before the first clash is sure; the rest is kept aside as it is, and has its defaults."""
    first = best.clashing[0]
    values = Values(clashing=best.clashing)
    for name, value in best.named.items():
        if name == first:
            break
        values.named[name] = value
    rest = Values()
    _Walk(rest, [], bools=False).over(slots)
    for name, value in rest.named.items():
        if name not in values.named:
            values.named[name] = value
            values.defaulted.append(name)
    values.tail = list(held)
    return values


def _without_table(block: Mapping[str, Any], held: list[Value]) -> Values:
    """Of a class that is not known: by the names that the file lists itself, else numbered."""
    names: list[str] = []
    for name in _widget_inputs(block):
        names.append(name)
        at = len(names)
        if name in _SEEDS and at < len(held) and isinstance(held[at], str) and held[at] in _CONTROLS:
            names.append(CONTROL)
    if len(names) != len(held) or len(set(names) - {CONTROL}) + names.count(CONTROL) != len(names):
        return Values(
            {f"value_{at}": value for at, value in enumerate(held[:_MOST_VALUES], start=1)}, tail=held[_MOST_VALUES:]
        )
    values = Values()
    for name, value in zip(names, held, strict=True):
        (values.hidden if name == CONTROL else values.named)[name] = value
    return values


class _Walk:
    """One reading of a list of values: from slot to slot, and into the branches that the values choose."""

    def __init__(self, values: Values, held: list[Value], *, bools: bool, controls: bool = True) -> None:
        self.at = 0
        self._values = values
        self._held = held
        self._bools = bools
        self._controls = controls

    def over(self, slots: Sequence[Slot]) -> None:
        for slot in slots:
            if isinstance(slot, Widget):
                self._take(slot)
            elif self.at < len(self._held) and self._is_hidden(slot, self._held[self.at]):
                self._values.hidden[slot] = self._held[self.at]
                self._values.order.append(slot)
                self.at += 1

    def _is_hidden(self, slot: str, value: Value) -> bool:
        if slot == CONTROL:
            return self._controls and (
                (isinstance(value, str) and value in _CONTROLS) or (self._bools and isinstance(value, bool))
            )
        if slot == "upload_button":
            return value is None or isinstance(value, str)
        return True

    def _take(self, widget: Widget) -> None:
        if self.at < len(self._held):
            value = self._held[self.at]
            self.at += 1
            self._values.order.append(widget.name)
            if not fits(widget.type, value):
                self._values.clashing.append(widget.name)
            if widget.type == "INT" and _whole(value):
                value = int(value)
            self._values.named[widget.name] = value
        else:
            value = widget.default
            self._values.defaulted.append(widget.name)
            if widget.has_default:
                self._values.named[widget.name] = value
        if widget.branches and isinstance(value, str):
            self.over(widget.branches.get(value, ()))
