"""How a curve control is painted: small in a node, large in its editor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from studio.graph.curve import points_of
from studio.graph.graph import Point, Value
from studio.window.theme import Theme

PARTS: Final = 4
"""The ground of a curve is divided into so many parts each way."""


def shown_points(value: Value) -> tuple[Point, ...] | None:
    """The points of a parameter's value, or None where it is no curve."""
    try:
        return points_of(value) if isinstance(value, str) else None
    except ValueError:
        return None


def spot(area: QRectF, point: Point) -> QPointF:
    """Where a point of the curve lies in the area that shows it."""
    return QPointF(area.left() + point[0] * area.width(), area.bottom() - point[1] * area.height())


def paint_ground(painter: QPainter, area: QRectF, theme: Theme) -> None:
    """The lines that heights and places are read by."""
    painter.setPen(QPen(theme["line"], 1))
    for part in range(PARTS + 1):
        x, y = area.left() + part * area.width() / PARTS, area.top() + part * area.height() / PARTS
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))


def paint_curve(painter: QPainter, area: QRectF, points: Sequence[Point], theme: Theme, *, radius: float) -> None:
    """The line, what lies under it, and a dot for each point."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    line = [spot(area, point) for point in points]
    wash = QColor(theme["accent"])
    wash.setAlphaF(0.14)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(wash)
    painter.drawPolygon(QPolygonF([*line, area.bottomRight(), area.bottomLeft()]))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(theme["accent"], 1.6))
    painter.drawPolyline(line)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme["accent"])
    for point in line:
        painter.drawEllipse(point, radius, radius)
