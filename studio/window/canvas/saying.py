"""A sentence that follows the mouse."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QLabel, QWidget

from studio.window.theme import Theme


class Saying(QLabel):
    """Why a socket refuses, for example."""

    def __init__(self, ground: QWidget) -> None:
        super().__init__(ground)
        self._ground = ground
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setWordWrap(True)
        self.setMaximumWidth(320)
        self._theme: Theme | None = None
        self.hide()

    def show_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.setStyleSheet(
            f"background: {theme.hex('error_surface')}; color: {theme.hex('text')}; border: 1px solid {theme.hex('error')};"
            "border-radius: 5px; padding: 5px 8px;"
        )

    def say(self, words: str, at: QPointF | None, theme: Theme) -> None:
        if not words or at is None:
            self.hide()
            return
        if theme is not self._theme:
            self.show_theme(theme)
        if words != self.text():
            self.setText(words)
        self.adjustSize()
        room = self._ground.size()
        x = min(round(at.x()) + 16, room.width() - self.width() - 4)
        y = min(round(at.y()) + 18, room.height() - self.height() - 4)
        self.move(x, y)
        self.show()
