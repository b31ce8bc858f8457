"""Cut wires by a stroke across them."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from studio.graph.edits import disconnect
from studio.graph.graph import Socket
from studio.window.canvas.wires import Wire
from studio.window.gestures.gesture import Gesture, Pointer


class Knife(Gesture):
    """From a press of the right button with Ctrl. Every wire that the stroke crosses is cut, all as one step of the history."""

    cursor = Qt.CursorShape.CrossCursor

    def begin(self, at: Pointer) -> None:
        self._stroke: Stroke | None = None
        self._crossed: set[Socket] = set()

    def move(self, at: Pointer) -> None:
        assert self.start is not None
        if self._stroke is None:
            self._stroke = Stroke(self.start.scene, self.view.canvas.theme["error"])
            self.view.canvas.addItem(self._stroke)
        piece = QLineF(self._stroke.end, at.scene)
        self._stroke.reach(at.scene)
        box = QRectF(piece.p1(), piece.p2()).normalized()
        for input, wire in self.view.canvas.wires.near(box.left(), box.top(), box.right(), box.bottom()):
            if input not in self._crossed and crosses(piece, wire):
                self._crossed.add(input)
        count = len(self._crossed)
        self.view.say(f"Cuts {count} {'wire' if count == 1 else 'wires'}" if count else "", at.view)

    def end(self, at: Pointer) -> None:
        self.move(at)
        self._put_away()
        if self._crossed:
            self.view.apply(disconnect(*sorted(self._crossed)))

    def cancel(self) -> None:
        self._put_away()

    def _put_away(self) -> None:
        self.view.say("")
        if self._stroke is not None:
            self.view.canvas.removeItem(self._stroke)
            self._stroke = None


def crosses(piece: QLineF, wire: Wire) -> bool:
    """Whether a straight piece of a stroke crosses a wire."""
    bounded = QLineF.IntersectionType.BoundedIntersection
    points = [QPointF(x, y) for x, y in wire.polygon()]
    return any(piece.intersects(QLineF(one, following))[0] == bounded for one, following in pairwise(points))


class Stroke(QGraphicsItem):
    """What the knife has drawn so far."""

    def __init__(self, start: QPointF, color: QColor) -> None:
        super().__init__()
        self._points = QPolygonF([start])
        self._color = color
        self.setZValue(60)

    @property
    def end(self) -> QPointF:
        return self._points.last()

    def reach(self, end: QPointF) -> None:
        self.prepareGeometryChange()
        self._points.append(end)

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        return self._points.boundingRect().adjusted(-4, -4, 4, 4)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(self._color, 1.5, Qt.PenStyle.DashLine)
        pen.setCosmetic(True)
        painter.setPen(pen)
        painter.drawPolyline(self._points)
