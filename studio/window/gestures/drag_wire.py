"""Draw a wire from a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from studio.graph.edits import Batch, connect, disconnect
from studio.graph.graph import NodeId, Socket
from studio.graph.types import Refusal
from studio.window.canvas.layout import Part
from studio.window.canvas.node_item import NodeItem
from studio.window.canvas.wires import wire_path
from studio.window.gestures.gesture import Gesture, Pointer

if TYPE_CHECKING:
    from studio.window.canvas.view import CanvasView


class DragWire(Gesture):
    """From a press on a socket to a release on another, on a node, or on empty canvas, where the search opens.

    A press on an input that is fed takes its wire off, to be put elsewhere or dropped. Sockets that take the wire light up, others
    dim, and where they refuse they say why.
    """

    cursor = Qt.CursorShape.CrossCursor

    def __init__(self, view: CanvasView, socket: Socket, *, is_output: bool) -> None:
        super().__init__(view)
        self._taken_from: Socket | None = None
        source = None if is_output else view.canvas.wiring.source(socket)
        if source is not None:
            self._taken_from = socket
            socket, is_output = source, True
        self.held = socket
        self.is_output = is_output
        self._wire: LooseWire | None = None

    def move(self, at: Pointer) -> None:
        if self._wire is None:
            canvas = self.view.canvas
            color = canvas.theme.socket(canvas.wiring.type_of(self.held.node, self.held.name, self.is_output)).color
            origin = canvas.socket_point(self.held, is_output=self.is_output) or at.scene
            self._wire = LooseWire(origin, color, backward=not self.is_output)
            canvas.addItem(self._wire)
            canvas.hold(self.held, is_output=self.is_output)
            if self._taken_from is not None:
                canvas.wires.remove(self._taken_from)
                canvas.wires.update()
        target = self._target(at)
        end = at.scene
        if target is None:
            self.view.say("")
        else:
            snapped = self.view.canvas.socket_point(target, is_output=not self.is_output)
            refused = self._refusal(target)
            if refused is not None:
                self.view.say(refused.reason, at.view)
            else:
                end = snapped or end
                self.view.say("")
        self._wire.reach(end)

    def end(self, at: Pointer) -> None:
        target = self._target(at)
        self._let_go()
        if target is None:
            if self._taken_from is not None:
                self.view.apply(disconnect(self._taken_from))
            elif not self._on_node(at):
                self.view.ask_search(at, self.held, is_output=self.is_output)
            return
        refused = self._refusal(target)
        if refused is not None:
            self._put_back()
            self.view.explain(refused, *self._pair(target), at)
            return
        output, input = self._pair(target)
        if self._taken_from is not None and self._taken_from != input:
            self.view.apply(Batch((disconnect(self._taken_from), connect(input, output)), "Move link"))
        elif self.view.canvas.wiring.source(input) != output:
            self.view.apply(connect(input, output))
        else:
            self._put_back()

    def cancel(self) -> None:
        self._let_go()
        self._put_back()

    def _let_go(self) -> None:
        self.view.say("")
        if self._wire is not None:
            self.view.canvas.removeItem(self._wire)
            self._wire = None
            self.view.canvas.hold(None)

    def _put_back(self) -> None:
        if self._taken_from is not None:
            self.view.canvas.show_wire(self._taken_from)

    def _pair(self, target: Socket) -> tuple[Socket, Socket]:
        return (self.held, target) if self.is_output else (target, self.held)

    def _refusal(self, target: Socket) -> Refusal | None:
        return self.view.canvas.refusal(*self._pair(target))

    def _on_node(self, at: Pointer) -> bool:
        found = self.view.canvas.under(at.scene)
        return found is not None and isinstance(found.item, NodeItem)

    def _target(self, at: Pointer) -> Socket | None:
        """The socket under the mouse; on the rest of a node, the first one that takes the wire."""
        found = self.view.canvas.under(at.scene)
        if found is None or not isinstance(found.item, NodeItem) or found.hit is None:
            return None
        item, hit = found.item, found.hit
        if item.id == self.held.node:
            return None
        wanted = Part.INPUT if self.is_output else Part.OUTPUT
        if hit.part is wanted:
            return Socket(item.id, hit.name)
        if self.is_output and hit.part is Part.CONTROL:
            return Socket(item.id, hit.name)
        return self._first_fitting(item)

    def _first_fitting(self, item: NodeItem) -> Socket | None:
        landing = self.view.canvas.painter.landing
        places = item.layout.inputs if self.is_output else item.layout.outputs
        fitting = [
            Socket(NodeId(item.id), name)
            for name, place in places.items()
            if landing is not None and not place.on_control and landing.fits(item.id, name, not self.is_output)
        ]
        free = [socket for socket in fitting if self.view.canvas.wiring.source(socket) is None]
        return next(iter(free or fitting), None)


class LooseWire(QGraphicsItem):
    """A wire with one end in the hand."""

    def __init__(self, origin: QPointF, color: QColor, *, backward: bool) -> None:
        super().__init__()
        self._origin = origin
        self._end = origin
        self._color = color
        self._backward = backward
        self.setZValue(50)

    def reach(self, end: QPointF) -> None:
        self.prepareGeometryChange()
        self._end = end

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        return self._path().boundingRect().adjusted(-4, -4, 4, 4)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(self._color, 2)
        pen.setCosmetic(True)
        painter.setPen(pen)
        painter.drawPath(self._path())

    def _path(self) -> QPainterPath:
        a, b = (self._end, self._origin) if self._backward else (self._origin, self._end)
        return wire_path(a.x(), a.y(), b.x(), b.y())
