"""The selected node: what it is, and all its values, those too that its face does not show."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QScrollArea, QToolButton, QVBoxLayout, QWidget

from studio.graph.edits import AnyEdit, SetParameter
from studio.graph.graph import Graph, NodeId, Value
from studio.graph.spec import ColorField, CurveField, FileField, Input, ModelField, Options, Seed, TextField, Toggle
from studio.window.canvas.layout import CONTROL, control_height, label
from studio.window.canvas.scene import CanvasScene
from studio.window.canvas.status import State
from studio.window.canvas.values import value_of
from studio.window.controls.curve_drawing import CurveDrawing
from studio.window.controls.editing import Editing, color_of, random_seed
from studio.window.controls.fields import AreaField, LineField, PressField
from studio.window.controls.plot_view import PlotView

_NOTHING = "Select a node to see its values.\n\nDouble-click the canvas, or press Tab, to add one."
_Field = LineField | AreaField | PressField | CurveDrawing


class Inspector(QScrollArea):
    """Follows the selection of the scene that is shown."""

    def __init__(self, editing: Editing, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setObjectName("side")
        self.viewport().setObjectName("side")
        self.setAccessibleName("Inspector")
        self._editing = editing
        self._scene: CanvasScene | None = None
        self._node: NodeId | None = None
        self._fields: dict[str, _Field] = {}
        self._plot: PlotView | None = None
        self._stop: Callable[[], None] = lambda: None
        self._build(None)

    def show_scene(self, scene: CanvasScene) -> None:
        """Follow another document."""
        self._stop()
        scene.selection_changed.connect(self._select)
        scene.status_changed.connect(self._show_status)
        end = scene.history.listen(self._follow)

        def stop() -> None:
            end()
            scene.selection_changed.disconnect(self._select)
            scene.status_changed.disconnect(self._show_status)

        self._stop = stop
        self._scene = scene
        self._select()

    def close_scene(self) -> None:
        """Follow nothing."""
        self._stop()
        self._stop = lambda: None
        self._scene = None
        self._build(None)

    def _select(self) -> None:
        chosen = self._scene.selected_nodes if self._scene is not None else ()
        if len(chosen) == 1:
            self._build(chosen[0])
        else:
            self._build(None, f"{len(chosen)} nodes are selected." if chosen else _NOTHING)

    def _show_status(self, node: str) -> None:
        """Errors come and go, and so do plots; the rest of a status is the node's own to show."""
        item = self._scene.nodes.get(NodeId(node)) if self._scene is not None else None
        if item is None or node != self._node:
            return
        if self._wrong != (item.status.what, item.status.mend):
            self._build(self._node)
        elif self._plot is not None:
            self._plot.show_numbers(item.status.preview)

    def _follow(self, graph: Graph, edit: AnyEdit) -> None:
        node = graph.nodes.get(self._node) if self._node is not None else None
        scene = self._scene
        if node is None or scene is None or self._node is None:
            return
        item = scene.nodes.get(self._node)
        if item is None or set(self._fields) != {
            one.name for one in item.spec.parameters if one.name not in item.linked
        }:
            self._build(self._node if item is not None else None)
            return
        for name, field in self._fields.items():
            declared = item.spec.inputs_by_name[name]
            value = value_of(node, declared)
            field.show_value(value)
            if isinstance(field, PressField) and isinstance(declared.control, ColorField):
                field.show_color(color_of(scene.theme, value))

    def _build(self, id: NodeId | None, words: str = _NOTHING) -> None:
        self._node = id
        self._fields = {}
        self._wrong = ("", "")
        self._plot = None
        page = QWidget()
        page.setObjectName("side")
        column = QVBoxLayout(page)
        column.setContentsMargins(16, 4, 16, 16)
        column.setSpacing(8)
        item = self._scene.nodes.get(id) if self._scene is not None and id is not None else None
        if item is None:
            column.addWidget(_quiet(words))
        else:
            title = QLabel(item.title)
            title.setObjectName("heading")
            column.addWidget(title)
            if item.spec.doc:
                column.addWidget(_quiet(item.spec.doc.partition("\n\n")[0]))
            self._wrong = (item.status.what, item.status.mend)
            if item.status.state is State.FAILED:
                wrong = QLabel(f"{item.status.what} {item.status.mend}".strip())
                wrong.setWordWrap(True)
                wrong.setStyleSheet(f"color: {self._scene.theme.hex('error')}" if self._scene is not None else "")
                column.addWidget(wrong)
            grid = QGridLayout()
            grid.setHorizontalSpacing(12)
            grid.setVerticalSpacing(4)
            grid.setColumnStretch(1, 1)
            for input in item.spec.parameters:
                self._add_row(grid, id, input, linked=input.name in item.linked)
            column.addLayout(grid)
            if self._scene is not None:
                self._plot = PlotView(self._scene.theme)
                self._plot.show_numbers(item.status.preview)
                column.addWidget(self._plot)
        column.addStretch(1)
        old = self.takeWidget()
        if old is not None:
            old.deleteLater()
        self.setWidget(page)

    def _add_row(self, grid: QGridLayout, id: NodeId | None, input: Input, *, linked: bool) -> None:
        assert self._scene is not None
        assert id is not None
        row = grid.rowCount()
        node = self._scene.graph.nodes[id]
        tall = control_height(input) > CONTROL
        name = QLabel(label(input.name))
        name.setObjectName("secondary")
        name.setToolTip(input.doc)
        grid.addWidget(name, row, 0, 1, 2 if tall else 1)
        if linked:
            grid.addWidget(_quiet("from its link"), row, 1)
            return
        field = self._field(id, input, value_of(node, input), tall=tall)
        name.setBuddy(field)
        self._fields[input.name] = field
        box = self._with_button(id, input, field)
        if tall:
            grid.addWidget(box, row + 1, 0, 1, 2)
        else:
            grid.addWidget(box, row, 1)

    def _field(self, id: NodeId, input: Input, value: Value, *, tall: bool) -> _Field:
        control = input.control
        if isinstance(control, TextField) and tall:
            area = AreaField(input, value)
            area.setFixedHeight(96)
            area.changed.connect(lambda value, more: self._apply(id, input, value, more=more))
            area.closed.connect(lambda kept: self._seal())
            return area
        if isinstance(control, CurveField) and self._scene is not None:
            curve = CurveDrawing(input, value, self._scene.theme)
            curve.setFixedHeight(176)
            curve.changed.connect(lambda value, more: self._apply(id, input, value, more=more))
            curve.settled.connect(self._seal)
            curve.closed.connect(lambda kept: self._seal())
            return curve
        if isinstance(control, (Options, ModelField, Toggle, ColorField)):
            press = PressField(input, value)
            press.clicked.connect(lambda: self._press(id, input, press))
            if isinstance(control, ColorField) and self._scene is not None:
                press.show_color(color_of(self._scene.theme, value))
            return press
        line = LineField(input, value)
        line.changed.connect(lambda value, more: self._apply(id, input, value, more=more))
        line.closed.connect(lambda kept: self._seal())
        return line

    def _with_button(self, id: NodeId, input: Input, field: _Field) -> QWidget:
        if not isinstance(input.control, (Seed, FileField)):
            return field
        button = QToolButton()
        if isinstance(input.control, Seed):
            button.setText("New")
            button.setToolTip("Another seed, by chance")
            button.clicked.connect(lambda: self._apply(id, input, random_seed(), more=False))
        else:
            button.setText("\u2026")
            button.setToolTip("Choose a file")
            button.setAccessibleName("Choose a file")
            button.clicked.connect(lambda: self._editing.pick_file(id, input, self._value(id, input)))
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(field, 1)
        row.addWidget(button)
        return box

    def _press(self, id: NodeId, input: Input, field: PressField) -> None:
        if self._scene is None or id not in self._scene.graph.nodes:
            return
        node = self._scene.graph.nodes[id]
        if isinstance(input.control, Toggle):
            self._apply(id, input, not value_of(node, input), more=False)
        elif isinstance(input.control, ColorField):
            self._editing.pick_color(id, input, value_of(node, input))
        else:
            corner = field.mapToGlobal(QPoint(0, field.height() + 2))
            self._editing.choose(id, node, input, corner, max(field.width(), 240))

    def _value(self, id: NodeId, input: Input) -> Value:
        node = self._scene.graph.nodes.get(id) if self._scene is not None else None
        return value_of(node, input) if node is not None else input.default

    def _apply(self, id: NodeId, input: Input, value: Value, *, more: bool) -> None:
        if self._scene is not None and id in self._scene.graph.nodes:
            self._editing.apply(SetParameter(id, input.name, value), merge=more)

    def _seal(self) -> None:
        if self._scene is not None:
            self._scene.history.seal()


def _quiet(words: str) -> QLabel:
    label = QLabel(words)
    label.setObjectName("secondary")
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
