"""Push the canvas about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt

from studio.window.gestures.gesture import Gesture, Pointer

if TYPE_CHECKING:
    from studio.window.canvas.view import CanvasView


class Pan(Gesture):
    """With the middle button, or with Space held. A right press that stays where it is asks for the menu instead."""

    cursor = Qt.CursorShape.ClosedHandCursor

    def __init__(self, view: CanvasView, *, menu: bool = False) -> None:
        super().__init__(view)
        self._menu = menu
        self._last = QPointF()

    def begin(self, at: Pointer) -> None:
        self._last = at.view

    def move(self, at: Pointer) -> None:
        away = (at.view - self._last).toPoint()
        self._last = self._last + QPointF(away)
        self.view.pan(away.x(), away.y())

    def end(self, at: Pointer) -> None:
        self.move(at)

    def click(self, at: Pointer) -> None:
        if self._menu:
            self.view.ask_menu(at)
