"""Size a frame or a note by its lower right corner."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from studio.graph.edits import AnyEdit, SetFrame, SetNote
from studio.graph.graph import Point
from studio.window.canvas.frame_item import FrameItem, NoteItem
from studio.window.gestures.gesture import Gesture, Pointer
from studio.window.gestures.move_things import STEP

if TYPE_CHECKING:
    from studio.window.canvas.view import CanvasView


class Resize(Gesture):
    """The whole drag is one step of the history."""

    cursor = Qt.CursorShape.SizeFDiagCursor

    def __init__(self, view: CanvasView, thing: FrameItem | NoteItem) -> None:
        super().__init__(view)
        self._thing = thing
        self._size: Point = thing.size
        self._resized = False

    def move(self, at: Pointer) -> None:
        assert self.start is not None
        away = at.scene - self.start.scene
        width = max(round((self._size[0] + away.x()) / STEP) * STEP, 80.0)
        height = max(round((self._size[1] + away.y()) / STEP) * STEP, 48.0)
        if not self._resized:
            self.view.history.seal()
            self._resized = True
        self.view.apply(self._edit((width, height)), merge=True)

    def end(self, at: Pointer) -> None:
        self.move(at)
        self.view.history.seal()

    def cancel(self) -> None:
        if self._resized:
            self.view.history.seal()
            self.view.history.undo()

    def _edit(self, size: Point) -> AnyEdit:
        graph, thing = self.view.canvas.graph, self._thing
        if isinstance(thing, FrameItem):
            return SetFrame(thing.id, replace(graph.frames[thing.id], size=size))
        return SetNote(thing.id, replace(graph.notes[thing.id], size=size))
