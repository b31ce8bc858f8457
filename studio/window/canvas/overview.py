"""The whole graph from afar: rectangles and straight lines from lists that are kept, and never asked of the scene."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from studio.graph.graph import NodeId, Socket
from studio.window.theme import Theme

OVERVIEW_BELOW: Final = 0.3
"""Zoom below which the canvas is painted from these lists."""


class Overview:
    """Boxes of the nodes by colour, and lines of the wires. Kept up to date one by one, so that a change costs no more than itself."""

    def __init__(self) -> None:
        self._rects: dict[int, list[QRectF]] = {}
        self._places: dict[NodeId, tuple[int, int]] = {}
        self._ids: dict[int, list[NodeId]] = {}
        self._lines: list[QLineF] = []
        self._line_at: dict[Socket, int] = {}
        self._line_ids: list[Socket] = []
        self._bounds: QRectF | None = None

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]

    def put_node(self, id: NodeId, x: float, y: float, width: float, height: float, color: QColor) -> None:
        self._bounds = None
        key = color.rgb()
        held = self._places.get(id)
        if held is not None and held[0] == key:
            self._rects[key][held[1]].setRect(x, y, width, height)
            return
        if held is not None:
            self.remove_node(id)
        rects = self._rects.setdefault(key, [])
        ids = self._ids.setdefault(key, [])
        self._places[id] = (key, len(rects))
        rects.append(QRectF(x, y, width, height))
        ids.append(id)

    def remove_node(self, id: NodeId) -> None:
        held = self._places.pop(id, None)
        if held is None:
            return
        self._bounds = None
        key, at = held
        rects, ids = self._rects[key], self._ids[key]
        last_rect, last_id = rects.pop(), ids.pop()
        if at < len(rects):
            rects[at], ids[at] = last_rect, last_id
            self._places[last_id] = (key, at)

    def put_wire(self, input: Socket, ends: tuple[float, float, float, float]) -> None:
        at = self._line_at.get(input)
        if at is None:
            self._line_at[input] = len(self._lines)
            self._lines.append(QLineF(*ends))
            self._line_ids.append(input)
        else:
            self._lines[at].setLine(*ends)

    def remove_wire(self, input: Socket) -> None:
        at = self._line_at.pop(input, None)
        if at is None:
            return
        last_line, last_id = self._lines.pop(), self._line_ids.pop()
        if at < len(self._lines):
            self._lines[at], self._line_ids[at] = last_line, last_id
            self._line_at[last_id] = at

    def bounds(self) -> QRectF:
        """The smallest rectangle around all nodes, null where there are none."""
        if self._bounds is None:
            self._bounds = self._measured()
        return QRectF(self._bounds)

    def _measured(self) -> QRectF:
        left = top = float("inf")
        right = bottom = float("-inf")
        for rects in self._rects.values():
            for rect in rects:
                left, top = min(left, rect.left()), min(top, rect.top())
                right, bottom = max(right, rect.right()), max(bottom, rect.bottom())
        return QRectF(left, top, right - left, bottom - top) if left <= right else QRectF()

    def rect_of(self, id: NodeId) -> QRectF | None:
        held = self._places.get(id)
        return None if held is None else self._rects[held[0]][held[1]]

    def paint(self, painter: QPainter, theme: Theme) -> None:
        """All of it, through the transform that the painter has. Tints are made stronger: there is no title to tell nodes apart."""
        pen = QPen(theme["line"], 1)
        pen.setCosmetic(True)
        painter.setPen(pen)
        if self._lines:
            painter.drawLines(self._lines)
        painter.setPen(Qt.PenStyle.NoPen)
        for key, rects in self._rects.items():
            if rects:
                color = QColor.fromRgb(key)
                painter.setBrush(color.lighter(130) if theme.dark else color.darker(118))
                painter.drawRects(rects)
