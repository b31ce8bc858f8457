"""Our icons: one drawing each, in whatever colour the theme gives."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from studio.resources import resource

_SIDE = 16
_SCALES = (1, 2)


def icon(name: str, color: QColor, disabled: QColor | None = None) -> QIcon:
    """The drawing `resources/icons/NAME.svg` in a colour, sharp on hi-dpi screens too."""
    renderer = QSvgRenderer(str(resource("icons", f"{name}.svg")))
    made = QIcon()
    for mode, ink in ((QIcon.Mode.Normal, color), (QIcon.Mode.Disabled, disabled or color)):
        for scale in _SCALES:
            made.addPixmap(_drawn(renderer, ink, scale), mode)
    return made


def window_icon() -> QIcon:
    """The program's own, in its own colours."""
    return QIcon(str(resource("icons", "wirelight.svg")))


def _drawn(renderer: QSvgRenderer, color: QColor, scale: int) -> QPixmap:
    side = _SIDE * scale
    pixmap = QPixmap(side, side)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    renderer.render(painter, QRectF(0, 0, side, side))
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
    painter.fillRect(pixmap.rect(), color)
    painter.end()
    pixmap.setDevicePixelRatio(scale)
    return pixmap
