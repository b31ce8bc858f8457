"""Copy and paste: a part of a graph as a text, so that it travels between windows, programs and people."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from studio.files.workflow_file import from_text
from studio.graph.codec import decode, encode
from studio.graph.edits import AddNodes, AnyEdit, Batch, SetFrame, SetNote, SetSubgraph
from studio.graph.errors import CodecError, WirelightError
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
    fresh_ids,
    subgraph_of,
    subgraph_type,
    unused_name,
)
from studio.graph.inside import is_end

_MARK: Final = "wirelight-clip"
_VERSION: Final = 1
_BESIDE: Final = 32.0


@dataclass(frozen=True, slots=True)
class Clip:
    """What was copied. `links` are all links into the nodes; those from nodes that were not copied are kept for `connected` pasting."""

    nodes: Mapping[NodeId, Node] = field(default_factory=dict)
    links: Mapping[Socket, Socket] = field(default_factory=dict)
    frames: Mapping[FrameId, Frame] = field(default_factory=dict)
    notes: Mapping[NoteId, Note] = field(default_factory=dict)
    subgraphs: Mapping[SubgraphId, Subgraph] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pasted:
    """The edit that pastes, and what will be new, to be selected."""

    edit: AnyEdit
    nodes: tuple[NodeId, ...]
    frames: tuple[FrameId, ...] = ()
    notes: tuple[NoteId, ...] = ()


def copy(
    graph: Graph, nodes: Collection[NodeId], frames: Collection[FrameId] = (), notes: Collection[NoteId] = ()
) -> str:
    """The nodes with the links into them, frames and notes, as a text. Ids that the graph lacks are left out, and so are the nodes that
    stand for a subgraph's inputs and outputs."""
    kept = {id: graph.nodes[id] for id in nodes if id in graph.nodes and not is_end(graph.nodes[id])}
    clip = Clip(
        kept,
        {input: output for input, output in graph.links.items() if input.node in kept},
        {id: graph.frames[id] for id in frames if id in graph.frames},
        {id: graph.notes[id] for id in notes if id in graph.notes},
        _definitions(graph, kept.values()),
    )
    return json.dumps({"format": _MARK, "version": _VERSION, **encode(clip)}, ensure_ascii=False)


def paste(text: str, graph: Graph, at: Point | None = None, *, connected: bool = False) -> Pasted:
    """What pasting the text would do: all under fresh ids, with the links among the nodes kept.

    `at` is where the upper left corner goes; without it everything lands a little beside where it was. With `connected`, links from
    nodes that were not copied are kept too, where such nodes are there. The text may also be a whole workflow. Raises `CodecError` for
    any other text.
    """
    clip = _read(text)
    if not (clip.nodes or clip.frames or clip.notes):
        raise CodecError("There is nothing to paste.", where="clipboard", mend="Copy nodes first.")
    subgraphs, types = _fresh_subgraphs(clip, graph)
    ids = fresh_ids(clip.nodes, graph.nodes.keys())
    dx, dy = _shift(clip, at)
    nodes = {
        ids[id]: replace(node, type=types.get(node.type, node.type), position=_moved(node.position, dx, dy))
        for id, node in clip.nodes.items()
    }
    links = {}
    for input, output in clip.links.items():
        if output.node in ids:
            links[Socket(ids[input.node], input.name)] = Socket(ids[output.node], output.name)
        elif connected and output.node in graph.nodes:
            links[Socket(ids[input.node], input.name)] = output
    frames = {
        FrameId(unused_name(id, graph.frames)): replace(frame, position=_moved(frame.position, dx, dy))
        for id, frame in clip.frames.items()
    }
    notes = {
        NoteId(unused_name(id, graph.notes)): replace(note, position=_moved(note.position, dx, dy))
        for id, note in clip.notes.items()
    }
    edits: list[AnyEdit] = [SetSubgraph(id, subgraph) for id, subgraph in subgraphs.items()]
    if nodes:
        edits.append(AddNodes(nodes, links))
    edits.extend(SetFrame(id, frame) for id, frame in frames.items())
    edits.extend(SetNote(id, note) for id, note in notes.items())
    edit = edits[0] if len(edits) == 1 else Batch(tuple(edits), "Paste")
    return Pasted(edit, tuple(nodes), tuple(frames), tuple(notes))


def _read(text: str) -> Clip:
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        raise CodecError("The clipboard holds no nodes.", where="clipboard", mend="Copy nodes first.")
    if plain.get("format") != _MARK:
        try:
            graph = from_text(text, "clipboard").workflow.graph
        except WirelightError as error:
            raise CodecError("The clipboard holds no nodes.", where="clipboard", mend="Copy nodes first.") from error
        return Clip(graph.nodes, graph.links, graph.frames, graph.notes, graph.subgraphs)
    if plain.get("version") != _VERSION:
        raise CodecError(
            "The nodes on the clipboard come from another version of Wirelight.",
            where="clipboard",
            mend="Save them as a workflow there, and open it here.",
        )
    clip = decode(Clip, {name: held for name, held in plain.items() if name not in ("format", "version")}, "clipboard")
    for input in clip.links:
        if input.node not in clip.nodes:
            raise CodecError(f"A link leads to '{input.node}', which is not among the nodes.", where="clipboard")
    return clip


def _definitions(graph: Graph, nodes: Collection[Node]) -> dict[SubgraphId, Subgraph]:
    """The subgraphs that the nodes are instances of, and those inside them."""
    found: dict[SubgraphId, Subgraph] = {}
    waiting = list(nodes)
    while waiting:
        id = subgraph_of(waiting.pop().type)
        definition = graph.subgraphs.get(id) if id is not None else None
        if id is not None and definition is not None and id not in found:
            found[id] = definition
            waiting.extend(definition.graph.nodes.values())
    return found


def _fresh_subgraphs(clip: Clip, graph: Graph) -> tuple[dict[SubgraphId, Subgraph], dict[str, str]]:
    """Definitions that the graph lacks, and the new type of instances whose definition's id means something else there."""
    renamed: dict[SubgraphId, SubgraphId] = {}
    taken = set(graph.subgraphs) | set(clip.subgraphs)
    for id, definition in clip.subgraphs.items():
        if id in graph.subgraphs and graph.subgraphs[id] != definition:
            renamed[id] = SubgraphId(unused_name(id, taken))
            taken.add(renamed[id])
    types = {subgraph_type(old): subgraph_type(new) for old, new in renamed.items()}
    fresh = {
        renamed.get(id, id): _retyped(definition, types)
        for id, definition in clip.subgraphs.items()
        if id in renamed or id not in graph.subgraphs
    }
    return fresh, types


def _retyped(definition: Subgraph, types: Mapping[str, str]) -> Subgraph:
    nodes = {id: replace(node, type=types.get(node.type, node.type)) for id, node in definition.graph.nodes.items()}
    return replace(definition, graph=replace(definition.graph, nodes=nodes)) if types else definition


def _shift(clip: Clip, at: Point | None) -> Point:
    if at is None:
        return _BESIDE, _BESIDE
    places = [one.position for held in (clip.nodes, clip.frames, clip.notes) for one in held.values()]
    return at[0] - min(x for x, _ in places), at[1] - min(y for _, y in places)


def _moved(place: Point, dx: float, dy: float) -> Point:
    return place[0] + dx, place[1] + dy
