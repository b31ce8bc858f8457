"""Which gesture a press begins."""

from __future__ import annotations

from PySide6.QtCore import Qt

from studio.graph.graph import Socket
from studio.graph.spec import Number
from studio.window.canvas.frame_item import CORNER, FrameItem, NoteItem
from studio.window.canvas.layout import Part
from studio.window.canvas.node_item import NodeItem
from studio.window.canvas.overview import OVERVIEW_BELOW
from studio.window.canvas.scene import Found
from studio.window.canvas.view import CanvasView
from studio.window.gestures.drag_number import DragNumber
from studio.window.gestures.drag_wire import DragWire
from studio.window.gestures.edit_value import AskError, EditValue
from studio.window.gestures.gesture import Gesture, Pointer
from studio.window.gestures.knife import Knife
from studio.window.gestures.move_things import MoveThings
from studio.window.gestures.pan import Pan
from studio.window.gestures.resize import Resize
from studio.window.gestures.rubber_band import RubberBand


class Gestures:
    """The gestures of one view. Made once; it enters itself there."""

    def __init__(self, view: CanvasView) -> None:
        self._view = view
        view.gestures = self

    def __call__(self, button: Qt.MouseButton, at: Pointer) -> Gesture | None:
        view = self._view
        if button == Qt.MouseButton.MiddleButton or (button == Qt.MouseButton.LeftButton and view.space):
            return Pan(view)
        if button == Qt.MouseButton.RightButton:
            return Knife(view) if at.control else Pan(view, menu=True)
        if button != Qt.MouseButton.LeftButton:
            return None
        if view.zoom < OVERVIEW_BELOW:
            found = view.canvas.under(at.scene)
            return MoveThings(view, found.item) if found is not None else RubberBand(view)
        return self._gesture_on(view.canvas.under(at.scene), at)

    def _gesture_on(self, found: Found | None, at: Pointer) -> Gesture:
        view = self._view
        if found is None:
            return RubberBand(view)
        item, hit = found.item, found.hit
        if not isinstance(item, NodeItem) or hit is None:
            return self._gesture_behind(item, at) if not isinstance(item, NodeItem) else MoveThings(view, item)
        if hit.part in (Part.INPUT, Part.OUTPUT):
            return DragWire(view, Socket(item.id, hit.name), is_output=hit.part is Part.OUTPUT)
        if hit.part is Part.ERROR:
            return AskError(view, item)
        declared = item.spec.inputs_by_name.get(hit.name)
        place = item.layout.control(hit.name)
        if hit.part is Part.CONTROL and declared is not None and place is not None:
            linked = hit.name in item.linked
            if linked or item.spec_missing:
                return MoveThings(view, item)
            if isinstance(declared.control, Number):
                return DragNumber(view, item, declared, place)
            return EditValue(view, item, declared)
        return MoveThings(view, item)

    def _gesture_behind(self, item: FrameItem | NoteItem, at: Pointer) -> Gesture:
        view = self._view
        local = at.scene - item.pos()
        width, height = item.size
        if item.selected and local.x() > width - CORNER and local.y() > height - CORNER:
            return Resize(view, item)
        if isinstance(item, FrameItem) and local.y() > 32 and not item.selected:
            return RubberBand(view)
        return MoveThings(view, item)
