"""Select what an area touches."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from studio.window.gestures.gesture import Gesture, Pointer


class RubberBand(Gesture):
    """From a press on empty canvas. Shift adds to what is selected, Ctrl takes away; a click selects nothing."""

    def begin(self, at: Pointer) -> None:
        self._before = set(self.view.canvas.selected)
        self._band: _Band | None = None

    def move(self, at: Pointer) -> None:
        assert self.start is not None
        if self._band is None:
            self._band = _Band(self.view.viewport(), self.view.canvas.theme["accent"])
        self._band.setGeometry(QRectF(self.start.view, at.view).normalized().toAlignedRect())
        touched = self.view.canvas.inside(QRectF(self.start.scene, at.scene).normalized())
        if at.shift:
            touched = self._before | touched
        elif at.control:
            touched = self._before - touched
        self.view.canvas.select(touched)

    def end(self, at: Pointer) -> None:
        self.move(at)
        self._take_away()

    def click(self, at: Pointer) -> None:
        if not (at.shift or at.control):
            self.view.canvas.select(())

    def cancel(self) -> None:
        self.view.canvas.select(self._before)
        self._take_away()

    def _take_away(self) -> None:
        if self._band is not None:
            self._band.hide()
            self._band.deleteLater()
            self._band = None


class _Band(QWidget):
    def __init__(self, parent: QWidget, color: QColor) -> None:
        super().__init__(parent)
        self._color = color
        self.show()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        fill = QColor(self._color)
        fill.setAlpha(28)
        painter.setBrush(fill)
        painter.setPen(QPen(self._color, 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()
