"""Every change of a graph. An edit gives the changed graph and the edit that takes it back; nothing changes a graph any other way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias, TypeVar, Union

from studio.graph.codec import decode_union, encode
from studio.graph.errors import EditRefused, UnknownNode
from studio.graph.graph import (
    Frame,
    FrameId,
    Graph,
    Node,
    NodeId,
    Note,
    NoteId,
    Point,
    Socket,
    Subgraph,
    SubgraphId,
    Value,
    check_id,
)

_K = TypeVar("_K")
_V = TypeVar("_V")


class Edit(Protocol):
    """A change of a graph, as a value."""

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        """The changed graph, and the edit that takes it back. Raises `DocumentError` where the graph does not allow it."""

    def merge(self, earlier: AnyEdit) -> AnyEdit | None:
        """One edit for `earlier` and then this one, where both belong to one drag; else None."""


class _Alone:
    """An edit that never merges with the one before it."""

    __slots__ = ()

    def merge(self, earlier: AnyEdit) -> AnyEdit | None:
        return None


@dataclass(frozen=True, slots=True)
class AddNodes(_Alone):
    """New nodes with the links between and around them."""

    nodes: Mapping[NodeId, Node]
    links: Mapping[Socket, Socket] = field(default_factory=dict)

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        for node in self.nodes:
            if node in graph.nodes:
                raise EditRefused(f"There is a node '{node}' already.", where=node)
            check_id(node)
        nodes = {**graph.nodes, **self.nodes}
        links = dict(self.links)
        _check_links(nodes, links)
        fed = {input: graph.links[input] for input in links if input in graph.links}
        back: AnyEdit = RemoveNodes(tuple(self.nodes))
        new = {
            input for input in links if input.node not in self.nodes and links[input].node not in self.nodes
        } | fed.keys()
        if new:
            back = Batch((back, SetLinks({input: fed.get(input) for input in new})))
        return replace(graph, nodes=nodes, links={**graph.links, **links} if links else graph.links), back


@dataclass(frozen=True, slots=True)
class RemoveNodes(_Alone):
    """Nodes go, and every link that touches them."""

    nodes: tuple[NodeId, ...]

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        gone = set(self.nodes)
        removed = {id: _node(graph, id) for id in self.nodes}
        cut = {input: output for input, output in graph.links.items() if input.node in gone or output.node in gone}
        nodes = {id: node for id, node in graph.nodes.items() if id not in gone}
        links = {input: output for input, output in graph.links.items() if input not in cut} if cut else graph.links
        return replace(graph, nodes=nodes, links=links), AddNodes(removed, cut)


@dataclass(frozen=True, slots=True)
class SetLinks(_Alone):
    """What feeds these inputs: an output, or None to cut the link."""

    links: Mapping[Socket, Socket | None]

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        made = {input: output for input, output in self.links.items() if output is not None}
        _check_links(graph.nodes, made)
        if not graph.links:
            return replace(graph, links=made), SetLinks(dict.fromkeys(self.links))
        before = {input: graph.links.get(input) for input in self.links}
        kept = {input: output for input, output in graph.links.items() if input not in self.links}
        return replace(graph, links={**kept, **made}), SetLinks(before)


@dataclass(frozen=True, slots=True)
class SetParameter:
    """A parameter takes a value."""

    node: NodeId
    name: str
    value: Value

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        node = _node(graph, self.node)
        back: AnyEdit = (
            SetParameter(self.node, self.name, node.parameters[self.name])
            if self.name in node.parameters
            else ResetParameter(self.node, self.name)
        )
        changed = replace(node, parameters={**node.parameters, self.name: self.value})
        return replace(graph, nodes={**graph.nodes, self.node: changed}), back

    def merge(self, earlier: AnyEdit) -> AnyEdit | None:
        same = isinstance(earlier, SetParameter) and (earlier.node, earlier.name) == (self.node, self.name)
        return self if same else None


@dataclass(frozen=True, slots=True)
class ResetParameter(_Alone):
    """A parameter goes back to its declared default."""

    node: NodeId
    name: str

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        node = _node(graph, self.node)
        if self.name not in node.parameters:
            return graph, self
        rest = {name: value for name, value in node.parameters.items() if name != self.name}
        changed = replace(node, parameters=rest)
        back = SetParameter(self.node, self.name, node.parameters[self.name])
        return replace(graph, nodes={**graph.nodes, self.node: changed}), back


@dataclass(frozen=True, slots=True)
class MoveNodes:
    """Nodes stand at these places."""

    positions: Mapping[NodeId, Point]

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        before = {id: _node(graph, id).position for id in self.positions}
        moved = {id: replace(graph.nodes[id], position=place) for id, place in self.positions.items()}
        return replace(graph, nodes={**graph.nodes, **moved}), MoveNodes(before)

    def merge(self, earlier: AnyEdit) -> AnyEdit | None:
        same = isinstance(earlier, MoveNodes) and earlier.positions.keys() == self.positions.keys()
        return self if same else None


@dataclass(frozen=True, slots=True)
class SetNode(_Alone):
    """A node becomes another value: title, colour, size, mode, lock or type. Its links stay."""

    id: NodeId
    node: Node

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        back = SetNode(self.id, _node(graph, self.id))
        return replace(graph, nodes={**graph.nodes, self.id: self.node}), back


@dataclass(frozen=True, slots=True)
class SetFrame(_Alone):
    """A frame appears, changes, or (None) goes."""

    id: FrameId
    frame: Frame | None

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        return replace(graph, frames=_with(graph.frames, self.id, self.frame)), SetFrame(
            self.id, graph.frames.get(self.id)
        )

    def merge(self, earlier: AnyEdit) -> AnyEdit | None:
        same = isinstance(earlier, SetFrame) and earlier.id == self.id and None not in (earlier.frame, self.frame)
        return self if same else None


@dataclass(frozen=True, slots=True)
class SetNote(_Alone):
    """A note appears, changes, or (None) goes."""

    id: NoteId
    note: Note | None

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        return replace(graph, notes=_with(graph.notes, self.id, self.note)), SetNote(self.id, graph.notes.get(self.id))

    def merge(self, earlier: AnyEdit) -> AnyEdit | None:
        same = isinstance(earlier, SetNote) and earlier.id == self.id and None not in (earlier.note, self.note)
        return self if same else None


@dataclass(frozen=True, slots=True)
class SetSubgraph:
    """A subgraph's definition appears, changes, or (None) goes."""

    id: SubgraphId
    subgraph: Subgraph | None

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        if self.subgraph is not None and self.subgraph.graph.subgraphs:
            raise EditRefused("A subgraph cannot hold definitions of its own.", where=self.id)
        before = graph.subgraphs.get(self.id)
        return replace(graph, subgraphs=_with(graph.subgraphs, self.id, self.subgraph)), SetSubgraph(self.id, before)

    def merge(self, earlier: AnyEdit) -> AnyEdit | None:
        same = (
            isinstance(earlier, SetSubgraph) and earlier.id == self.id and None not in (earlier.subgraph, self.subgraph)
        )
        return self if same else None


@dataclass(frozen=True, slots=True)
class InSubgraph:
    """An edit inside a subgraph's definition: every instance changes with it."""

    id: SubgraphId
    edit: AnyEdit

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        subgraph = graph.subgraphs.get(self.id)
        if subgraph is None:
            raise EditRefused("There is no such subgraph.", where=self.id)
        if isinstance(self.edit, (SetSubgraph, InSubgraph)):
            raise EditRefused("Subgraphs are defined in the outermost graph only.", where=self.id)
        inner, back = self.edit.apply(subgraph.graph)
        changed = replace(subgraph, graph=inner)
        return replace(graph, subgraphs={**graph.subgraphs, self.id: changed}), InSubgraph(self.id, back)

    def merge(self, earlier: AnyEdit) -> AnyEdit | None:
        if not isinstance(earlier, InSubgraph) or earlier.id != self.id:
            return None
        merged = self.edit.merge(earlier.edit)
        return InSubgraph(self.id, merged) if merged is not None else None


@dataclass(frozen=True, slots=True)
class Batch:
    """Several edits as one step of the history, all or none. Two of one drag merge part by part."""

    edits: tuple[AnyEdit, ...]
    label: str = ""

    def apply(self, graph: Graph) -> tuple[Graph, AnyEdit]:
        back: list[AnyEdit] = []
        for edit in self.edits:
            graph, undo = edit.apply(graph)
            back.append(undo)
        return graph, Batch(tuple(reversed(back)), self.label)

    def merge(self, earlier: AnyEdit) -> AnyEdit | None:
        if not isinstance(earlier, Batch) or len(earlier.edits) != len(self.edits) or earlier.label != self.label:
            return None
        merged = [now.merge(before) for now, before in zip(self.edits, earlier.edits, strict=True)]
        return None if None in merged else Batch(tuple(one for one in merged if one is not None), self.label)


AnyEdit: TypeAlias = Union[  # noqa: UP007 - the members refer to this name, so it has to be built at run time
    AddNodes, RemoveNodes, SetLinks, SetParameter, ResetParameter, MoveNodes, SetNode, SetFrame, SetNote, SetSubgraph, InSubgraph, Batch
]  # fmt: skip


def connect(input: Socket, output: Socket) -> SetLinks:
    """Feed an input from an output, instead of what fed it before."""
    return SetLinks({input: output})


def disconnect(*inputs: Socket) -> SetLinks:
    """Cut the links into these inputs."""
    return SetLinks(dict.fromkeys(inputs))


def edit_to_plain(edit: AnyEdit) -> dict[str, Any]:
    """An edit as plain JSON data, for the journal and the seam."""
    plain: dict[str, Any] = encode(edit, AnyEdit)
    return plain


def edit_from_plain(plain: object) -> AnyEdit:
    """The edit that `edit_to_plain` wrote. Raises `CodecError`."""
    edit: AnyEdit = decode_union(AnyEdit, plain)
    return edit


def _node(graph: Graph, id: NodeId) -> Node:
    node = graph.nodes.get(id)
    if node is None:
        raise UnknownNode(id)
    return node


def _check_links(nodes: Mapping[NodeId, Node], links: Mapping[Socket, Socket]) -> None:
    for input, output in links.items():
        for end in (input, output):
            if end.node not in nodes:
                raise UnknownNode(end.node)
        if input.node == output.node:
            raise EditRefused("A node cannot feed itself.", where=str(input))


def _with(held: Mapping[_K, _V], key: _K, value: _V | None) -> Mapping[_K, _V]:
    rest = {name: one for name, one in held.items() if name != key}
    return rest if value is None else {**rest, key: value}
