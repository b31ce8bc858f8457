"""Two pictures in one place: how they are laid over or beside each other."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from studio.window.theme import Theme, ui_font

GRIP: Final = 8.0
"""Pixels to either side of the line by which a wipe is taken."""


class Comparing(StrEnum):
    """How two pictures are shown."""

    WIPE = "Wipe"
    SIDE = "Side by side"
    DIFFERENCE = "Difference"


def difference(first: QImage, second: QImage) -> QImage:
    """What differs between two pictures, black where nothing does; of the first one's size. The second is scaled to it."""
    made = first.convertToFormat(QImage.Format.Format_RGB32)
    painter = QPainter(made)
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Difference)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, on=second.size() != first.size())
    painter.drawImage(QRectF(made.rect()), second.convertToFormat(QImage.Format.Format_RGB32))
    painter.end()
    return made


def paint_wipe(painter: QPainter, theme: Theme, first: QImage, second: QImage, target: QRectF, share: float) -> None:
    """The first picture left of the line, the second right of it."""
    line = target.left() + share * target.width()
    for image, left, right in ((first, target.left(), line), (second, line, target.right())):
        painter.save()
        painter.setClipRect(QRectF(left, target.top(), right - left, target.height()), Qt.ClipOperation.IntersectClip)
        painter.drawImage(target, image)
        painter.restore()
    painter.setPen(QPen(theme["accent"], 2))
    painter.drawLine(QPointF(line, target.top()), QPointF(line, target.bottom()))


def paint_letters(painter: QPainter, bounds: QRectF) -> None:
    """A and B in the upper corners."""
    painter.setFont(ui_font(12, bold=True))
    for letter, left in (("A", bounds.left() + 6), ("B", bounds.right() - 28)):
        box = QRectF(left, bounds.top() + 6, 22, 20)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 200))
        painter.drawRoundedRect(box, 3, 3)
        painter.setPen(QColor("white"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, letter)


def halves(size: QSize) -> tuple[QRectF, QRectF]:
    """The two halves of a widget, with a narrow gap."""
    width = (size.width() - 4) / 2
    return QRectF(0, 0, width, size.height()), QRectF(width + 4, 0, width, size.height())
