"""The Graph menu, and what gestures on the canvas ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QInputDialog, QMenu

from studio.app.actions import Command
from studio.app.search import Match, Search
from studio.graph.edits import AddNodes, AnyEdit, Batch, SetFrame, SetNode, SetNote, disconnect
from studio.graph.graph import (
    REROUTE,
    Frame,
    FrameId,
    Mode,
    Node,
    NodeId,
    Note,
    NoteId,
    Socket,
    fresh_id,
    unused_name,
)
from studio.graph.spec import Catalog, NodeSpec
from studio.graph.types import Refusal, SocketType, refusal
from studio.window.canvas.layout import REROUTE_SIZE
from studio.window.canvas.scene import Found, key_of
from studio.window.picker import Picker, Row

if TYPE_CHECKING:
    from studio.window.desk import Desk

_FRAME_ROOM = 24.0
_FRAME_HEAD = 40.0


class GraphCommands:
    """Nodes, frames and notes come, change and go."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._search: tuple[Catalog, Search] | None = None
        self._used: dict[str, int] = {}

    # Adding

    def add_node(self) -> None:
        view = self._desk.view
        at = view.viewport().mapFromGlobal(QCursor.pos())
        if not view.viewport().rect().contains(at):
            at = view.viewport().rect().center()
        self.search_at(view.mapToScene(at), view.viewport().mapToGlobal(at), None, is_output=False)

    def search_at(self, place: QPointF, screen: QPoint, socket: Socket | None, *, is_output: bool) -> None:
        """The search; for a wire in the hand only what it can join, and the choice is joined to it."""
        scene = self._desk.scene
        type = scene.wiring.type_of(socket.node, socket.name, is_output) if socket is not None else None
        given, taken = (type, None) if is_output else (None, type)
        hint = f"Add a node for {type}" if type is not None else "Add a node"
        self.search(hint, screen, lambda match: self._add(match, place, socket, is_output=is_output), given, taken)

    def search(
        self,
        hint: str,
        screen: QPoint,
        take: Callable[[Match], None],
        given: SocketType | None = None,
        taken: SocketType | None = None,
    ) -> None:
        """The search over node types: of those that take what is `given`, or give what is `taken`."""
        desk = self._desk
        search = self._searching(desk.window.catalog)

        def find(text: str) -> list[Row]:
            return [self._row(match) for match in search.find(text, wire_from=given, wire_to=taken, used=self._used)]

        picker = Picker(desk.theme, find, hint=hint, name=hint, parent=desk.window)
        picker.chosen.connect(take)
        picker.open_at(screen)

    def _searching(self, catalog: Catalog) -> Search:
        if self._search is None or self._search[0] is not catalog:
            self._search = (catalog, Search(catalog))
        return self._search[1]

    def _row(self, match: Match) -> Row:
        spec = match.spec
        theme = self._desk.theme
        type = spec.outputs[0].type if spec.outputs else spec.sockets[0].type if spec.sockets else None
        color = theme.socket(type).color if type is not None else theme["secondary"]
        return Row(spec.title, match, spec.category, spec.doc.partition("\n\n")[0], color)

    def _add(self, match: Match, place: QPointF, socket: Socket | None, *, is_output: bool) -> None:
        scene = self._desk.scene
        spec = match.spec
        id = fresh_id(spec.type, set(scene.graph.nodes))
        x, y = place.x(), place.y()
        links = {}
        if socket is not None and match.socket:
            other = Socket(id, match.socket)
            links = {other: socket} if is_output else {socket: other}
            if not is_output:
                x -= 240
            y -= 48
        node = Node(spec.type, position=(round(x / 8) * 8, round(y / 8) * 8), version=spec.version)
        if self._desk.view.apply(AddNodes({id: node}, links)):
            self._used[spec.type] = self._used.get(spec.type, 0) + 1
            scene.select({("node", id)})

    def add_frame(self) -> None:
        scene, view = self._desk.scene, self._desk.view
        around = scene.bounds_of(scene.selected)
        if around.isEmpty():
            middle = view.visible_area().center()
            around = QRectF(middle.x() - 200, middle.y() - 100, 400, 200)
        box = around.adjusted(-_FRAME_ROOM, -_FRAME_HEAD, _FRAME_ROOM, _FRAME_ROOM)
        id = FrameId(unused_name("frame", scene.graph.frames))
        frame = Frame("Frame", (round(box.x()), round(box.y())), (round(box.width()), round(box.height())))
        if view.apply(SetFrame(id, frame)):
            scene.select({("frame", id)})

    def add_note(self) -> None:
        scene, view = self._desk.scene, self._desk.view
        middle = view.visible_area().center()
        id = NoteId(unused_name("note", scene.graph.notes))
        if view.apply(SetNote(id, Note("", (round(middle.x() - 120), round(middle.y() - 60))))):
            scene.select({("note", id)})
            self.rename_thing("note", id)

    def split_wire(self, input: Socket, place: QPointF) -> None:
        """A bend in a wire."""
        scene = self._desk.scene
        source = scene.wiring.source(input)
        if source is None:
            return
        id = fresh_id(REROUTE, set(scene.graph.nodes))
        width, height = REROUTE_SIZE
        node = Node(REROUTE, position=(round(place.x() - width / 2), round(place.y() - height / 2)))
        self._desk.view.apply(AddNodes({id: node}, {Socket(id, "value"): source, input: Socket(id, "value")}))
        scene.select({("node", id)})

    def explain(self, refused: Refusal, output: Socket, input: Socket, screen: QPoint) -> None:
        """Why two sockets may not join, and the nodes that would go between."""
        menu = QMenu(self._desk.window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setAccessibleName("Refused link")
        reason = menu.addAction(refused.reason)
        reason.setEnabled(False)
        catalog = self._desk.scene.catalog
        specs = [spec for type in refused.converters[:5] if (spec := catalog.get(type)) is not None]
        if specs:
            menu.addSeparator()
        for spec in specs:
            menu.addAction(f"Put '{spec.title}' between").triggered.connect(
                lambda _=False, spec=spec: self.convert(spec, output, input)
            )
        menu.popup(screen)

    def convert(self, spec: NodeSpec, output: Socket, input: Socket) -> None:
        """Put a node between two sockets that do not fit."""
        scene = self._desk.scene
        start = scene.socket_point(output, is_output=True)
        end = scene.socket_point(input, is_output=False)
        given = scene.wiring.type_of(output.node, output.name, True)
        taken = scene.wiring.type_of(input.node, input.name, False)
        into = next((one.name for one in spec.inputs if _plain_fit(given, one.type)), None)
        out = next((one.name for one in spec.outputs if _plain_fit(one.type, taken)), None)
        if start is None or end is None or into is None or out is None:
            return
        id = fresh_id(spec.type, set(scene.graph.nodes))
        middle = (start + end) / 2
        node = Node(spec.type, position=(round(middle.x() - 108), round(middle.y() - 60)), version=spec.version)
        if self._desk.view.apply(AddNodes({id: node}, {Socket(id, into): output, input: Socket(id, out)})):
            scene.select({("node", id)})

    # Changing

    def rename(self) -> None:
        chosen = self._desk.scene.selected_nodes
        if chosen:
            self.rename_thing("node", chosen[0])

    def rename_thing(self, kind: str, id: str) -> None:
        """Ask for a name, or for a note its text; over the thing itself."""
        scene = self._desk.scene
        if kind == "note":
            self._write_note(NoteId(id))
            return
        node, frame = scene.graph.nodes.get(NodeId(id)), scene.graph.frames.get(FrameId(id))
        item = scene.thing((kind, id))
        if item is None or (node is None and frame is None):
            return
        spec = scene.spec(NodeId(id))
        now = (
            (node.title or (spec.title if spec else ""))
            if kind == "node" and node is not None
            else frame.title
            if frame
            else ""
        )
        dialog = QInputDialog(self._desk.window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Rename")
        dialog.setLabelText("Title:")
        dialog.setTextValue(now)

        def take(title: str) -> None:
            title = title.strip()
            current, held = scene.graph.nodes.get(NodeId(id)), scene.graph.frames.get(FrameId(id))
            if kind == "node" and current is not None:
                own = "" if spec is not None and title == spec.title else title
                self._desk.view.apply(SetNode(NodeId(id), replace(current, title=own)))
            elif held is not None:
                self._desk.view.apply(SetFrame(FrameId(id), replace(held, title=title)))

        dialog.textValueSelected.connect(take)
        dialog.open()

    def _write_note(self, id: NoteId) -> None:
        note = self._desk.scene.graph.notes.get(id)
        if note is not None:
            self._desk.editing.write_note(id, note)

    def bypass(self) -> None:
        self._toggle_mode(Mode.BYPASSED)

    def mute(self) -> None:
        self._toggle_mode(Mode.MUTED)

    def collapse(self) -> None:
        scene = self._desk.scene
        nodes = {id: scene.graph.nodes[id] for id in scene.selected_nodes}
        collapsed = not all(node.collapsed for node in nodes.values())
        self._apply_each({id: replace(node, collapsed=collapsed) for id, node in nodes.items()}, "Collapse")

    def _toggle_mode(self, mode: Mode) -> None:
        scene = self._desk.scene
        nodes = {id: scene.graph.nodes[id] for id in scene.selected_nodes}
        wanted = Mode.ACTIVE if all(node.mode is mode for node in nodes.values()) else mode
        self._apply_each({id: replace(node, mode=wanted) for id, node in nodes.items()}, str(mode))

    def _apply_each(self, nodes: dict[NodeId, Node], label: str) -> None:
        edits: list[AnyEdit] = [SetNode(id, node) for id, node in nodes.items()]
        if edits:
            self._desk.view.apply(edits[0] if len(edits) == 1 else Batch(tuple(edits), label))

    # The menu of the canvas

    def menu_at(self, place: QPointF, screen: QPoint, found: Found | None) -> None:
        """What can be done with the thing under the mouse, or with the empty canvas."""
        desk, scene, view = self._desk, self._desk.scene, self._desk.view
        menu = QMenu(desk.window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        wire = scene.wires.at(place, 8 / view.zoom) if found is None or found.hit is None else None
        if found is not None:
            if key_of(found.item) not in scene.selected:
                scene.select({key_of(found.item)})
            desk.commands.refresh()
            groups: tuple[tuple[Command, ...], ...] = (
                (Command.RUN_TO_HERE,),
                (Command.RENAME, Command.BYPASS, Command.MUTE, Command.COLLAPSE, Command.PIN),
                (Command.ENTER_SUBGRAPH, Command.MAKE_SUBGRAPH, Command.UNPACK_SUBGRAPH, Command.SEPARATE_SUBGRAPH),
                (Command.CHANGE_TYPE, Command.EXTRACT, Command.SWAP_INPUTS),
                (Command.CUT, Command.COPY, Command.DUPLICATE, Command.DELETE, Command.DELETE_AND_HEAL),
                (Command.ADD_FRAME, Command.FIT_SELECTION),
            )
        elif wire is not None:
            menu.addAction("Bend here").triggered.connect(lambda: self.split_wire(wire, place))
            menu.addAction("Cut this wire").triggered.connect(lambda: view.apply(disconnect(wire)))
            groups = ()
        else:
            menu.addAction("Add node\u2026").triggered.connect(
                lambda: self.search_at(place, screen, None, is_output=False)
            )
            groups = ((Command.PASTE,), (Command.ADD_FRAME, Command.ADD_NOTE), (Command.SELECT_ALL, Command.FIT_ALL))
        for group in groups:
            menu.addSeparator()
            for command in group:
                action = desk.commands[command]
                if action.isEnabled():
                    menu.addAction(action)
        menu.popup(screen)


def _plain_fit(output: SocketType, input: SocketType) -> bool:
    generic = any(one.variable or one.name == "Any" for one in (output, input))
    return not generic and refusal(output, input) is None
