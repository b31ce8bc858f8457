"""The line at the bottom: the keys that matter now, and how the worker is."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from studio.window.theme import Theme


class Lamp(QWidget):
    """A dot of one colour."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._color = QColor()
        self.setFixedSize(QSize(10, 10))

    def show_color(self, color: QColor) -> None:
        if color != self._color:
            self._color = color
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._color)
        painter.drawEllipse(QPointF(5, 5), 4, 4)
        painter.end()


class BottomLine(QWidget):
    """Hints left, worker right."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("bottom")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(28)
        self._theme = theme
        self.hints = QLabel()
        self.hints.setObjectName("secondary")
        self.hints.setTextFormat(Qt.TextFormat.RichText)
        self.hints.setAccessibleName("Hints")
        self.hints.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.lamp = Lamp()
        self.worker = QLabel()
        self.worker.setObjectName("secondary")
        self.worker.setAccessibleName("Worker")
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 0, 16, 0)
        row.setSpacing(8)
        row.addWidget(self.hints, 1)
        row.addWidget(self.lamp)
        row.addWidget(self.worker)

    def show_theme(self, theme: Theme) -> None:
        self._theme = theme

    def show_hints(self, pairs: list[tuple[str, str]]) -> None:
        """Keys, each with what it does."""
        key = self._theme.hex("text")
        words = [f'<span style="color:{key}">{keys}</span>&nbsp; {does}' for keys, does in pairs]
        self.hints.setText("&nbsp;&nbsp;&nbsp;&nbsp;&nbsp;".join(words))

    def show_worker(self, words: str, mood: str) -> None:
        """`mood` is a colour of the theme: `ok`, `running` or `error`."""
        self.worker.setText(words)
        self.lamp.show_color(self._theme[mood])
