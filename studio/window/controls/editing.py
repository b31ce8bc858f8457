"""Opens the one real editor over a value in a node, and takes what it tells to the document."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QColorDialog, QFileDialog, QWidget

from studio.graph.check import SEED_HIGH
from studio.graph.edits import AnyEdit, SetNote, SetParameter
from studio.graph.graph import Node, NodeId, Note, NoteId, Value
from studio.graph.spec import ColorField, CurveField, FileField, Input, ModelField, Options, Seed, TextField, Toggle
from studio.graph.types import TEXT
from studio.window.canvas.layout import CONTROL
from studio.window.canvas.node_item import NodeItem
from studio.window.canvas.values import value_of
from studio.window.canvas.view import CanvasView
from studio.window.controls.curve_drawing import EDITOR_SIZE, CurveDrawing
from studio.window.controls.fields import AreaField, LineField
from studio.window.picker import Picker, Row
from studio.window.theme import Theme, ui_font

ModelNames: TypeAlias = Callable[[str], Sequence[Row]]
"""The models of a kind, as entries to choose from."""
_DICE_ROOM = 28.0
_FIELD_HEIGHT = 26


class Editing:
    """Values of one canvas. At most one editor is open at a time."""

    def __init__(self, view: CanvasView, models: ModelNames) -> None:
        self._view = view
        self._models = models
        self.editor: QWidget | None = None
        self._changed = False
        view.edit_value = self.open
        view.moved.connect(lambda: self.close())

    def open(self, item: NodeItem, input: Input, at: QPointF | None = None) -> None:
        """Edit a parameter of a node. Switches turn over at once."""
        self.close()
        value = value_of(item.node, input)
        control = input.control
        if isinstance(control, Toggle):
            self._set(item.id, input.name, not value)
        elif isinstance(control, Seed) and at is not None and self._on_dice(item, input, at):
            self._set(item.id, input.name, random_seed())
        elif isinstance(control, (Options, ModelField)):
            corner = self._view.viewport().mapToGlobal(self._place(item, input).bottomLeft())
            self.choose(item.id, item.node, input, corner, max(self._place(item, input).width(), 260))
        elif isinstance(control, ColorField):
            self.pick_color(item.id, input, value)
        elif isinstance(control, CurveField):
            self._open_curve(item, input, value)
        elif isinstance(control, FileField) and not value:
            self.pick_file(item.id, input, value)
        elif isinstance(control, TextField) and self._place(item, input).height() > CONTROL * self._view.zoom + 2:
            self._open_area(item, input, value)
        else:
            self._open_line(item, input, value)

    def close(self, *, kept: bool = True) -> None:
        """The editor goes. What is typed is taken, or with `kept` false given up."""
        editor, self.editor = self.editor, None
        if editor is not None:
            if isinstance(editor, LineField) and kept:
                editor.commit()
            self._view.history.seal()
            if self._changed and not kept:
                self._view.history.undo()
            editor.hide()
            editor.deleteLater()
            if self._view.isVisible():
                self._view.setFocus()

    def apply(self, edit: AnyEdit, *, merge: bool = False) -> bool:
        """Change the document that is shown."""
        return self._view.apply(edit, merge=merge)

    def choose(self, node: NodeId, held: Node, input: Input, at: QPoint, width: int) -> None:
        """One of the choices, from a list."""
        picker = Picker(
            self._view.canvas.theme,
            self._finder(input),
            hint=f"Search {input.name.replace('_', ' ')}",
            name=input.name.replace("_", " "),
            width=width,
            parent=self._view,
        )
        now = value_of(held, input)
        picker.chosen.connect(lambda value: self._set(node, input.name, value))
        for at_row, row in enumerate(picker.rows.rows):
            if row.value == now:
                picker.list.setCurrentIndex(picker.rows.index(at_row))
        picker.open_at(at)

    def pick_color(self, node: NodeId, input: Input, value: Value) -> None:
        """A colour, seen in the node while it is chosen."""
        dialog = QColorDialog(QColor(str(value)), self._view)
        dialog.setOption(QColorDialog.ColorDialogOption.ShowAlphaChannel, on=len(str(value)) > 7)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.currentColorChanged.connect(
            lambda color: self._view.apply(SetParameter(node, input.name, _hex(color, value)), merge=True)
        )
        dialog.rejected.connect(lambda: self._view.apply(SetParameter(node, input.name, value), merge=True))
        dialog.finished.connect(lambda: self._view.history.seal())
        self._view.history.seal()
        dialog.open()

    def pick_file(self, node: NodeId, input: Input, value: Value) -> None:
        """A file or folder, in the system's own dialog."""
        assert isinstance(input.control, FileField)
        dialog = QFileDialog(self._view, f"Choose {input.name.replace('_', ' ')}", str(value or ""))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if input.control.kind == "folder":
            dialog.setFileMode(QFileDialog.FileMode.Directory)
        elif input.control.kind == "save":
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        else:
            dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        if input.control.patterns:
            dialog.setNameFilter(f"Fitting files ({' '.join(input.control.patterns)})")
        dialog.fileSelected.connect(lambda path: self._set(node, input.name, path))
        dialog.open()

    def write_note(self, id: NoteId, note: Note) -> None:
        """Edit a note where it lies."""
        self.close()
        editor = AreaField(Input("note", TEXT, control=TextField(lines=4)), note.text, self._view.viewport())
        area = QRectF(*note.position, *note.size)
        place = self._view.viewportTransform().mapRect(area).toAlignedRect()

        def edit(text: Value) -> AnyEdit:
            now = self._view.canvas.graph.notes.get(id, note)
            return SetNote(id, replace(now, text=str(text)))

        self._show(editor, place, edit)

    def _finder(self, input: Input) -> Callable[[str], Sequence[Row]]:
        control = input.control
        if isinstance(control, ModelField):
            rows: Sequence[Row] = self._models(control.kind)
        else:
            rows = [Row(one, one) for one in (control.choices if isinstance(control, Options) else ())]

        def find(text: str) -> Sequence[Row]:
            words = text.lower().split()
            fitting = [row for row in rows if all(word in row.title.lower() for word in words)]
            return sorted(fitting, key=lambda row: not row.title.lower().startswith(text.lower())) if text else fitting

        return find

    def _open_line(self, item: NodeItem, input: Input, value: Value) -> None:
        place = self._place(item, input)
        place.setHeight(max(place.height(), _FIELD_HEIGHT))
        place.setWidth(max(place.width(), 140))
        editor = LineField(input, value, self._view.viewport())
        editor.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._show(editor, place, lambda value: SetParameter(item.id, input.name, value))

    def _open_area(self, item: NodeItem, input: Input, value: Value) -> None:
        place = self._place(item, input)
        place.setHeight(max(place.height(), 84))
        place.setWidth(max(place.width(), 220))
        editor = AreaField(input, value, self._view.viewport())
        self._show(editor, place, lambda value: SetParameter(item.id, input.name, value))
        editor.moveCursor(editor.textCursor().MoveOperation.End)

    def _open_curve(self, item: NodeItem, input: Input, value: Value) -> None:
        """Larger than the field, and within the view."""
        view, place = self._view.viewport(), self._place(item, input)
        place.setSize(place.size().expandedTo(EDITOR_SIZE))
        place.moveRight(min(place.right(), view.width() - 4))
        place.moveBottom(min(place.bottom(), view.height() - 4))
        place.moveTopLeft(QPoint(max(place.left(), 4), max(place.top(), 4)))
        editor = CurveDrawing(input, value, self._view.canvas.theme, view)
        self._show(editor, place, lambda value: SetParameter(item.id, input.name, value))

    def _show(
        self, editor: LineField | AreaField | CurveDrawing, place: QRect, edit: Callable[[Value], AnyEdit]
    ) -> None:
        editor.setFont(ui_font(max(12, round(12 * self._view.zoom))))
        editor.setGeometry(place)
        self._changed = False

        def take(value: Value, more: bool) -> None:
            self._changed = self._view.apply(edit(value), merge=more) or self._changed

        editor.changed.connect(take)
        editor.closed.connect(lambda kept: self.close(kept=kept))
        self._view.history.seal()
        self.editor = editor
        editor.show()
        editor.setFocus()
        if isinstance(editor, LineField):
            editor.selectAll()

    def _set(self, node: NodeId, name: str, value: Value) -> None:
        self._view.history.seal()
        self._view.apply(SetParameter(node, name, value))

    def _place(self, item: NodeItem, input: Input) -> QRect:
        """A field's rectangle on the viewport."""
        field = item.layout.control(input.name)
        if field is None:
            return QRect(0, 0, 220, _FIELD_HEIGHT)
        area = QRectF(field.x, field.y, field.width, field.height).translated(item.pos())
        return self._view.viewportTransform().mapRect(area).toAlignedRect()

    def _on_dice(self, item: NodeItem, input: Input, at: QPointF) -> bool:
        field = item.layout.control(input.name)
        return field is not None and at.x() - item.pos().x() > field.x + field.width - _DICE_ROOM


def random_seed() -> int:
    """A seed that nobody has chosen: up to ten digits, so that it can be read and typed."""
    return min(int.from_bytes(os.urandom(8)) % 10**10, SEED_HIGH)


def _hex(color: QColor, like: Value) -> str:
    alpha = f"{color.alpha():02x}" if len(str(like)) > 7 else ""
    return color.name() + alpha


def color_of(theme: Theme, value: Value) -> QColor:
    """A colour for a swatch; the line's where the value is none."""
    color = QColor(str(value))
    return color if color.isValid() else theme["line"]
