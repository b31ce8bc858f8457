"""Random documents for property tests: values, nodes, graphs, workflows, and edits that fit a graph."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from studio.files.workflow_from_plain import (
    HEADER,
    LEFT_OUT,
    NODE_FIELDS,
    PORT_FIELDS,
    SUBGRAPH_FIELDS,
    WORKFLOW_FIELDS,
)
from studio.graph.edits import (
    AddNodes,
    AnyEdit,
    Batch,
    InSubgraph,
    MoveNodes,
    RemoveNodes,
    ResetParameter,
    SetFrame,
    SetLinks,
    SetNode,
    SetNote,
    SetParameter,
    SetSubgraph,
)
from studio.graph.graph import (
    REROUTE,
    Frame,
    FrameId,
    Graph,
    Mode,
    Node,
    NodeId,
    Note,
    NoteId,
    Port,
    Socket,
    Subgraph,
    SubgraphId,
    Value,
    subgraph_type,
)
from studio.graph.workflow import View, Workflow

_RESERVED = {
    *HEADER,
    LEFT_OUT,
    *NODE_FIELDS,
    *PORT_FIELDS,
    *SUBGRAPH_FIELDS,
    *WORKFLOW_FIELDS,
    "text",
    "center",
    "zoom",
}
_TYPES = ("image/Load", "image/Blur", "image/Save", "latent/Empty", "nobody/Knows this <one>", "", REROUTE)
_SOCKETS = ("image", "amount", "latent", "size.width", "two words", "é")

numbers = st.floats(allow_nan=False, allow_infinity=False)
coordinates = st.integers(-5000, 5000).map(float) | st.floats(-1e6, 1e6) | numbers
points = st.tuples(coordinates, coordinates)
words = st.text(max_size=12) | st.sampled_from(
    ["", "a {list} [of] things", 'a "quote" \\ and\nlines\ttoo', "\u2028", "\U0001d518nicode"]
)
ids = st.text("abz_-:é0129", min_size=1, max_size=5) | st.sampled_from(["blur", "blur_2", "blur_10", "sampler"])
names = st.sampled_from(_SOCKETS) | st.text(min_size=1, max_size=6)
frame_ids = ids.map(FrameId)
note_ids = ids.map(NoteId)


@cache
def values() -> st.SearchStrategy[Value]:
    """What a parameter may hold."""
    scalars = st.none() | st.booleans() | st.integers() | st.integers(2**62, 2**70) | numbers | words
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=3), max_leaves=8
    )


@cache
def extras() -> st.SearchStrategy[dict[str, Value]]:
    """Keys of a file that we do not know. Mostly none."""
    keys = st.text(min_size=1, max_size=5).filter(lambda name: name not in _RESERVED)
    return st.just({}) | st.just({}) | st.dictionaries(keys, values(), max_size=2)


def nodes(types: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Node]:
    """Any node, its type mostly unknown to every catalog."""
    return st.builds(
        Node,
        type=types if types is not None else st.sampled_from(_TYPES),
        parameters=st.dictionaries(names, values(), max_size=3),
        position=points,
        version=st.integers(1, 9),
        title=words,
        size=st.none() | points,
        color=st.sampled_from(["", "#102030"]),
        collapsed=st.booleans(),
        pinned=st.booleans(),
        mode=st.sampled_from(Mode),
        locked=st.sampled_from(["", "0f3a"]),
        extra=extras(),
    )


@cache
def frames() -> st.SearchStrategy[Frame]:
    return st.builds(Frame, words, points, points, st.sampled_from(["", "#102030"]), extras())


@cache
def notes() -> st.SearchStrategy[Note]:
    return st.builds(Note, words, points, points, st.sampled_from(["", "#102030"]), extras())


@st.composite
def subgraphs(draw: st.DrawFn) -> Subgraph:
    """A definition whose ports lead to sockets of its nodes."""
    graph = draw(graphs(nested=False))
    ports: tuple[list[Port], list[Port]] = ([], [])
    if graph.nodes:
        sockets = st.builds(Socket, st.sampled_from(sorted(graph.nodes)), names)
        for side, most in zip(ports, (3, 1), strict=True):
            for name in draw(st.lists(names, max_size=2, unique=True)):
                inner = draw(st.lists(sockets, min_size=1, max_size=most))
                side.append(Port(name, tuple(inner), draw(extras())))
    return Subgraph(draw(words), graph, tuple(ports[0]), tuple(ports[1]), draw(words), draw(extras()))


@st.composite
def graphs(draw: st.DrawFn, nested: bool = True, most: int = 6) -> Graph:
    """Any graph that edits can lead to: of up to `most` nodes, with links (circles too), frames, notes and, where `nested`, subgraphs."""
    definitions = draw(st.dictionaries(ids.map(SubgraphId), subgraphs(), max_size=2)) if nested else {}
    types = st.sampled_from([*_TYPES, *(subgraph_type(id) for id in definitions)])
    held = draw(st.dictionaries(ids.map(NodeId), nodes(types), max_size=most))
    return Graph(
        nodes=held,
        links=draw(links(held)),
        frames=draw(st.dictionaries(frame_ids, frames(), max_size=2)),
        notes=draw(st.dictionaries(note_ids, notes(), max_size=2)),
        subgraphs=definitions,
        extra=draw(extras()),
    )


def workflows() -> st.SearchStrategy[Workflow]:
    views = st.builds(View, points, st.floats(0.01, 100), extras())
    return st.builds(Workflow, graphs(), words, words, st.none() | views, extras())


@st.composite
def links(draw: st.DrawFn, held: dict[NodeId, Node], most: int = 6) -> dict[Socket, Socket]:
    """Links among these nodes, none from a node to itself."""
    if len(held) < 2:
        return {}
    sockets = st.builds(Socket, st.sampled_from(sorted(held)), names)
    drawn = draw(st.dictionaries(sockets, sockets, max_size=most))
    return {input: output for input, output in drawn.items() if input.node != output.node}


@st.composite
def edits(draw: st.DrawFn, graph: Graph, depth: int = 2) -> AnyEdit:
    """An edit that `graph` allows."""
    kinds: list[Any] = [_adding(graph), _frame_edits(graph), _note_edits(graph)]
    if graph.nodes:
        kinds += [_node_edits(graph)] * 3 + [_removing(graph)]
    if len(graph.nodes) > 1:
        kinds.append(_linking(graph))
    if depth == 2:
        kinds.append(st.builds(SetSubgraph, _either(graph.subgraphs, ids.map(SubgraphId)), st.none() | subgraphs()))
    if depth == 2 and graph.subgraphs:
        kinds.append(_within(graph))
    if depth:
        kinds.append(_batches(graph, depth - 1))
    edit: AnyEdit = draw(st.one_of(kinds))
    return edit


@st.composite
def edit_sequences(draw: st.DrawFn, graph: Graph, most: int = 12) -> list[AnyEdit]:
    """Edits of which each is allowed by the graph that those before it lead to."""
    made = []
    for _ in range(draw(st.integers(0, most))):
        edit = draw(edits(graph))
        graph, _ = edit.apply(graph)
        made.append(edit)
    return made


def _either(held: Collection[Any], fresh: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(sorted(held)) | fresh if held else fresh


@st.composite
def _adding(draw: st.DrawFn, graph: Graph) -> AnyEdit:
    new = draw(
        st.dictionaries(ids.map(NodeId).filter(lambda new: new not in graph.nodes), nodes(), min_size=1, max_size=3)
    )
    return AddNodes(new, draw(links({**graph.nodes, **new}, most=3)))


@st.composite
def _removing(draw: st.DrawFn, graph: Graph) -> AnyEdit:
    return RemoveNodes(tuple(draw(st.lists(st.sampled_from(sorted(graph.nodes)), min_size=1, max_size=4, unique=True))))


@st.composite
def _linking(draw: st.DrawFn, graph: Graph) -> AnyEdit:
    made = draw(links(dict(graph.nodes), most=3))
    cut = draw(st.lists(st.sampled_from(sorted(graph.links)), max_size=2)) if graph.links else []
    return SetLinks({**made, **dict.fromkeys(cut)})


@st.composite
def _node_edits(draw: st.DrawFn, graph: Graph) -> AnyEdit:
    id = draw(st.sampled_from(sorted(graph.nodes)))
    name = draw(_either(graph.nodes[id].parameters, names))
    kinds: list[st.SearchStrategy[Any]] = [
        st.sampled_from([SetParameter(id, name, draw(values())), ResetParameter(id, name)]),
        st.builds(MoveNodes, st.dictionaries(st.sampled_from(sorted(graph.nodes)), points, max_size=3)),
        st.builds(SetNode, st.just(id), nodes()),
        st.just(SetNode(id, replace(graph.nodes[id], mode=Mode.MUTED))),
    ]
    edit: AnyEdit = draw(st.one_of(kinds))
    return edit


def _frame_edits(graph: Graph) -> st.SearchStrategy[AnyEdit]:
    return st.builds(SetFrame, _either(graph.frames, frame_ids), st.none() | frames())


def _note_edits(graph: Graph) -> st.SearchStrategy[AnyEdit]:
    return st.builds(SetNote, _either(graph.notes, note_ids), st.none() | notes())


@st.composite
def _within(draw: st.DrawFn, graph: Graph) -> AnyEdit:
    id = draw(st.sampled_from(sorted(graph.subgraphs)))
    return InSubgraph(id, draw(edits(graph.subgraphs[id].graph, depth=0)))


@st.composite
def _batches(draw: st.DrawFn, graph: Graph, depth: int) -> AnyEdit:
    made = []
    for _ in range(draw(st.integers(0, 3))):
        edit = draw(edits(graph, depth))
        graph, _ = edit.apply(graph)
        made.append(edit)
    return Batch(tuple(made), draw(words))
