"""A page of text beside the window: shortcuts, about, the whole of an error."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from studio.window.canvas.status import Status


def show_page(parent: QWidget, title: str, markdown: str) -> QDialog:
    """A text in Markdown, to be read. It blocks nothing."""
    dialog = _dialog(parent, title)
    text = QTextBrowser()
    text.setMarkdown(markdown)
    text.setOpenExternalLinks(False)
    text.setAccessibleName(title)
    _finish(dialog, text)
    return dialog


def show_error(parent: QWidget, node: str, status: Status) -> QDialog:
    """All that is known of a node's error: what, what to do, and where in its code."""
    dialog = _dialog(parent, f"{node} failed")
    what = QLabel(f"{status.what}\n\n{status.mend}".strip())
    what.setWordWrap(True)
    what.setTextFormat(Qt.TextFormat.PlainText)
    what.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    trace = QPlainTextEdit(status.trace)
    trace.setReadOnly(True)
    trace.setAccessibleName("Where in the code")
    trace.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    trace.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    trace.setVisible(bool(status.trace))
    copy = QPushButton("Copy all")
    copy.clicked.connect(
        lambda: QApplication.clipboard().setText(f"{node}: {status.what}\n{status.mend}\n\n{status.trace}".strip())
    )
    _finish(dialog, what, trace, extra=copy)
    if not status.trace:
        dialog.resize(480, 180)
    return dialog


def _dialog(parent: QWidget, title: str) -> QDialog:
    dialog = QDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(title)
    dialog.resize(640, 480)
    return dialog


def _finish(dialog: QDialog, *parts: QWidget, extra: QPushButton | None = None) -> None:
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    if extra is not None:
        buttons.addButton(extra, QDialogButtonBox.ButtonRole.ActionRole)
    buttons.rejected.connect(dialog.reject)
    column = QVBoxLayout(dialog)
    column.setContentsMargins(16, 16, 16, 16)
    column.setSpacing(12)
    for part in parts:
        column.addWidget(part)
    column.addWidget(buttons)
    dialog.show()
