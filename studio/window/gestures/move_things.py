"""Move nodes, frames and notes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QPointF, Qt

from studio.graph.arrange import make_room
from studio.graph.edits import AnyEdit, Batch, MoveNodes, SetFrame, SetNote
from studio.graph.graph import FrameId, Graph, NodeId, NoteId, Point, Socket
from studio.graph.rewire import insert
from studio.window.canvas.scene import Key, Thing, key_of
from studio.window.gestures.gesture import Gesture, Pointer

if TYPE_CHECKING:
    from studio.window.canvas.view import CanvasView

STEP: Final = 8.0
"""Places are multiples of this, unless Alt is held."""


class MoveThings(Gesture):
    """From a press on a node, frame or note. What is selected moves along, and a frame carries the nodes that lie in it.

    The whole drag is one step of the history. A click selects; with Shift or Ctrl it adds, or takes away. A node without links that is
    let go over a wire goes between what the wire joins, and what stands in its way moves aside.
    """

    cursor = Qt.CursorShape.SizeAllCursor

    def __init__(self, view: CanvasView, thing: Thing) -> None:
        super().__init__(view)
        self._key: Key = key_of(thing)
        self._nodes: dict[NodeId, Point] = {}
        self._frames: dict[FrameId, Point] = {}
        self._notes: dict[NoteId, Point] = {}
        self._moved = False

    def begin(self, at: Pointer) -> None:
        selected = self.view.canvas.selected
        self._was_selected = self._key in selected
        if at.shift or at.control:
            if not self._was_selected:
                self.view.canvas.select({*selected, self._key})
        elif not self._was_selected:
            self.view.canvas.select({self._key})

    def move(self, at: Pointer) -> None:
        assert self.start is not None
        if not (self._nodes or self._frames or self._notes):
            self._gather()
            if not (self._nodes or self._frames or self._notes):
                return
            self.view.history.seal()
        away = at.scene - self.start.scene
        first = next(place for held in (self._nodes, self._frames, self._notes) for place in held.values())
        dx, dy = away.x(), away.y()
        if not at.alt:
            dx = round((first[0] + dx) / STEP) * STEP - first[0]
            dy = round((first[1] + dy) / STEP) * STEP - first[1]
        edit = self._edit(dx, dy)
        if self._moved or dx or dy:
            self._moved = True
            self.view.apply(edit, merge=True)
        between = self._between(at)
        self.view.say(f"Put into the wire to {between[1]}" if between is not None else "", at.view)

    def end(self, at: Pointer) -> None:
        self.move(at)
        self.view.history.seal()
        self.view.say("")
        between = self._between(at)
        if between is not None:
            self._insert(*between)

    def _between(self, at: Pointer) -> tuple[NodeId, Socket] | None:
        """The node in the hand and the wire under it, where it would fit in."""
        canvas = self.view.canvas
        if len(self._nodes) != 1 or self._frames or self._notes or at.alt:
            return None
        id = next(iter(self._nodes))
        if canvas.wiring.touching(id):
            return None
        item = canvas.nodes[id]
        middle = item.pos() + QPointF(item.layout.width / 2, item.layout.height / 2)
        wire = canvas.wires.at(at.scene, 16 / self.view.zoom) or canvas.wires.at(middle, item.layout.height / 2)
        if wire is None or insert(canvas.graph, canvas.catalog, id, wire) is None:
            return None
        return id, wire

    def _insert(self, id: NodeId, wire: Socket) -> None:
        canvas = self.view.canvas
        joined = insert(canvas.graph, canvas.catalog, id, wire)
        if joined is None:
            return
        aside = canvas.wiring.reachable((wire.node,), upstream=False) - {id}
        room = make_room(canvas.graph, id, wire.node, aside, canvas.nodes[id].layout.width)
        self.view.apply(Batch((joined, room), "Put into a wire"))
        self.view.history.seal()

    def click(self, at: Pointer) -> None:
        if (at.shift or at.control) and self._was_selected:
            self.view.canvas.select(self.view.canvas.selected - {self._key})
        elif not (at.shift or at.control):
            self.view.canvas.select({self._key})

    def cancel(self) -> None:
        self.view.say("")
        if self._moved:
            self.view.history.seal()
            self.view.history.undo()

    def _gather(self) -> None:
        graph, canvas = self.view.canvas.graph, self.view.canvas
        self._frames = {id: graph.frames[id].position for id in canvas.selected_frames if id in graph.frames}
        self._notes = {id: graph.notes[id].position for id in canvas.selected_notes if id in graph.notes}
        carried = {id for frame in self._frames for id in carried_by(graph, frame)} | set(canvas.selected_nodes)
        self._nodes = {
            id: graph.nodes[id].position for id in carried if id in graph.nodes and not graph.nodes[id].pinned
        }

    def _edit(self, dx: float, dy: float) -> AnyEdit:
        graph = self.view.canvas.graph
        edits: list[AnyEdit] = []
        if self._nodes:
            edits.append(MoveNodes({id: (x + dx, y + dy) for id, (x, y) in self._nodes.items()}))
        for id, (x, y) in self._frames.items():
            edits.append(SetFrame(id, replace(graph.frames[id], position=(x + dx, y + dy))))
        for note, (x, y) in self._notes.items():
            edits.append(SetNote(note, replace(graph.notes[note], position=(x + dx, y + dy))))
        return edits[0] if len(edits) == 1 else Batch(tuple(edits), "Move")


def carried_by(graph: Graph, frame: FrameId) -> list[NodeId]:
    """The nodes whose upper left corner lies in a frame."""
    held = graph.frames[frame]
    left, top = held.position
    width, height = held.size
    return [
        id
        for id, node in graph.nodes.items()
        if left <= node.position[0] < left + width and top <= node.position[1] < top + height
    ]
