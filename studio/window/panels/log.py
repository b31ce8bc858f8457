"""What the worker and the nodes wrote."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from PySide6.QtGui import QFont, QFontDatabase, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QApplication, QHBoxLayout, QPlainTextEdit, QToolButton, QVBoxLayout, QWidget

from studio.protocol.messages import Log
from studio.window.theme import Theme

MOST_LINES: Final = 5000


class LogPanel(QWidget):
    """Lines, latest last; it follows them while its end is in sight."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("side")
        self._theme = theme
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setMaximumBlockCount(MOST_LINES)
        self.text.setAccessibleName("Log")
        self.text.setPlaceholderText("Nothing was written yet.")
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPixelSize(12)
        font.setStyleHint(QFont.StyleHint.Monospace)
        self.text.setFont(font)
        clear = QToolButton()
        clear.setText("Clear")
        clear.clicked.connect(self.text.clear)
        copy = QToolButton()
        copy.setText("Copy all")
        copy.clicked.connect(self._copy)
        self.header = QWidget()
        row = QHBoxLayout(self.header)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(copy)
        row.addWidget(clear)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 4, 16, 8)
        column.addWidget(self.text)

    def show_theme(self, theme: Theme) -> None:
        self._theme = theme

    def add(self, lines: Iterable[Log]) -> None:
        """Lines of one frame."""
        bar = self.text.verticalScrollBar()
        follow = bar.value() >= bar.maximum() - 4
        cursor = QTextCursor(self.text.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.beginEditBlock()
        for line in lines:
            look = QTextCharFormat()
            token = {"ERROR": "error", "CRITICAL": "error", "WARNING": "accent", "DEBUG": "disabled"}.get(
                line.level, "text"
            )
            look.setForeground(self._theme[token])
            if not self.text.document().isEmpty():
                cursor.insertBlock()
            who = f"{line.node}: " if line.node else ""
            cursor.insertText(f"{who}{line.text}", look)
        cursor.endEditBlock()
        if follow:
            bar.setValue(bar.maximum())

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.text.toPlainText())
