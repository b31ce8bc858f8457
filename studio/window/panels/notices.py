"""Quiet bars over the canvas: what was recovered, that the worker died, what went wrong with a file. Nothing moves to make room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

_MOST: Final = 4
_WIDEST: Final = 900
_MARGIN: Final = 8


class Notices(QWidget):
    """At the top of another widget, and as wide; at most a few at a time, the latest below.

    A notice of the same `topic` replaces the one before.
    """

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self._bars: list[_Bar] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        self.setAccessibleName("Notices")
        self.hide()
        over.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() == QEvent.Type.Resize and self._bars:
            self._lie_down()
        return False

    @property
    def texts(self) -> list[str]:
        """What stands there now."""
        return [bar.text for bar in self._bars]

    def tell(
        self,
        text: str,
        *,
        grave: bool = False,
        actions: Sequence[tuple[str, Callable[[], None]]] = (),
        topic: str = "",
        seconds: float = 0.0,
    ) -> None:
        """Show a sentence, with things to do about it. With `seconds` it goes by itself."""
        for bar in [one for one in self._bars if topic and one.topic == topic]:
            self._remove(bar)
        bar = _Bar(text, actions, topic, grave=grave)
        bar.closed = lambda: self._remove(bar)
        self._bars.append(bar)
        self._column.addWidget(bar)
        for extra in self._bars[:-_MOST]:
            self._remove(extra)
        if seconds:
            timer = QTimer(bar)
            timer.setSingleShot(True)
            timer.timeout.connect(lambda: self._remove(bar))
            timer.start(round(seconds * 1000))
        self._lie_down()
        self.show()
        self.raise_()

    def withdraw(self, topic: str) -> None:
        """A notice is no longer true."""
        for bar in [one for one in self._bars if one.topic == topic]:
            self._remove(bar)

    def _remove(self, bar: _Bar) -> None:
        if bar in self._bars:
            self._bars.remove(bar)
            self._column.removeWidget(bar)
            bar.hide()
            bar.deleteLater()
        self.setVisible(bool(self._bars))
        self._lie_down()

    def _lie_down(self) -> None:
        width = min(self._over.width() - 2 * _MARGIN, _WIDEST)
        self._column.activate()
        self.setGeometry((self._over.width() - width) // 2, _MARGIN, width, self._column.heightForWidth(width))


class _Bar(QFrame):
    def __init__(
        self, text: str, actions: Sequence[tuple[str, Callable[[], None]]], topic: str, *, grave: bool
    ) -> None:
        super().__init__()
        self.text = text
        self.topic = topic
        self.closed: Callable[[], None] = lambda: None
        self.setObjectName("bar")
        self.setProperty("grave", grave)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 4, 4, 4)
        words = QLabel(text)
        words.setWordWrap(True)
        words.setTextFormat(Qt.TextFormat.PlainText)
        words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row.addWidget(words, 1)
        for title, act in actions:
            button = QPushButton(title)
            button.clicked.connect(lambda _=False, act=act: (self.closed(), act()))
            row.addWidget(button)
        close = QToolButton()
        close.setText("\u2715")
        close.setAccessibleName("Close notice")
        close.clicked.connect(lambda: self.closed())
        row.addWidget(close)
