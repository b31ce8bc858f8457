"""Places for nodes that come without any: a column a step, from what is made first to what is made last."""

from __future__ import annotations

from typing import Final

from studio.files.comfyui.source import SourceGraph

_COLUMN: Final = 340.0
_GAP: Final = 40.0
_HEAD: Final = 60.0
_ROW: Final = 26.0
_TEXT: Final = 120.0


def lay_out_columns(graph: SourceGraph) -> None:
    """Give every node of the graph a position, so that wires lead to the right and no node covers another."""
    feeds: dict[str, list[str]] = {id: [] for id in graph.nodes}
    waits = dict.fromkeys(graph.nodes, 0)
    for (target, _), (origin, _) in graph.links.items():
        if origin in feeds and target in waits:
            feeds[origin].append(target)
            waits[target] += 1
    column = dict.fromkeys(graph.nodes, 0)
    ready = [id for id, count in waits.items() if count == 0]
    while ready:
        id = ready.pop()
        for target in feeds[id]:
            column[target] = max(column[target], column[id] + 1)
            waits[target] -= 1
            if waits[target] == 0:
                ready.append(target)
    heights: dict[int, float] = {}
    for id, node in graph.nodes.items():
        at = column[id]
        y = heights.get(at, 0.0)
        node.position = (at * _COLUMN, y)
        texts = sum(isinstance(value, str) and len(value) > 40 for value in node.values.values())
        rows = len(node.inputs) + len(node.values) + len(node.outputs)
        heights[at] = y + _HEAD + rows * _ROW + texts * _TEXT + _GAP
