"""A node on the canvas: one painted item. It shows a node of the graph and a status, and decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from studio.graph.graph import Mode, Node, NodeId
from studio.graph.spec import NodeSpec
from studio.graph.types import SocketType
from studio.window.canvas.layout import Layout, Shape, SocketPlace
from studio.window.canvas.painter import NodePainter
from studio.window.canvas.plot import HEIGHT
from studio.window.canvas.status import State, Status
from studio.window.canvas.values import hidden_inputs
from studio.window.theme import SocketStyle

REDUCED_BELOW: Final = 0.5
"""Zoom below which a node is painted with its title alone."""
_MARGIN: Final = 10.0
_IDLE: Final = Status()
_CACHE: Final = QGraphicsItem.CacheMode.DeviceCoordinateCache
_NO_LINKS: Final[frozenset[str]] = frozenset()

TypeOf = Callable[[NodeId, str, bool], SocketType]
"""The type that a socket carries now, generic ones resolved: node, name, is it an output."""


class NodeItem(QGraphicsItem):
    """`hot` is the name of the control under the mouse, or another true text while the node is."""

    def __init__(self, id: NodeId, node: Node, spec: NodeSpec, painter: NodePainter, type_of: TypeOf) -> None:
        super().__init__()
        self.id = id
        self.node = node
        self.spec = spec
        self.spec_missing = False
        self.status = _IDLE
        self.linked: frozenset[str] | set[str] = _NO_LINKS
        self.selected = False
        self.hot = ""
        self._painter = painter
        self._type_of = type_of
        self.layout = self._lay_out()
        self.setPos(*node.position)
        self.setCacheMode(_CACHE)

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        layout = self.layout
        return QRectF(-_MARGIN, -4, layout.width + 2 * _MARGIN, layout.height + 8)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        if painter.transform().m11() < REDUCED_BELOW * painter.device().devicePixelRatio():
            self._painter.paint_reduced(painter, self)
        else:
            self._painter.paint_full(painter, self)

    @property
    def title(self) -> str:
        return self.node.title or self.spec.title

    @property
    def band_color(self) -> QColor:
        return self._painter.theme.band(self.spec.category, self.node.color)

    @property
    def accent_color(self) -> QColor:
        """The colour of what passes through: for a reroute, its wire's."""
        for name in self.layout.outputs:
            return self._painter.theme.socket(self._type_of(self.id, name, True)).color
        return self._painter.theme["secondary"]

    @property
    def error_text(self) -> str:
        return self.status.what

    def band_words(self, *, short: bool) -> str:
        """What stands at the right of the title."""
        if self.spec_missing:
            return "not installed"
        if self.node.mode is not Mode.ACTIVE:
            return str(self.node.mode)
        words = self.status.short_text if short else self.status.text
        return words or ("locked" if self.node.locked else "")

    def socket_style(self, socket: SocketPlace, *, is_output: bool) -> SocketStyle:
        resolved = self._type_of(self.id, socket.name, is_output) if socket.type.variable else socket.type
        return self._painter.theme.socket(resolved)

    def show_node(self, node: Node, spec: NodeSpec, *, missing: bool = False) -> bool:
        """Show this state of the node. True where its sockets moved against the scene."""
        moved = node.position != self.node.position
        self.node, self.spec, self.spec_missing = node, spec, missing
        if moved:
            self.setPos(*node.position)
        return self.refresh() or moved

    def show_links(self, linked: frozenset[str] | set[str]) -> bool:
        """Which inputs are fed. True where the layout changed."""
        if linked == self.linked:
            return False
        self.linked = linked
        return self.refresh()

    def show_status(self, status: Status) -> bool:
        """Show where the node stands in a run. True where the layout changed."""
        self.status = status
        return self.refresh()

    def refresh(self) -> bool:
        """Paint anew, after laying out anew where need be. True where the layout changed."""
        layout = self._lay_out()
        changed = layout is not self.layout
        if changed:
            self.prepareGeometryChange()
            self.layout = layout
        self.update()
        return changed

    def set_selected(self, selected: bool) -> None:
        if selected != self.selected:
            self.selected = selected
            self.setZValue(1 if selected else 0)
            self.update()

    def set_hot(self, hot: str) -> None:
        if hot != self.hot:
            self.hot = hot
            self.update()

    def socket_at(self, name: str, *, is_output: bool) -> tuple[float, float] | None:
        """A socket's centre in the scene, or None where the node shows none of that name."""
        place = (self.layout.outputs if is_output else self.layout.inputs).get(name)
        if place is None:
            return None
        x, y = self.node.position
        return x + place.x, y + place.y

    def _lay_out(self) -> Layout:
        node, status = self.node, self.status
        hidden = hidden_inputs(self.spec, node, self.linked)
        width = node.size[0] if node.size is not None else 0.0
        preview = 0.0
        if isinstance(status.preview, tuple):
            preview = HEIGHT
        elif status.preview is not None and not status.preview.isNull():
            preview = round(status.preview.height() / status.preview.width(), 3)
        lines = 0
        if status.state is State.FAILED and status.what:
            lines = self._painter.error_lines(status.what, width or 248.0)
        return self._painter.layouts.of(self.spec, Shape(hidden, width, preview, lines, node.collapsed))
