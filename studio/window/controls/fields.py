"""One widget a kind of control. Each shows a value and tells of a new one; none of them changes the document."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QIcon, QKeyEvent, QPixmap
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit, QPushButton, QWidget

from studio.graph.errors import Misuse
from studio.graph.graph import Value
from studio.graph.spec import Input, Number, Seed, TextField
from studio.window.canvas.values import fit_number, step_of, typed_number, value_text
from studio.window.theme import ui_font

_NUMBERS: Final = (Number, Seed)


class LineField(QLineEdit):
    """A number, a seed, a line of text or a path.

    `changed` tells a value, and whether more of the same typing may follow. `closed` comes at Return, Escape (False) and when the
    focus goes. What cannot be read as the parameter's value shows why, and changes nothing.
    """

    changed = Signal(object, bool)
    closed = Signal(bool)

    def __init__(self, input: Input, value: Value, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._input = input
        self._value = value
        self._number = isinstance(input.control, _NUMBERS)
        self._done = False
        self.setFont(ui_font())
        self.setAccessibleName(input.name.replace("_", " "))
        self.setAccessibleDescription(input.doc)
        if isinstance(input.control, TextField):
            self.setPlaceholderText(input.control.placeholder)
        self.show_value(value)
        self.textEdited.connect(self._edited)
        self.returnPressed.connect(self._return)

    def show_value(self, value: Value) -> None:
        """Show a value that came from elsewhere."""
        self._value = value
        text = value_text(self._input, value) if self._number else str(value if value is not None else "")
        if text != self.text() and not (self.hasFocus() and not self._number):
            self.setText(text)
        self._complain("")

    def commit(self) -> bool:
        """Tell the value that is typed. False where it cannot be read."""
        if not self._number:
            return True
        if self.text() == value_text(self._input, self._value):
            return True
        try:
            value = typed_number(self._input, self.text())
        except Misuse as error:
            self._complain(error.what)
            return False
        self._complain("")
        self._value = value
        self.changed.emit(value, False)
        return True

    def _edited(self, text: str) -> None:
        if self._number:
            self._complain("")
        else:
            self._value = text
            self.changed.emit(text, True)

    def _return(self) -> None:
        if self.commit():
            self.show_value(self._value)
            self._close(kept=True)

    def _close(self, *, kept: bool) -> None:
        if not self._done:
            self._done = True
            self.closed.emit(kept)
            self._done = False

    def _complain(self, why: str) -> None:
        if bool(self.property("wrong")) != bool(why):
            self.setProperty("wrong", bool(why))
            self.style().polish(self)
        self.setToolTip(why or self._input.doc)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        if event.key() == Qt.Key.Key_Escape:
            self.show_value(self._value)
            self._close(kept=False)
        elif self._number and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._step(1 if event.key() == Qt.Key.Key_Up else -1, event.modifiers())
        else:
            super().keyPressEvent(event)

    def _step(self, direction: int, held: Qt.KeyboardModifier) -> None:
        step = step_of(self._input)
        if held & Qt.KeyboardModifier.ShiftModifier:
            step *= 10
        now = self._value if isinstance(self._value, (int, float)) else 0
        self._value = fit_number(self._input, now + direction * step, snap=True)
        self.setText(value_text(self._input, self._value))
        self.selectAll()
        self.changed.emit(self._value, True)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusInEvent(event)
        self.selectAll()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusOutEvent(event)
        if event.reason() == Qt.FocusReason.PopupFocusReason:
            return
        if not self.commit():
            self.show_value(self._value)
        self._close(kept=True)


class AreaField(QPlainTextEdit):
    """Words of several lines. Each letter typed is told at once, so that nothing typed can be lost. Tab leaves it."""

    changed = Signal(object, bool)
    closed = Signal(bool)

    def __init__(self, input: Input, value: Value, parent: QWidget | None = None) -> None:
        super().__init__(str(value or ""), parent)
        self.setFont(ui_font())
        self.setTabChangesFocus(True)
        self.setAccessibleName(input.name.replace("_", " "))
        self.setAccessibleDescription(input.doc)
        if isinstance(input.control, TextField):
            self.setPlaceholderText(input.control.placeholder)
        self.document().setDocumentMargin(1)
        self.textChanged.connect(self._typed)
        self._showing = False

    def show_value(self, value: Value) -> None:
        """Show a value that came from elsewhere; the cursor stays where it is."""
        text = str(value or "")
        if text != self.toPlainText():
            self._showing = True
            at = self.textCursor().position()
            self.setPlainText(text)
            cursor = self.textCursor()
            cursor.setPosition(min(at, len(text)))
            self.setTextCursor(cursor)
            self._showing = False

    def _typed(self) -> None:
        if not self._showing:
            self.changed.emit(self.toPlainText(), True)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        held = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if event.key() == Qt.Key.Key_Escape or (held and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)):
            self.closed.emit(True)
            if held:
                event.ignore()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self.closed.emit(True)


class PressField(QPushButton):
    """A value that opens something to choose from: a choice, a model, a colour, a switch."""

    def __init__(self, input: Input, value: Value, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._input = input
        self.setObjectName("field")
        self.setFont(ui_font())
        self.setToolTip(input.doc)
        self.show_value(value)

    def show_value(self, value: Value) -> None:
        text = value_text(self._input, value)
        self.setText(text)
        self.setAccessibleName(f"{self._input.name.replace('_', ' ')}: {text}")

    def show_color(self, color: QColor) -> None:
        """A swatch before the text."""
        swatch = QPixmap(14, 14)
        swatch.fill(color)
        self.setIcon(QIcon(swatch))
