"""What changed between two graphs, as the edit that leads from one to the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from studio.graph.edits import AddNodes, AnyEdit, Batch, RemoveNodes, SetFrame, SetLinks, SetNode, SetNote, SetSubgraph
from studio.graph.graph import Graph, Socket

_K = TypeVar("_K", bound=str)
_V = TypeVar("_V")


def diff(before: Graph, after: Graph) -> Batch:
    """The edit that turns `before` into `after`: few parts, however large the graphs. Empty where they are equal.

    What a file said beyond the graph (`extra`) is no part of it: no edit changes that.
    """
    edits: list[AnyEdit] = []
    gone = tuple(id for id in before.nodes if id not in after.nodes)
    if gone:
        edits.append(RemoveNodes(gone))
    new = {id: node for id, node in after.nodes.items() if id not in before.nodes}
    if new:
        edits.append(AddNodes(new))
    edits.extend(
        SetNode(id, node) for id, node in _changed(before.nodes, after.nodes) if id not in new and node is not None
    )
    still = {
        input: output
        for input, output in before.links.items()
        if input.node in after.nodes and output.node in after.nodes
    }
    links: dict[Socket, Socket | None] = {
        input: output for input, output in after.links.items() if still.get(input) != output
    }
    links.update(dict.fromkeys(input for input in still if input not in after.links))
    if links:
        edits.append(SetLinks(links))
    edits.extend(SetFrame(id, frame) for id, frame in _changed(before.frames, after.frames))
    edits.extend(SetNote(id, note) for id, note in _changed(before.notes, after.notes))
    edits.extend(SetSubgraph(id, subgraph) for id, subgraph in _changed(before.subgraphs, after.subgraphs))
    return Batch(tuple(edits))


def _changed(before: Mapping[_K, _V], after: Mapping[_K, _V]) -> list[tuple[_K, _V | None]]:
    if before is after:
        return []
    changed: list[tuple[_K, _V | None]] = [
        (id, one) for id, one in after.items() if (held := before.get(id)) is not one and held != one
    ]
    changed.extend((id, None) for id in before if id not in after)
    return changed
