"""A branch: a copy of a sampler that goes on from one of its steps in another way."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from studio.graph.arrange import GRID, Sizes
from studio.graph.edits import AddNodes, AnyEdit, Batch
from studio.graph.errors import EditRefused, UnknownNode
from studio.graph.flat import spec_of
from studio.graph.graph import Graph, Node, NodeId, Socket, Value, fresh_ids
from studio.graph.spec import Catalog

START: Final = "start"
"""Names that a node has which can be branched: the input that takes a trail, the step in it, and the output that gives its own."""
START_STEP: Final = "start_step"
TRAIL: Final = "trail"
_GAP: Final = 64.0
_USUAL: Final = (240.0, 400.0)


@dataclass(frozen=True, slots=True)
class Branched:
    """The edit, the new sampler, and all new nodes."""

    edit: AnyEdit
    sampler: NodeId
    nodes: tuple[NodeId, ...]


def branch(
    graph: Graph,
    catalog: Catalog,
    sampler: NodeId,
    step: int,
    changes: Mapping[Socket, Value] | None = None,
    *,
    also: Collection[NodeId] = (),
    sizes: Sizes | None = None,
) -> Branched:
    """A copy of a sampler that begins at a step of it, and of all that it feeds, below the original.

    `changes`: parameters that the branch has otherwise; of what feeds the sampler, these nodes and those between are copied too, and so
    are the nodes `also`; everything else feeds both. `sizes` as the window shows nodes. Raises EditRefused for a node that makes no
    steps, a step that cannot be one, or a change of a node that the branch does not have; UnknownNode.
    """
    changes = changes or {}
    for id in (sampler, *also, *(socket.node for socket in changes)):
        if id not in graph.nodes:
            raise UnknownNode(id)
    _refuse_others(graph, catalog, sampler, step)
    above, below = _reachable(graph, sampler, up=True), _reachable(graph, sampler, up=False)
    changed = {socket.node for socket in changes} | set(also)
    for id in sorted(changed - above - below - {sampler}):
        raise EditRefused(
            f"'{id}' neither feeds '{sampler}' nor is fed by it.",
            where=id,
            mend="Change what lies on the branch's way.",
        )
    between = {id for id in above if id in changed or changed & _reachable(graph, id, up=True)}
    copied = [id for id in graph.nodes if id == sampler or id in between or id in below]
    ids = fresh_ids(copied, graph.nodes.keys())
    down = _room(graph, copied, sizes)
    nodes = {ids[id]: _copy(graph.nodes[id], down) for id in copied}
    for socket, value in changes.items():
        node = nodes[ids[socket.node]]
        nodes[ids[socket.node]] = replace(node, parameters={**node.parameters, socket.name: value})
    new = ids[sampler]
    title = f"{_title(graph, catalog, sampler)} from step {step}"
    nodes[new] = replace(nodes[new], title=title, parameters={**nodes[new].parameters, START_STEP: step})
    links = {
        Socket(ids[input.node], input.name): Socket(ids.get(output.node, output.node), output.name)
        for input, output in graph.links.items()
        if input.node in ids and input != Socket(sampler, START_STEP)
    }
    links[Socket(new, START)] = Socket(sampler, TRAIL)
    return Branched(Batch((AddNodes(nodes, links),), f"Branch at step {step}"), new, tuple(nodes))


def samplers(graph: Graph, catalog: Catalog) -> list[NodeId]:
    """The nodes that can be branched."""
    return [id for id, node in graph.nodes.items() if _makes_steps(graph, catalog, node)]


def _makes_steps(graph: Graph, catalog: Catalog, node: Node) -> bool:
    spec = spec_of(graph, node, catalog)
    return spec is not None and TRAIL in spec.outputs_by_name and {START, START_STEP} <= spec.inputs_by_name.keys()


def _refuse_others(graph: Graph, catalog: Catalog, sampler: NodeId, step: int) -> None:
    if not _makes_steps(graph, catalog, graph.nodes[sampler]):
        raise EditRefused("This node makes no steps to branch from.", where=sampler, mend="Choose a sampler.")
    if step < 0:
        raise EditRefused(f"There is no step {step}.", where=sampler, mend="0 is the noise, 1 the first step.")


def _reachable(graph: Graph, start: NodeId, *, up: bool) -> set[NodeId]:
    """All that a node needs, or all that needs it, but for what goes on from its steps; not itself."""
    beside: dict[NodeId, set[NodeId]] = {}
    for input, output in graph.links.items():
        if not up and output == Socket(start, TRAIL):
            continue
        here, there = (input.node, output.node) if up else (output.node, input.node)
        beside.setdefault(here, set()).add(there)
    seen: set[NodeId] = set()
    waiting = [start]
    while waiting:
        for other in beside.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen - {start}


def _copy(node: Node, down: float) -> Node:
    return replace(node, position=(node.position[0], node.position[1] + down), locked="")


def _title(graph: Graph, catalog: Catalog, id: NodeId) -> str:
    spec = spec_of(graph, graph.nodes[id], catalog)
    return graph.nodes[id].title or (spec.title if spec is not None else id)


def _room(graph: Graph, copied: Collection[NodeId], sizes: Sizes | None) -> float:
    """How far down the copies have to stand to lie on nothing."""

    def box(id: NodeId) -> tuple[float, float, float, float]:
        x, y = graph.nodes[id].position
        width, height = (sizes or {}).get(id, _USUAL)
        return x, y, x + width, y + height

    boxes = [box(id) for id in copied]
    left, top, right = min(one[0] for one in boxes), min(one[1] for one in boxes), max(one[2] for one in boxes)
    below = max(bottom for x, _, end, bottom in map(box, graph.nodes) if x < right and end > left)
    return math.ceil((below + _GAP - top) / GRID) * GRID
