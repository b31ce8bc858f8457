"""A picture to look at closely: fitted, or at any zoom, pixel by pixel; and two of them compared."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.window.theme import Theme, ui_font
from studio.window.viewers.comparison import GRIP, Comparing, difference, halves, paint_letters, paint_wipe

_LOWEST: Final = 0.02
_HIGHEST: Final = 64.0
_PIXELS_FROM: Final = 3.0
"""Zoom from which pixels are shown as squares."""
_KEY_WIPE: Final = 0.05


class PictureView(QWidget):
    """The wheel zooms to the cursor, a drag moves, a double click changes between fitted and one to one.

    With a second picture: its line is dragged, or moved with the arrow keys.
    """

    zoomed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._image: QImage | None = None
        self._other: QImage | None = None
        self._difference: QImage | None = None
        self._comparing = Comparing.WIPE
        self._wipe = 0.5
        self._wiping = False
        self._text = ""
        self._smooth = False
        self._zoom: float | None = None
        self._middle = QPointF(0.5, 0.5)
        self._dragged: QPointF | None = None
        self.hint = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
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
    def other(self) -> QImage | None:
        """What `image` is compared with."""
        return self._other

    @property
    def text(self) -> str:
        return self._text

    @property
    def comparing(self) -> Comparing:
        return self._comparing

    def compare(self, how: Comparing) -> None:
        """How two pictures are shown from now on."""
        self._comparing = how
        self.update()
        self.zoomed.emit()

    def show_image(self, image: QImage | None, other: QImage | None = None, *, smooth: bool = False) -> None:
        """Show a picture, compared with another where there is one.

        The zoom stays, so that results can be compared. With `smooth` pixels are never shown as squares.
        """
        self._image, self._text, self._smooth = image, "", smooth
        self._other = other if image is not None else None
        self._difference = None
        about = f"{image.width()} by {image.height()} pixels" if image is not None else "Nothing to show"
        self.setAccessibleDescription(f"{about}, compared with another" if self._other is not None else about)
        self.update()
        self.zoomed.emit()

    def show_text(self, text: str) -> None:
        """Show words instead of a picture."""
        self._image, self._other, self._text = None, None, text
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
        area = self._area(at)
        at = at or area.center()
        before = self._target(area)
        zoom = min(max(zoom, _LOWEST), _HIGHEST)
        across = (at.x() - before.left()) / before.width()
        down = (at.y() - before.top()) / before.height()
        width, height = self._image.width() * zoom, self._image.height() * zoom
        left, top = at.x() - across * width, at.y() - down * height
        self._zoom = zoom
        self._middle = QPointF((area.center().x() - left) / width, (area.center().y() - top) / height)
        self.update()
        self.zoomed.emit()

    @property
    def _beside(self) -> bool:
        return self._other is not None and self._comparing is Comparing.SIDE

    @property
    def _wipes(self) -> bool:
        return self._other is not None and self._comparing is Comparing.WIPE

    def _area(self, at: QPointF | None = None) -> QRectF:
        """The part of the widget that a picture has for itself; of two side by side, the one at a point."""
        if not self._beside:
            return QRectF(self.rect())
        left, right = halves(self.size())
        return right if at is not None and at.x() >= right.left() else left

    def _fitting(self) -> float:
        if self._image is None or self._image.isNull():
            return 1.0
        room = self._area().size()
        zoom = min(room.width() / self._image.width(), room.height() / self._image.height())
        return float(int(zoom)) if zoom >= 2 and self._image.width() < 65 else zoom

    def _target(self, area: QRectF) -> QRectF:
        if self._image is None:
            return QRectF()
        size = QSizeF(self._image.size()) * self.zoom
        left = area.center().x() - self._middle.x() * size.width()
        top = area.center().y() - self._middle.y() * size.height()
        return QRectF(left, top, size.width(), size.height())

    def _line(self) -> float:
        """Where the line of the wipe is, across the widget."""
        target = self._target(QRectF(self.rect()))
        return target.left() + self._wipe * target.width()

    def _wipe_to(self, x: float) -> None:
        target = self._target(QRectF(self.rect()))
        self._wipe = min(max((x - target.left()) / max(target.width(), 1.0), 0.0), 1.0)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme["canvas"])
        if self._image is None:
            self._paint_words(painter)
        else:
            smooth = self._smooth or self.zoom * self.devicePixelRatioF() < _PIXELS_FROM
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, on=smooth)
            self._paint_pictures(painter, self._image)
        if self.hasFocus():
            painter.setPen(QPen(self._theme["accent"], 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint_words(self, painter: QPainter) -> None:
        painter.setPen(self._theme["text"] if self._text else self._theme["secondary"])
        painter.setFont(ui_font(13))
        box = self.rect().adjusted(16, 16, -16, -16)
        left_top = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
        place = left_top if self._text else Qt.AlignmentFlag.AlignCenter
        painter.drawText(box, place | Qt.TextFlag.TextWordWrap, self._text or self.hint)

    def _paint_pictures(self, painter: QPainter, image: QImage) -> None:
        whole = QRectF(self.rect())
        target = self._target(whole)
        if self._other is None:
            painter.drawImage(target, image)
            return
        match self._comparing:
            case Comparing.WIPE:
                paint_wipe(painter, self._theme, image, self._other, target, self._wipe)
                paint_letters(painter, target & whole)
            case Comparing.SIDE:
                for one, area in zip((image, self._other), halves(self.size()), strict=True):
                    painter.save()
                    painter.setClipRect(area)
                    painter.drawImage(self._target(area), one)
                    painter.restore()
                paint_letters(painter, whole)
            case Comparing.DIFFERENCE:
                if self._difference is None:
                    self._difference = difference(image, self._other)
                painter.drawImage(target, self._difference)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        self.set_zoom(self.zoom * 1.2 ** (event.angleDelta().y() / 120), event.position())
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        steps = {Qt.Key.Key_Left: -_KEY_WIPE, Qt.Key.Key_Right: _KEY_WIPE}
        if self._wipes and event.key() in steps:
            self._wipe = min(max(self._wipe + steps[Qt.Key(event.key())], 0.0), 1.0)
            self.update()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._wiping = self._at_line(event.position())
        self._dragged = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._dragged is None:
            at_line = self._at_line(event.position())
            self.setCursor(Qt.CursorShape.SplitHCursor if at_line else Qt.CursorShape.ArrowCursor)
            return
        if self._image is None:
            return
        if self._wiping:
            self._wipe_to(event.position().x())
            return
        away = event.position() - self._dragged
        self._dragged = event.position()
        self._zoom = self.zoom
        size = QSizeF(self._image.size()) * self._zoom
        self._middle -= QPointF(away.x() / size.width(), away.y() / size.height())
        self.update()
        self.zoomed.emit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._dragged = None
        self._wiping = False

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._zoom is None:
            self.set_zoom(1.0, event.position())
        else:
            self.fit()

    def _at_line(self, point: QPointF) -> bool:
        return self._wipes and abs(point.x() - self._line()) <= GRIP
