"""Press on a value: a click edits it, a drag moves the node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from studio.graph.spec import Input
from studio.window.canvas.node_item import NodeItem
from studio.window.gestures.gesture import Pointer
from studio.window.gestures.move_things import MoveThings

if TYPE_CHECKING:
    from studio.window.canvas.view import CanvasView


class EditValue(MoveThings):
    """On the field of a parameter that is not changed by dragging."""

    cursor = Qt.CursorShape.ArrowCursor

    def __init__(self, view: CanvasView, item: NodeItem, input: Input) -> None:
        super().__init__(view, item)
        self._item = item
        self._input = input

    def click(self, at: Pointer) -> None:
        super().click(at)
        if not (at.shift or at.control):
            self.view.edit_value(self._item, self._input, at.scene)


class AskError(MoveThings):
    """On the text of an error: a click shows the whole of it."""

    def __init__(self, view: CanvasView, item: NodeItem) -> None:
        super().__init__(view, item)
        self._item = item

    def click(self, at: Pointer) -> None:
        super().click(at)
        self.view.error_asked.emit(self._item.id)
