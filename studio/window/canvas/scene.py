"""The scene of one document. It follows the document's edits and holds no truth: everything here can be made anew from the graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt, Signal
from PySide6.QtGui import QTransform
from PySide6.QtWidgets import QGraphicsScene

from studio.graph.graph import Frame, FrameId, Graph, Node, NodeId, Note, NoteId, Socket, SubgraphId, subgraph_of
from studio.graph.history import Revisable
from studio.graph.spec import Catalog, NodeSpec
from studio.graph.types import Refusal
from studio.window.canvas.frame_item import FrameItem, NoteItem
from studio.window.canvas.landing import Landing
from studio.window.canvas.layout import Hit
from studio.window.canvas.node_item import NodeItem
from studio.window.canvas.overview import Overview
from studio.window.canvas.painter import NodePainter
from studio.window.canvas.placeholder import placeholder_spec
from studio.window.canvas.status import Status
from studio.window.canvas.wires import WireLayer
from studio.window.canvas.wiring import Wiring
from studio.window.theme import Theme

if TYPE_CHECKING:
    from studio.graph.edits import AnyEdit

Thing: TypeAlias = NodeItem | FrameItem | NoteItem
Key: TypeAlias = tuple[str, str]
"""What can be selected: its kind (`node`, `frame`, `note`) and its id."""
EXTENT: Final = 400_000.0
"""Half the side of the square in which nodes can be seen."""


@dataclass(frozen=True, slots=True)
class Found:
    """What lies under a point: an item, and for a node which part of it."""

    item: Thing
    hit: Hit | None = None


class CanvasScene(QGraphicsScene):
    """Nodes, wires, frames and notes of a history's graph."""

    selection_changed = Signal()
    content_changed = Signal()
    status_changed = Signal(str)
    """A node's id."""

    def __init__(self, history: Revisable, catalog: Catalog, theme: Theme, *, loading: bool = False) -> None:
        super().__init__(-EXTENT, -EXTENT, 2 * EXTENT, 2 * EXTENT)
        self.history = history
        self.catalog = catalog
        self.theme = theme
        self.loading = loading
        """The catalog has not come yet: an unknown node type means nothing."""
        self.painter = NodePainter(theme)
        self.nodes: dict[NodeId, NodeItem] = {}
        self.frames: dict[FrameId, FrameItem] = {}
        self.notes: dict[NoteId, NoteItem] = {}
        self.wires = WireLayer()
        self.overview = Overview()
        self.selected: set[Key] = set()
        self.wiring = Wiring(self.spec)
        self._specs: dict[str, NodeSpec | None] = {}
        self._statuses: dict[NodeId, Status] = {}
        self.addItem(self.wires)
        self._build()
        self._stop_listening: Callable[[], None] | None = history.listen(self._follow)

    @property
    def graph(self) -> Graph:
        return self.history.graph

    def close(self) -> None:
        """Stop following the document."""
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None

    # What the scene tells

    def under(self, point: QPointF) -> Found | None:
        """The topmost thing at a point of the scene, sockets before anything that lies under them."""
        best: Found | None = None
        order = Qt.SortOrder.DescendingOrder
        mode = Qt.ItemSelectionMode.IntersectsItemBoundingRect
        for item in self.items(point, mode, order, QTransform()):
            local = point - item.pos()
            if isinstance(item, NodeItem):
                hit = item.layout.hit(local.x(), local.y())
                if hit is not None:
                    return Found(item, hit)
            elif isinstance(item, (FrameItem, NoteItem)) and best is None:
                width, height = item.size
                if 0 <= local.x() < width and 0 <= local.y() < height:
                    best = Found(item)
        return best

    def spec(self, id: NodeId) -> NodeSpec | None:
        """The spec that a node is shown with: the catalog's, a subgraph's, or a placeholder's."""
        item = self.nodes.get(id)
        return item.spec if item is not None else None

    def socket_point(self, socket: Socket, *, is_output: bool) -> QPointF | None:
        item = self.nodes.get(socket.node)
        place = item.socket_at(socket.name, is_output=is_output) if item is not None else None
        return QPointF(*place) if place is not None else None

    def content(self) -> QRectF:
        """The smallest rectangle around everything, null where there is nothing."""
        bounds = self.overview.bounds()
        others: list[FrameItem | NoteItem] = [*self.frames.values(), *self.notes.values()]
        for item in others:
            bounds |= QRectF(item.pos(), _size(item))
        return bounds

    def bounds_of(self, keys: Iterable[Key]) -> QRectF:
        """The smallest rectangle around these things."""
        bounds = QRectF()
        for key in keys:
            item = self.thing(key)
            if item is not None:
                bounds |= QRectF(item.pos(), _size(item))
        return bounds

    def thing(self, key: Key) -> Thing | None:
        kind, id = key
        if kind == "node":
            return self.nodes.get(NodeId(id))
        if kind == "frame":
            return self.frames.get(FrameId(id))
        return self.notes.get(NoteId(id))

    def inside(self, area: QRectF) -> set[Key]:
        """Nodes and notes that touch an area, frames that lie in it whole."""
        mode = Qt.ItemSelectionMode.IntersectsItemBoundingRect
        found: set[Key] = set()
        for item in self.items(area, mode, Qt.SortOrder.AscendingOrder, QTransform()):
            if not isinstance(item, (NodeItem, FrameItem, NoteItem)):
                continue
            bounds = QRectF(item.pos(), _size(item))
            if area.contains(bounds) if isinstance(item, FrameItem) else area.intersects(bounds):
                found.add(key_of(item))
        return found

    # Selection

    @property
    def selected_nodes(self) -> tuple[NodeId, ...]:
        return tuple(map(NodeId, self._selected("node")))

    @property
    def selected_frames(self) -> tuple[FrameId, ...]:
        return tuple(map(FrameId, self._selected("frame")))

    @property
    def selected_notes(self) -> tuple[NoteId, ...]:
        return tuple(map(NoteId, self._selected("note")))

    def _selected(self, wanted: str) -> list[str]:
        return [id for kind, id in sorted(self.selected) if kind == wanted]

    def select(self, keys: Collection[Key]) -> None:
        """Exactly these are selected."""
        wanted = {key for key in keys if self.thing(key) is not None}
        if wanted == self.selected:
            return
        before, self.selected = self.selected, wanted
        for key in before ^ wanted:
            item = self.thing(key)
            if item is not None:
                item.set_selected(key in wanted)
        self.selection_changed.emit()

    # What the window tells the scene

    def show_catalog(self, catalog: Catalog) -> None:
        """Other node types are on offer now."""
        self.catalog = catalog
        self.loading = False
        self._specs.clear()
        for id in self.nodes:
            self._refresh_node(id)
            self._place_wires(id)
        self.content_changed.emit()

    def show_theme(self, theme: Theme) -> None:
        """Other colours: everything is made anew, what is selected stays so."""
        self.theme = theme
        self.painter = NodePainter(theme)
        kept = set(self.selected)
        self._build()
        self.select(kept)

    def show_status(self, id: NodeId, status: Status) -> None:
        """Where a node stands in a run. The node keeps it until told otherwise, even through a removal and its undo."""
        self._statuses[id] = status
        item = self.nodes.get(id)
        if item is not None and item.show_status(status):
            self._place_node(item)
            self._place_wires(id)
        self.status_changed.emit(id)

    def status(self, id: NodeId) -> Status:
        return self._statuses.get(id) or Status()

    def hold(self, socket: Socket | None, *, is_output: bool = False) -> None:
        """A wire is drawn from this socket: sockets that take it light up, all others dim. None: the wire is let go."""
        self.painter.landing = None if socket is None else Landing(self, socket, is_output)
        for item in self.nodes.values():
            item.update()

    def show_wire(self, input: Socket) -> None:
        """Show the wire into an input again, as the document has it."""
        self._place_wire(input)

    def refusal(self, output: Socket, input: Socket) -> Refusal | None:
        """Why two sockets may not join, None where they may."""
        from studio.graph.check import why_not  # not before the first frame

        return why_not(self.graph, self.catalog, output, input)

    # Following the document

    def _build(self) -> None:
        for item in (*self.nodes.values(), *self.frames.values(), *self.notes.values()):
            self.removeItem(item)
        self.nodes.clear()
        self.frames.clear()
        self.notes.clear()
        self.wires.clear()
        self.overview.clear()
        self.wiring.clear()
        self._specs.clear()
        self.selected = set()
        graph = self.graph
        for input, output in graph.links.items():
            self.wiring.link(input, output)
        for id, node in graph.nodes.items():
            self._add_node(id, node)
        for input in graph.links:
            self._place_wire(input)
        for frame_id, frame in graph.frames.items():
            self._show_frame(frame_id, frame)
        for note_id, note in graph.notes.items():
            self._show_note(note_id, note)

    def _follow(self, graph: Graph, edit: AnyEdit) -> None:
        """Show an edit. The graph is the one after all of it, so that what later parts took away is passed over."""
        before = set(self.selected)
        self._show(graph, edit)
        if self.selected != before:
            self.selection_changed.emit()
        self.content_changed.emit()

    def _show(self, graph: Graph, edit: AnyEdit) -> None:
        # Imported with the first edit: their classes take a while to make, and the first frame has none.
        from studio.graph import edits as kinds

        match edit:
            case kinds.MoveNodes(positions):
                for id in positions:
                    self._move_node(id)
            case kinds.SetParameter(id) | kinds.ResetParameter(id) | kinds.SetNode(id):
                self._refresh_node(id)
            case kinds.AddNodes(nodes, links):
                touched = set()
                for id in nodes:
                    if id in self.nodes:
                        self._refresh_node(id)
                    elif id in graph.nodes:
                        self._add_node(id, graph.nodes[id])
                        self._place_wires(id)
                        touched.add(id)
                touched |= self._sync_links(links, graph)
                self._show_links(touched)
            case kinds.RemoveNodes(ids):
                self._remove_nodes(ids, graph)
            case kinds.SetLinks(links):
                self._show_links(self._sync_links(links, graph))
            case kinds.SetFrame(frame_id):
                self._show_frame(frame_id, graph.frames.get(frame_id))
            case kinds.SetNote(note_id):
                self._show_note(note_id, graph.notes.get(note_id))
            case kinds.SetSubgraph(subgraph) | kinds.InSubgraph(subgraph):
                self._show_subgraph(subgraph)
            case kinds.Batch(edits):
                for one in edits:
                    self._show(graph, one)

    def _add_node(self, id: NodeId, node: Node) -> None:
        spec, missing = self._spec_for(id, node)
        item = NodeItem(id, node, spec, self.painter, self.wiring.type_of)
        item.spec_missing = missing
        status = self._statuses.get(id)
        if status is not None:
            item.show_status(status)
        fed = self.wiring.fed(id)
        if fed:
            item.show_links(frozenset(fed))
        self.nodes[id] = item
        self.addItem(item)
        self._place_node(item)

    def _remove_nodes(self, ids: Iterable[NodeId], graph: Graph) -> None:
        touched: set[NodeId] = set()
        for id in ids:
            if id in graph.nodes:
                touched |= self._sync_links(self.wiring.touching(id), graph)
                self._refresh_node(id)
                continue
            item = self.nodes.pop(id, None)
            if item is None:
                continue
            for input in self.wiring.touching(id):
                touched |= self._drop_link(input)
            self.selected.discard(("node", id))
            self.overview.remove_node(id)
            self.removeItem(item)
        self._show_links(touched)

    def _move_node(self, id: NodeId) -> None:
        item, node = self.nodes.get(id), self.graph.nodes.get(id)
        if item is not None and node is not None:
            item.node = node
            item.setPos(*node.position)
            self._place_node(item)
            self._place_wires(id)

    def _refresh_node(self, id: NodeId) -> None:
        item, node = self.nodes.get(id), self.graph.nodes.get(id)
        if item is None or node is None:
            return
        spec, missing = self._spec_for(id, node)
        color = item.band_color
        if item.show_node(node, spec, missing=missing):
            self._place_node(item)
            self._place_wires(id)
        elif item.band_color != color:
            self._place_node(item)

    def _place_node(self, item: NodeItem) -> None:
        x, y = item.node.position
        self.overview.put_node(item.id, x, y, item.layout.width, item.layout.height, item.band_color)

    def _spec_for(self, id: NodeId, node: Node) -> tuple[NodeSpec, bool]:
        if node.type not in self._specs:
            self._specs[node.type] = self.catalog.get(node.type) or self._subgraph_spec(node.type)
        spec = self._specs[node.type]
        if spec is not None:
            return spec, False
        used = set(self.wiring.used(id).values())
        return placeholder_spec(node, self.wiring.fed(id), used), not self.loading

    def _subgraph_spec(self, type: str) -> NodeSpec | None:
        if subgraph_of(type) is None:
            return None
        from studio.graph.flat import subgraph_spec  # not before the first frame, but for those who have subgraphs

        return subgraph_spec(self.graph, type, self.catalog)

    def _show_subgraph(self, subgraph: SubgraphId) -> None:
        """Its instances, and those of subgraphs around it, may have other sockets now."""
        self._specs.clear()
        for id, item in self.nodes.items():
            if subgraph_of(item.node.type) is not None:
                self._refresh_node(id)
                self._place_wires(id)

    def _sync_links(self, inputs: Iterable[Socket], graph: Graph) -> set[NodeId]:
        """Take over what feeds these inputs now. The nodes whose links changed."""
        touched: set[NodeId] = set()
        for input in inputs:
            output = graph.links.get(input)
            if self.wiring.source(input) != output:
                touched |= self._drop_link(input)
                if output is not None:
                    self.wiring.link(input, output)
                    touched |= {input.node, output.node}
                    self._place_wire(input)
        return touched

    def _drop_link(self, input: Socket) -> set[NodeId]:
        output = self.wiring.unlink(input)
        if output is None:
            return set()
        self.wires.update(self.wires.remove(input))
        self.overview.remove_wire(input)
        return {input.node, output.node}

    def _show_links(self, ids: Iterable[NodeId]) -> None:
        """Show which inputs are fed; where a generic node passes a type on, all that hangs on it changes its colour too."""
        waiting, seen = list(ids), set()
        while waiting:
            id = waiting.pop()
            item = self.nodes.get(id)
            if item is None or id in seen:
                continue
            seen.add(id)
            changed = item.show_links(frozenset(self.wiring.fed(id)))
            if item.spec_missing:
                self._refresh_node(id)
            generic = _is_generic(item.spec)
            if generic:
                waiting.extend(input.node for input in self.wiring.used(id))
                item.update()
            if changed or item.spec_missing or generic:
                self._place_node(item)
                self._place_wires(id)

    def _place_wires(self, id: NodeId) -> None:
        for input in self.wiring.touching(id):
            self._place_wire(input)

    def _place_wire(self, input: Socket) -> None:
        output = self.wiring.source(input)
        target, source = self.nodes.get(input.node), self.nodes.get(output.node) if output is not None else None
        if output is None or target is None or source is None:
            return
        end = target.socket_at(input.name, is_output=False) or _edge(target, right=False)
        start = source.socket_at(output.name, is_output=True) or _edge(source, right=True)
        old = self.wires.wires.get(input)
        if old is not None:
            self.wires.update(old.bounds)
        color = self.theme.socket(self.wiring.type_of(output.node, output.name, True)).color
        ends = (*start, *end)
        self.wires.put(input, ends, color)
        self.overview.put_wire(input, ends)
        self.wires.update(self.wires.wires[input].bounds)

    def _show_frame(self, id: FrameId, frame: Frame | None) -> None:
        item = self.frames.get(id)
        if frame is None:
            if item is not None:
                self.selected.discard(("frame", id))
                self.removeItem(self.frames.pop(id))
        elif item is not None:
            item.show_frame(frame)
        else:
            item = self.frames[id] = FrameItem(id, frame, self.theme)
            self.addItem(item)

    def _show_note(self, id: NoteId, note: Note | None) -> None:
        item = self.notes.get(id)
        if note is None:
            if item is not None:
                self.selected.discard(("note", id))
                self.removeItem(self.notes.pop(id))
        elif item is not None:
            item.show_note(note)
        else:
            item = self.notes[id] = NoteItem(id, note, self.theme)
            self.addItem(item)


def key_of(item: Thing) -> Key:
    """The name under which a thing is selected."""
    if isinstance(item, NodeItem):
        return "node", item.id
    return ("frame" if isinstance(item, FrameItem) else "note"), item.id


def _size(item: Thing) -> QSizeF:
    if isinstance(item, NodeItem):
        return QSizeF(item.layout.width, item.layout.height)
    return QSizeF(*item.size)


def _is_generic(spec: NodeSpec) -> bool:
    return any(one.type.variable for one in spec.outputs)


def _edge(item: NodeItem, *, right: bool) -> tuple[float, float]:
    """Where a wire ends whose socket the node does not have: on its band."""
    x, y = item.node.position
    return (x + item.layout.width if right else x), y + 15.0
