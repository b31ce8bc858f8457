"""All wires in one item. A spatial index finds those that a painted rectangle may show; the rest costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from studio.graph.graph import Socket
from studio.window.canvas.node_item import REDUCED_BELOW

_CELL: Final = 512
_MOST_CELLS: Final = 12
"""A wire over more cells than this is kept in a list of its own, which is looked through whole."""
_REACH: Final = 2**20
_PIECES: Final = 16
_SLACK: Final = 60.0
_CROWD: Final = 48
"""With more wires than this in sight, the first of the two strokes of each is not smoothed: it would cost most of the frame."""
_EDGE: Final = 3.0


class Wire:
    """From an output (x1, y1) to an input (x2, y2), in the scene. The path is made when it is first painted."""

    __slots__ = ("bottom", "cells", "color", "left", "path", "points", "right", "top", "x1", "x2", "y1", "y2")

    def __init__(self, x1: float, y1: float, x2: float, y2: float, color: QColor) -> None:
        self.color = color
        self.cells: tuple[int, int, int, int] | None = None
        """First and last column and row of the index; None for a wire that is too long for it."""
        self.place(x1, y1, x2, y2)

    def place(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self.x1, self.y1, self.x2, self.y2 = x1, y1, x2, y2
        self.path: QPainterPath | None = None
        self.points: list[tuple[float, float]] | None = None
        bend = reach(x1, y1, x2, y2)
        # A cubic with level ends leaves the box of its end points by at most three quarters of the bend, and only where it runs back.
        over = bend if x2 < x1 + 2 * bend else 0.0
        self.left, self.right = min(x1, x2) - over - _EDGE, max(x1, x2) + over + _EDGE
        self.top, self.bottom = (y1, y2) if y1 < y2 else (y2, y1)
        self.top -= _EDGE
        self.bottom += _EDGE

    @property
    def bounds(self) -> QRectF:
        return QRectF(self.left, self.top, self.right - self.left, self.bottom - self.top)

    def part(self, left: float, top: float, right: float, bottom: float) -> QPainterPath | None:
        """The piece of a long wire that a rectangle may show, None where it passes by. What is left out costs Qt the most."""
        points = self.polygon()
        first = last = -1
        x1, y1 = points[0]
        for step in range(_PIECES):
            x2, y2 = points[step + 1]
            # Between two points the curve runs one way only, in x and in y, but for the two bends of a wire that runs back.
            if (
                (x1 if x1 < x2 else x2) - _SLACK <= right
                and (x1 if x1 > x2 else x2) + _SLACK >= left
                and (y1 if y1 < y2 else y2) - _EDGE <= bottom
                and (y1 if y1 > y2 else y2) + _EDGE >= top
            ):
                first = step if first < 0 else first
                last = step
            x1, y1 = x2, y2
        return self._between(first / _PIECES, (last + 1) / _PIECES) if first >= 0 else None

    def polygon(self) -> list[tuple[float, float]]:
        """Points along the wire, from end to end."""
        if self.points is None:
            self.points = [self._at(step / _PIECES) for step in range(_PIECES + 1)]
        return self.points

    def _at(self, t: float) -> tuple[float, float]:
        bend, s = reach(self.x1, self.y1, self.x2, self.y2), 1 - t
        a, b, c, d = s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t
        x = a * self.x1 + b * (self.x1 + bend) + c * (self.x2 - bend) + d * self.x2
        return x, (a + b) * self.y1 + (c + d) * self.y2

    def _between(self, start: float, end: float) -> QPainterPath:
        """The cubic from parameter `start` to `end`, by its points and slopes there."""
        bend = reach(self.x1, self.y1, self.x2, self.y2)
        xs = (self.x1, self.x1 + bend, self.x2 - bend, self.x2)
        ys = (self.y1, self.y1, self.y2, self.y2)
        (x1, y1), (x2, y2) = self._at(start), self._at(end)
        third = (end - start) / 3
        path = QPainterPath(QPointF(x1, y1))
        path.cubicTo(
            x1 + third * _slope(xs, start),
            y1 + third * _slope(ys, start),
            x2 - third * _slope(xs, end),
            y2 - third * _slope(ys, end),
            x2,
            y2,
        )
        return path

    def drawn(self) -> QPainterPath:
        if self.path is None:
            self.path = wire_path(self.x1, self.y1, self.x2, self.y2)
        return self.path


def _slope(points: tuple[float, float, float, float], t: float) -> float:
    """The derivative of a cubic's coordinate."""
    a, b, c, d = points
    s = 1 - t
    return 3 * (s * s * (b - a) + 2 * s * t * (c - b) + t * t * (d - c))


def reach(x1: float, y1: float, x2: float, y2: float) -> float:
    """How far a wire goes on straight before it bends: half the way across, more where it runs back."""
    across = x2 - x1
    if across >= 0:
        return min(max(across * 0.5, min(24.0, abs(y2 - y1) * 0.5)), 160.0)
    return min(40.0 - across * 0.35, 200.0)


def wire_path(x1: float, y1: float, x2: float, y2: float) -> QPainterPath:
    """A cubic with level ends."""
    bend = reach(x1, y1, x2, y2)
    path = QPainterPath(QPointF(x1, y1))
    path.cubicTo(x1 + bend, y1, x2 - bend, y2, x2, y2)
    return path


class WireLayer(QGraphicsItem):
    """Wires by the input that they feed; an input has one at most."""

    def __init__(self) -> None:
        super().__init__()
        self.setZValue(-10)
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)
        self.wires: dict[Socket, Wire] = {}
        self._cells: dict[tuple[int, int], set[Socket]] = {}
        self._long: dict[Socket, Wire] = {}
        self._pens: dict[int, QPen] = {}

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        return QRectF(-_REACH, -_REACH, 2 * _REACH, 2 * _REACH)

    def put(self, input: Socket, ends: tuple[float, float, float, float], color: QColor) -> None:
        """A wire appears, or lies elsewhere now. `repaint` has to be told."""
        wire = self.wires.get(input)
        if wire is None:
            wire = self.wires[input] = Wire(*ends, color)
        else:
            self._unindex(input, wire)
            wire.color = color
            wire.place(*ends)
        self._index(input, wire)

    def remove(self, input: Socket) -> QRectF:
        """A wire goes. The rectangle that it covered, empty where there was none."""
        wire = self.wires.pop(input, None)
        if wire is None:
            return QRectF()
        self._unindex(input, wire)
        return wire.bounds

    def clear(self) -> None:
        self.wires.clear()
        self._cells.clear()
        self._long.clear()
        self.update()

    def near(self, left: float, top: float, right: float, bottom: float) -> Iterator[tuple[Socket, Wire]]:
        """Wires whose bounds meet a rectangle, each once."""
        seen: set[Socket] = set()
        for column in range(int(left // _CELL), int(right // _CELL) + 1):
            for row in range(int(top // _CELL), int(bottom // _CELL) + 1):
                cell = self._cells.get((column, row))
                if cell:
                    seen |= cell
        wires = self.wires
        for input in seen:
            wire = wires[input]
            if wire.left <= right and wire.right >= left and wire.top <= bottom and wire.bottom >= top:
                yield input, wire
        for input, wire in self._long.items():
            if wire.left <= right and wire.right >= left and wire.top <= bottom and wire.bottom >= top:
                yield input, wire

    def at(self, point: QPointF, reach: float) -> Socket | None:
        """The input of the wire that passes within `reach` of a point, the nearest one."""
        x, y = point.x(), point.y()
        best, found = reach * reach, None
        for input, wire in self.near(x - reach, y - reach, x + reach, y + reach):
            distance = _distance(wire, x, y)
            if distance <= best:
                best, found = distance, input
        return found

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        area: QRectF = option.exposedRect
        scale = painter.transform().m11() / painter.device().devicePixelRatio()
        box = (area.left(), area.top(), area.right(), area.bottom())
        by_color: dict[int, list[QPainterPath]] = {}
        for _, wire in self.near(*box):
            path = wire.drawn() if wire.cells is not None else wire.part(*box)
            if path is not None:
                by_color.setdefault(wire.color.rgb(), []).append(path)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        count = sum(map(len, by_color.values()))
        for color, paths in by_color.items():
            painter.setPen(self._pen(color))
            if scale < REDUCED_BELOW:
                _draw(painter, paths, smooth=False)
                continue
            # Two strokes of one device pixel, half a pixel apart, look like two pixels and take the fast way through Qt's rasterizer.
            half = 0.5 / scale
            _draw(painter, paths, smooth=count <= _CROWD)
            painter.translate(half, half)
            _draw(painter, paths, smooth=True)
            painter.translate(-half, -half)

    def _pen(self, color: int) -> QPen:
        pen = self._pens.get(color)
        if pen is None:
            pen = QPen(QColor.fromRgb(color), 1)
            pen.setCosmetic(True)
            self._pens[color] = pen
        return pen

    def _index(self, input: Socket, wire: Wire) -> None:
        first_column, last_column = int(wire.left // _CELL), int(wire.right // _CELL)
        first_row, last_row = int(wire.top // _CELL), int(wire.bottom // _CELL)
        if (last_column - first_column + 1) * (last_row - first_row + 1) > _MOST_CELLS:
            self._long[input] = wire
            wire.cells = None
            return
        wire.cells = (first_column, first_row, last_column, last_row)
        cells = self._cells
        for column in range(first_column, last_column + 1):
            for row in range(first_row, last_row + 1):
                cell = cells.get((column, row))
                if cell is None:
                    cells[column, row] = {input}
                else:
                    cell.add(input)

    def _unindex(self, input: Socket, wire: Wire) -> None:
        if wire.cells is None:
            self._long.pop(input, None)
            return
        first_column, first_row, last_column, last_row = wire.cells
        for column in range(first_column, last_column + 1):
            for row in range(first_row, last_row + 1):
                self._cells[column, row].discard(input)


def _draw(painter: QPainter, paths: Iterable[QPainterPath], *, smooth: bool) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=smooth)
    for path in paths:
        painter.drawPath(path)


def _distance(wire: Wire, x: float, y: float) -> float:
    """Square of the distance from a point to a wire, by a polygon of 24 sides."""
    bend = reach(wire.x1, wire.y1, wire.x2, wire.y2)
    ax, ay, bx, by = wire.x1, wire.y1, wire.x1 + bend, wire.y1
    cx, cy, dx, dy = wire.x2 - bend, wire.y2, wire.x2, wire.y2
    best = float("inf")
    last_x, last_y = ax, ay
    for step in range(1, 25):
        t = step / 24
        s = 1 - t
        px = s * s * s * ax + 3 * s * s * t * bx + 3 * s * t * t * cx + t * t * t * dx
        py = s * s * s * ay + 3 * s * s * t * by + 3 * s * t * t * cy + t * t * t * dy
        best = min(best, _to_segment(x, y, last_x, last_y, px, py))
        last_x, last_y = px, py
    return best


def _to_segment(x: float, y: float, x1: float, y1: float, x2: float, y2: float) -> float:
    dx, dy = x2 - x1, y2 - y1
    length = dx * dx + dy * dy
    along = 0.0 if length == 0 else min(max(((x - x1) * dx + (y - y1) * dy) / length, 0.0), 1.0)
    return (x - x1 - along * dx) ** 2 + (y - y1 - along * dy) ** 2
