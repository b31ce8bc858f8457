"""Where everything in a node lies. Plain geometry, shared by all nodes that look alike; no Qt.

Units are scene pixels; the origin is the node's top left corner. Heights and widths follow a grid of 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from studio.graph.graph import REROUTE
from studio.graph.spec import CurveField, Input, NodeSpec, TextField
from studio.graph.types import SocketType

BAND: Final = 30.0
ROW: Final = 22.0
CONTROL: Final = 24.0
GAP: Final = 4.0
PAD: Final = 8.0
TEXT_LINE: Final = 16.0
CURVE: Final = 84.0
NARROWEST: Final = 216.0
WIDEST: Final = 272.0
REROUTE_SIZE: Final = (24.0, 16.0)
SOCKET_REACH: Final = 11.0
"""How far from a socket's centre a press still means the socket."""

_MOST_LAYOUTS: Final = 4096

Measure = Callable[[str], float]
"""Width of a text in the row font."""


class Place(NamedTuple):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    def holds(self, x: float, y: float) -> bool:
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


class SocketPlace(NamedTuple):
    """A socket's centre, and what stands beside it. `label` is empty where a control bears the name."""

    name: str
    label: str
    type: SocketType
    x: float
    y: float
    hollow: bool
    on_control: bool = False


class ControlPlace(NamedTuple):
    """A parameter's field."""

    input: Input
    place: Place


class Part(Enum):
    """What of a node lies under a point."""

    INPUT = "input"
    OUTPUT = "output"
    CONTROL = "control"
    BAND = "band"
    PREVIEW = "preview"
    ERROR = "error"
    BODY = "body"


class Hit(NamedTuple):
    part: Part
    name: str = ""


class Shape(NamedTuple):
    """What a layout depends on, beside the spec. `hidden` are inputs without a row; `preview` is height through width, 0 for none."""

    hidden: frozenset[str] = frozenset()
    width: float = 0.0
    preview: float = 0.0
    error_lines: int = 0
    collapsed: bool = False


@dataclass(frozen=True, eq=False)
class Layout:
    """The parts of a node. Identical for all nodes of one spec and `Shape`, and never changed."""

    width: float
    height: float
    inputs: Mapping[str, SocketPlace] = field(default_factory=dict)
    outputs: Mapping[str, SocketPlace] = field(default_factory=dict)
    controls: tuple[ControlPlace, ...] = ()
    preview: Place | None = None
    error: Place | None = None
    collapsed: bool = False
    dot: bool = False
    """A reroute: no band, no rows."""

    def hit(self, x: float, y: float) -> Hit | None:
        """What lies at a point of the node; sockets reach a little beyond the edge."""
        nearest, found = SOCKET_REACH**2, None
        for part, sockets in ((Part.INPUT, self.inputs), (Part.OUTPUT, self.outputs)):
            for socket in sockets.values():
                distance = (socket.x - x) ** 2 + (socket.y - y) ** 2
                if socket.on_control and x > PAD - 1:
                    continue
                if distance < nearest and not (self.dot and abs(x - self.width / 2) < 6):
                    nearest, found = distance, Hit(part, socket.name)
        if found is not None:
            return found
        if not (0 <= x < self.width and 0 <= y < self.height):
            return None
        for control in self.controls:
            if control.place.holds(x, y):
                return Hit(Part.CONTROL, control.input.name)
        if self.preview is not None and self.preview.holds(x, y):
            return Hit(Part.PREVIEW)
        if self.error is not None and self.error.holds(x, y):
            return Hit(Part.ERROR)
        return Hit(Part.BAND if y < BAND else Part.BODY)

    def control(self, name: str) -> Place | None:
        """Where a parameter's field lies, or None where it is not shown."""
        return next((one.place for one in self.controls if one.input.name == name), None)


def label(name: str) -> str:
    """A socket's or parameter's name as a person reads it."""
    return name.replace("_", " ")


class Layouts:
    """Layouts made so far. A spec is known by its identity: it is a value that is never changed, and hashing it whole takes too long."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._made: dict[tuple[int, Shape], tuple[NodeSpec, Layout]] = {}

    def of(self, spec: NodeSpec, shape: Shape) -> Layout:
        """The layout of a node of this type and shape."""
        key = (id(spec), shape)
        made = self._made.get(key)
        if made is None:
            if len(self._made) > _MOST_LAYOUTS:
                self._made.clear()
            made = self._made[key] = (spec, lay_out(spec, shape, self._measure))
        return made[1]


def lay_out(spec: NodeSpec, shape: Shape, measure: Measure) -> Layout:
    """The layout of a node of this type and shape."""
    if spec.type == REROUTE:
        return _dot(spec)
    sockets = [one for one in spec.sockets if one.name not in shape.hidden]
    width = _width(spec, sockets, shape, measure)
    if shape.collapsed:
        return _collapsed(spec, width)
    top = BAND + 6
    inputs = {
        one.name: SocketPlace(one.name, label(one.name), one.type, 0.0, top + ROW * (row + 0.5), one.optional)
        for row, one in enumerate(sockets)
    }
    outputs = {
        one.name: SocketPlace(one.name, label(one.name), one.type, width, top + ROW * (row + 0.5), False)
        for row, one in enumerate(spec.outputs)
    }
    y = top + ROW * max(len(inputs), len(outputs)) + (2 if inputs or outputs else 0)
    controls = []
    for one in spec.parameters:
        if one.name in shape.hidden:
            continue
        height = control_height(one)
        inputs[one.name] = SocketPlace(one.name, "", one.type, 0.0, y + CONTROL / 2, True, on_control=True)
        controls.append(ControlPlace(one, Place(PAD, y, width - 2 * PAD, height)))
        y += height + GAP
    preview = error = None
    if shape.preview:
        inner = width - 2 * PAD
        preview = Place(PAD, y + 2, inner, float(round(inner * min(shape.preview, 2.0))))
        y += preview.height + 2 + GAP
    if shape.error_lines:
        error = Place(PAD, y, width - 2 * PAD, shape.error_lines * TEXT_LINE + 10)
        y += error.height + GAP
    height = 4.0 * round((y + PAD - (GAP if controls or preview or error else 0)) / 4 + 0.49)
    return Layout(width, height, inputs, outputs, tuple(controls), preview, error)


def control_height(input: Input) -> float:
    """A row, or an area for curves and texts of several lines."""
    control = input.control
    if isinstance(control, CurveField):
        return CURVE
    if isinstance(control, TextField) and (control.lines > 1 or control.prompt):
        return min(max(control.lines, 3), 8) * TEXT_LINE + 10
    return CONTROL


def _width(spec: NodeSpec, sockets: list[Input], shape: Shape, measure: Measure) -> float:
    if shape.width:
        return max(shape.width, 120.0)
    rows = max(len(sockets), len(spec.outputs))
    widest = 0.0
    for row in range(rows):
        left = measure(label(sockets[row].name)) if row < len(sockets) else 0.0
        right = measure(label(spec.outputs[row].name)) if row < len(spec.outputs) else 0.0
        widest = max(widest, left + right + 56)
    widest = max(widest, measure(spec.title) * 1.15 + 90)
    if spec.live:
        return WIDEST
    if any(control_height(one) > CONTROL for one in spec.parameters):
        widest = max(widest, 248.0)
    return min(max(4 * round(widest / 4), NARROWEST), WIDEST)


def _dot(spec: NodeSpec) -> Layout:
    width, height = REROUTE_SIZE
    inputs = {one.name: SocketPlace(one.name, "", one.type, 2.0, height / 2, False) for one in spec.inputs}
    outputs = {one.name: SocketPlace(one.name, "", one.type, width - 2, height / 2, False) for one in spec.outputs}
    return Layout(width, height, inputs, outputs, dot=True)


def _collapsed(spec: NodeSpec, width: float) -> Layout:
    inputs = {one.name: SocketPlace(one.name, "", one.type, 0.0, BAND / 2, False) for one in spec.inputs}
    outputs = {one.name: SocketPlace(one.name, "", one.type, width, BAND / 2, False) for one in spec.outputs}
    return Layout(width, BAND, inputs, outputs, collapsed=True)
