"""Change a number by dragging over its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from studio.graph.edits import SetParameter
from studio.graph.graph import Value
from studio.graph.spec import Input, Number
from studio.window.canvas.layout import Place
from studio.window.canvas.node_item import NodeItem
from studio.window.canvas.values import fit_number, step_of, value_of
from studio.window.gestures.gesture import Gesture, Pointer

if TYPE_CHECKING:
    from studio.window.canvas.view import CanvasView

_PIXELS_A_STEP = 4.0


class DragNumber(Gesture):
    """A slider follows the mouse; another number goes up and down by its steps, ten times as fast with Shift, slower with Alt.

    The whole drag is one step of the history. A click opens the editor.
    """

    cursor = Qt.CursorShape.SizeHorCursor

    def __init__(self, view: CanvasView, item: NodeItem, input: Input, place: Place) -> None:
        super().__init__(view)
        self._item = item
        self._input = input
        self._place = place
        self._changed = False

    def begin(self, at: Pointer) -> None:
        key = ("node", self._item.id)
        if key not in self.view.canvas.selected:
            self.view.canvas.select({key})
        value = value_of(self._item.node, self._input)
        self._first: Value = value if isinstance(value, (int, float)) else 0

    def move(self, at: Pointer) -> None:
        value = self._value(at)
        if not self._changed:
            self.view.history.seal()
            self._changed = True
        if value != value_of(self._item.node, self._input):
            self.view.apply(SetParameter(self._item.id, self._input.name, value), merge=True)

    def end(self, at: Pointer) -> None:
        self.move(at)
        self.view.history.seal()

    def click(self, at: Pointer) -> None:
        self.view.edit_value(self._item, self._input, at.scene)

    def cancel(self) -> None:
        if self._changed:
            self.view.history.seal()
            self.view.history.undo()

    def _value(self, at: Pointer) -> Value:
        assert self.start is not None
        control = self._input.control
        assert isinstance(control, Number)
        if control.slider and control.low is not None and control.high is not None:
            left = self._item.pos().x() + self._place.x
            share = min(max((at.scene.x() - left) / self._place.width, 0.0), 1.0)
            return fit_number(self._input, control.low + share * (control.high - control.low), snap=not at.alt)
        step = step_of(self._input)
        speed = 10.0 if at.shift else 0.1 if at.alt else 1.0
        away = at.view.x() - self.start.view.x()
        return fit_number(self._input, self._first + round(away / _PIXELS_A_STEP) * step * speed, snap=not at.alt)
