"""A picture to look at closely: fitted, or at any zoom, pixel by pixel."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.window.theme import Theme, ui_font

_LOWEST: Final = 0.02
_HIGHEST: Final = 64.0
_PIXELS_FROM: Final = 3.0
"""Zoom from which pixels are shown as squares."""


class PictureView(QWidget):
    """The wheel zooms to the cursor, a drag moves, a double click changes between fitted and one to one."""

    zoomed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._image: QImage | None = None
        self._text = ""
        self._smooth = False
        self._zoom: float | None = None
        self._middle = QPointF(0.5, 0.5)
        self._dragged: QPointF | None = None
        self.hint = ""
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(120)
        self.setAccessibleName("Picture")

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(320, 320)

    def show_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    @property
    def image(self) -> QImage | None:
        return self._image

    @property
    def text(self) -> str:
        return self._text

    def show_image(self, image: QImage | None, *, smooth: bool = False) -> None:
        """Show this picture. The zoom stays, so that results can be compared. With `smooth` pixels are never shown as squares."""
        self._image, self._text, self._smooth = image, "", smooth
        self.setAccessibleDescription(
            f"{image.width()} by {image.height()} pixels" if image is not None else "Nothing to show"
        )
        self.update()
        self.zoomed.emit()

    def show_text(self, text: str) -> None:
        """Show words instead of a picture."""
        self._image, self._text = None, text
        self.setAccessibleDescription(text)
        self.update()
        self.zoomed.emit()

    @property
    def zoom(self) -> float:
        """Screen pixels to a pixel of the picture."""
        return self._zoom if self._zoom is not None else self._fitting()

    def fit(self) -> None:
        """All of the picture, as large as there is room."""
        self._zoom, self._middle = None, QPointF(0.5, 0.5)
        self.update()
        self.zoomed.emit()

    def set_zoom(self, zoom: float, at: QPointF | None = None) -> None:
        """Zoom so that the point `at` of the widget stays."""
        if self._image is None:
            return
        at = at or QPointF(self.rect().center())
        before = self._target()
        zoom = min(max(zoom, _LOWEST), _HIGHEST)
        across = (at.x() - before.left()) / before.width()
        down = (at.y() - before.top()) / before.height()
        width, height = self._image.width() * zoom, self._image.height() * zoom
        left, top = at.x() - across * width, at.y() - down * height
        self._zoom = zoom
        self._middle = QPointF((self.width() / 2 - left) / width, (self.height() / 2 - top) / height)
        self.update()
        self.zoomed.emit()

    def _fitting(self) -> float:
        if self._image is None or self._image.isNull():
            return 1.0
        zoom = min(self.width() / self._image.width(), self.height() / self._image.height())
        return float(int(zoom)) if zoom >= 2 and self._image.width() < 65 else zoom

    def _target(self) -> QRectF:
        if self._image is None:
            return QRectF()
        width, height = self._image.width() * self.zoom, self._image.height() * self.zoom
        left = self.width() / 2 - self._middle.x() * width
        top = self.height() / 2 - self._middle.y() * height
        return QRectF(left, top, width, height)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme["canvas"])
        if self._image is None:
            painter.setPen(self._theme["text"] if self._text else self._theme["secondary"])
            painter.setFont(ui_font(13))
            box = self.rect().adjusted(16, 16, -16, -16)
            place = (
                Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop if self._text else Qt.AlignmentFlag.AlignCenter
            )
            painter.drawText(box, place | Qt.TextFlag.TextWordWrap, self._text or self.hint)
        else:
            smooth = self._smooth or self.zoom * self.devicePixelRatioF() < _PIXELS_FROM
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, on=smooth)
            painter.drawImage(self._target(), self._image)
        if self.hasFocus():
            painter.setPen(QPen(self._theme["accent"], 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        self.set_zoom(self.zoom * 1.2 ** (event.angleDelta().y() / 120), event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._dragged = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._dragged is None or self._image is None:
            return
        away = event.position() - self._dragged
        self._dragged = event.position()
        self._zoom = self.zoom
        target = self._target()
        self._middle -= QPointF(away.x() / target.width(), away.y() / target.height())
        self.update()
        self.zoomed.emit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._dragged = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._zoom is None:
            self.set_zoom(1.0, event.position())
        else:
            self.fit()
