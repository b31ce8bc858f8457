"""Socket shapes as paths around the origin."""

from __future__ import annotations

from functools import cache
from typing import Final

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

from studio.window.theme import Shape, SocketStyle

RADIUS: Final = 5.0


@cache
def socket_path(shape: Shape, radius: float = RADIUS) -> QPainterPath:
    """The outline of a socket of this shape; all shapes have about the same area."""
    path = QPainterPath()
    r = radius
    if shape is Shape.SQUARE:
        path.addRect(QRectF(-0.9 * r, -0.9 * r, 1.8 * r, 1.8 * r))
    elif shape is Shape.HEXAGON:
        corners = ((-1.1, 0.0), (-0.55, -0.95), (0.55, -0.95), (1.1, 0.0), (0.55, 0.95), (-0.55, 0.95))
        path.addPolygon(QPolygonF([QPointF(x * r, y * r) for x, y in corners]))
        path.closeSubpath()
    elif shape is Shape.DIAMOND:
        path.addPolygon(
            QPolygonF([QPointF(0, -1.25 * r), QPointF(1.25 * r, 0), QPointF(0, 1.25 * r), QPointF(-1.25 * r, 0)])
        )
        path.closeSubpath()
    elif shape is Shape.HALF:
        path.moveTo(0, -1.15 * r)
        path.arcTo(QRectF(-1.15 * r, -1.15 * r, 2.3 * r, 2.3 * r), 90, 180)
        path.closeSubpath()
        path.translate(0.35 * r, 0)
    elif shape is Shape.ROUNDED:
        path.addRoundedRect(QRectF(-1.2 * r, -0.8 * r, 2.4 * r, 1.6 * r), 0.5 * r, 0.5 * r)
    elif shape is Shape.TRIANGLE:
        path.addPolygon(QPolygonF([QPointF(-0.9 * r, -1.1 * r), QPointF(1.1 * r, 0), QPointF(-0.9 * r, 1.1 * r)]))
        path.closeSubpath()
    elif shape is Shape.DOT:
        path.addEllipse(QPointF(), 0.7 * r, 0.7 * r)
    else:
        path.addEllipse(QPointF(), r, r)
    return path


def paint_socket(
    painter: QPainter, x: float, y: float, style: SocketStyle, ground: QColor, *, hollow: bool, grown: bool = False
) -> None:
    """A socket at a point: hollow where optional, a double outline where it carries a list, grown where a wire may land."""
    radius = RADIUS + 2 if grown else RADIUS
    painter.translate(x, y)
    pen = QPen(style.color, 1.5)
    painter.setPen(pen)
    if style.double:
        painter.setBrush(ground)
        painter.drawPath(socket_path(style.shape, radius + 1.5))
        radius -= 1.5
    painter.setBrush(ground if hollow else style.color)
    painter.drawPath(socket_path(style.shape, radius))
    painter.translate(-x, -y)
