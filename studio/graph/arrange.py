"""Where nodes stand: lined up, spread evenly, or laid out in layers. Sizes are what the window shows nodes at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from statistics import median
from typing import Final

from studio.graph.edits import MoveNodes
from studio.graph.graph import Graph, NodeId, Point

Sizes = Mapping[NodeId, Point]
"""Width and height of each node, in scene units."""

GRID: Final = 8.0
_COLUMN_GAP: Final = 64.0
_ROW_GAP: Final = 32.0
_SWEEPS: Final = 8


class Edge(StrEnum):
    """What nodes are lined up by."""

    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"
    TOP = "top"
    MIDDLE = "middle"
    BOTTOM = "bottom"


_SHARES: Final = {
    Edge.LEFT: (0, 0.0), Edge.CENTER: (0, 0.5), Edge.RIGHT: (0, 1.0),
    Edge.TOP: (1, 0.0), Edge.MIDDLE: (1, 0.5), Edge.BOTTOM: (1, 1.0),
}  # fmt: skip


def align(graph: Graph, nodes: Collection[NodeId], sizes: Sizes, edge: Edge) -> MoveNodes:
    """Line nodes up at an edge of the rectangle around them, or at its middle."""
    free = movable(graph, nodes)
    axis, share = _SHARES[edge]
    low = min(graph.nodes[id].position[axis] for id in nodes)
    high = max(graph.nodes[id].position[axis] + sizes[id][axis] for id in nodes)
    line = low + share * (high - low)
    return MoveNodes({id: _placed(graph, id, axis, line - share * sizes[id][axis]) for id in free})


def distribute(graph: Graph, nodes: Collection[NodeId], sizes: Sizes, *, across: bool) -> MoveNodes:
    """Equal gaps between nodes, from the first to the last, which stay. `across`: from left to right, else from top to bottom."""
    axis = 0 if across else 1
    row = sorted(nodes, key=lambda one: (graph.nodes[one].position[axis] + sizes[one][axis] / 2, one))
    if len(row) < 3:
        return MoveNodes({})
    begin = graph.nodes[row[0]].position[axis]
    end = graph.nodes[row[-1]].position[axis] + sizes[row[-1]][axis]
    gap = (end - begin - sum(sizes[id][axis] for id in row)) / (len(row) - 1)
    places, at = {}, begin
    for id in row:
        places[id] = _placed(graph, id, axis, at)
        at += sizes[id][axis] + gap
    free = set(movable(graph, row[1:-1]))
    return MoveNodes({id: place for id, place in places.items() if id in free})


def tidy(graph: Graph, nodes: Collection[NodeId], sizes: Sizes) -> MoveNodes:
    """Lay nodes out in columns, each right of all that feed it, with few crossings; the upper left corner stays.

    Layers by the longest way from a source, order in a layer by the medians of the neighbours (Sugiyama, Tagawa and Toda 1981). Nodes
    without any link go below the rest.
    """
    chosen = set(movable(graph, nodes))
    if not chosen:
        return MoveNodes({})
    feeds = {id: set[NodeId]() for id in chosen}
    fed_by = {id: set[NodeId]() for id in chosen}
    for input, output in graph.links.items():
        if input.node in chosen and output.node in chosen:
            feeds[output.node].add(input.node)
            fed_by[input.node].add(output.node)
    linked = {id for id in chosen if feeds[id] or fed_by[id]}
    columns = _ordered(graph, _layers(graph, linked, feeds, fed_by), feeds, fed_by)
    left = min(graph.nodes[id].position[0] for id in chosen)
    top = min(graph.nodes[id].position[1] for id in chosen)
    places: dict[NodeId, Point] = {}
    x = left
    for column in columns:
        _stack(column, x, top, places, sizes, fed_by)
        x += max(sizes[id][0] for id in column) + _COLUMN_GAP
    shift = top - min((y for _, y in places.values()), default=top)
    places = {id: (px, py + shift) for id, (px, py) in places.items()}
    x, below = left, max((places[id][1] + sizes[id][1] + _COLUMN_GAP for id in places), default=top)
    for id in sorted(chosen - linked, key=lambda one: (graph.nodes[one].position, one)):
        places[id] = (x, below)
        x += sizes[id][0] + _ROW_GAP
    return MoveNodes({id: (_on_grid(px), _on_grid(py)) for id, (px, py) in places.items()})


def make_room(graph: Graph, node: NodeId, before: NodeId, aside: Collection[NodeId], width: float) -> MoveNodes:
    """Move `aside` to the right as far as a node of some width needs to stand clear of the one that it comes before."""
    missing = graph.nodes[node].position[0] + width + _COLUMN_GAP - graph.nodes[before].position[0]
    if missing <= 0:
        return MoveNodes({})
    shift = -(-missing // GRID) * GRID
    return MoveNodes({id: _placed(graph, id, 0, graph.nodes[id].position[0] + shift) for id in movable(graph, aside)})


def movable(graph: Graph, nodes: Iterable[NodeId]) -> list[NodeId]:
    """Those of the nodes that are there and not pinned."""
    return [id for id in nodes if id in graph.nodes and not graph.nodes[id].pinned]


def _layers(
    graph: Graph,
    nodes: Collection[NodeId],
    feeds: Mapping[NodeId, set[NodeId]],
    fed_by: Mapping[NodeId, set[NodeId]],
) -> list[list[NodeId]]:
    """Each node right of all that feed it; sources as near as they can stand to what they feed. A circle is cut where it lies leftmost."""
    waits = {id: len(fed_by[id]) for id in nodes}
    ready = sorted(id for id, count in waits.items() if not count)
    order: list[NodeId] = []
    layer: dict[NodeId, int] = {}
    left = set(nodes)
    while left:
        if not ready:
            ready = [min(left, key=lambda one: (graph.nodes[one].position, one))]
        id = ready.pop()
        if id not in left:
            continue
        left.discard(id)
        order.append(id)
        layer[id] = 1 + max((layer[one] for one in fed_by[id] if one in layer), default=-1)
        for other in feeds[id]:
            waits[other] -= 1
            if not waits[other] and other in left:
                ready.append(other)
    for id in reversed(order):
        if not fed_by[id] and feeds[id]:
            layer[id] = max(min(layer[one] for one in feeds[id]) - 1, 0)
    columns = defaultdict[int, list[NodeId]](list)
    for id in order:
        columns[layer[id]].append(id)
    return [columns[at] for at in sorted(columns)]


def _ordered(
    graph: Graph,
    columns: list[list[NodeId]],
    feeds: Mapping[NodeId, set[NodeId]],
    fed_by: Mapping[NodeId, set[NodeId]],
) -> list[list[NodeId]]:
    """The columns, each sorted by where the neighbours stand, beginning with how the artist had them."""
    columns = [sorted(column, key=lambda one: (graph.nodes[one].position[1], one)) for column in columns]
    rank = {id: float(at) for column in columns for at, id in enumerate(column)}
    for sweep in range(_SWEEPS):
        neighbours = fed_by if sweep % 2 == 0 else feeds
        for column in columns if sweep % 2 == 0 else reversed(columns):
            column.sort(key=lambda one: (median([rank[other] for other in neighbours[one]] or [rank[one]]), rank[one]))
            rank.update((id, float(at)) for at, id in enumerate(column))
    return columns


def _stack(
    column: list[NodeId],
    x: float,
    top: float,
    places: dict[NodeId, Point],
    sizes: Sizes,
    fed_by: Mapping[NodeId, set[NodeId]],
) -> None:
    """Place a column in its order, each node as near to the middle of what feeds it as those above allow."""
    at = -float("inf")
    for id in column:
        before = [places[one][1] + sizes[one][1] / 2 for one in fed_by[id] if one in places]
        wish = sum(before) / len(before) - sizes[id][1] / 2 if before else (top if at == -float("inf") else at)
        y = max(wish, at)
        places[id] = (x, y)
        at = y + sizes[id][1] + _ROW_GAP


def _placed(graph: Graph, id: NodeId, axis: int, value: float) -> Point:
    x, y = graph.nodes[id].position
    return (value, y) if axis == 0 else (x, value)


def _on_grid(value: float) -> float:
    return round(value / GRID) * GRID
