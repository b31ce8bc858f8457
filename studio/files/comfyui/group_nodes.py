"""Group nodes of 2023 and 2024, which subgraphs have replaced.

Their body lies in `extra.groupNodes`; each instance holds the values of all its inner nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from studio.files.comfyui.classes import facts_of
from studio.files.comfyui.plain import as_dict, as_list, as_text, whole
from studio.files.comfyui.source import SourceGraph, SourceNode, SourcePort, SourceSubgraph
from studio.files.comfyui.widgets import read_values

_Make: TypeAlias = Callable[[str, Mapping[str, Any]], SourceNode]


def group_node_definition(
    id: str, title: str, body: Mapping[str, Any], instance: Mapping[str, Any], make: _Make
) -> SourceSubgraph:
    """The definition of one instance, with the instance's values inside. `make` reads an inner node's block.

    Inner nodes have their place in the body as id. The sockets of an instance are those of the inner nodes in order that no inner link
    uses, named after the inner socket; where a name is taken, the inner node's title stands before it.
    """
    blocks = [as_dict(one) for one in as_list(body.get("nodes"))]
    graph = SourceGraph()
    values = as_list(instance.get("widgets_values"))
    links = as_list(body.get("links"))
    for at, block in enumerate(blocks):
        own, values = _own_values(at, block, links, values)
        graph.nodes[str(at)] = make(str(at), {**block, "widgets_values": own} if own is not None else block)
    used = _links(graph, links)
    definition = SourceSubgraph(id, title, graph)
    _ports(definition, blocks, used)
    given = [as_text(as_dict(one).get("name")) for one in as_list(instance.get("outputs"))]
    for port, name in zip(definition.outputs, given, strict=False):
        if name and all(name != other.name for other in definition.outputs):
            port.name = name
    return definition


def _own_values(
    at: int, block: Mapping[str, Any], links: list[Any], values: list[Any]
) -> tuple[list[Any] | None, list[Any]]:
    """The values of an inner node, from the beginning of those of the instance, and what is left of these.

    A widget that another inner node feeds has no value in the instance; it keeps its own. None where there are too few.
    """
    held = block.get("widgets_values")
    if not isinstance(held, list):
        return None, values
    inputs = as_list(block.get("inputs"))
    fed = {
        as_text(as_dict(inputs[slot]).get("name"))
        for one in links
        if isinstance(one, list) and len(one) > 3 and whole(one[2]) == at and whole(one[0]) >= 0
        if 0 <= (slot := whole(one[3])) < len(inputs)
    }
    order = read_values(facts_of(as_text(block.get("type"))), block).order
    names = [*order, *[""] * (len(held) - len(order))]
    given = iter(values)
    count = sum(name not in fed for name in names)
    if count > len(values):
        return None, values
    return [old if name in fed else next(given) for name, old in zip(names, held, strict=False)], values[count:]


def _links(graph: SourceGraph, links: list[Any]) -> set[tuple[str, int]]:
    """Add the inner links. Returns the outputs that they begin at."""
    used: set[tuple[str, int]] = set()
    for one in links:
        if not isinstance(one, list) or len(one) < 4:
            continue
        origin, target = str(whole(one[0])), str(whole(one[2]))
        slot, input = whole(one[1]), whole(one[3])
        if (
            origin in graph.nodes
            and target in graph.nodes
            and 0 <= input < len(graph.nodes[target].inputs)
            and slot >= 0
        ):
            graph.links[target, graph.nodes[target].inputs[input][0]] = (origin, slot)
            used.add((origin, slot))
    return used


def _ports(definition: SourceSubgraph, blocks: list[dict[str, Any]], used: set[tuple[str, int]]) -> None:
    graph = definition.graph
    inputs: set[str] = set()
    outputs: set[str] = set()
    for id, node in graph.nodes.items():
        title = as_text(blocks[int(id)].get("title")) or node.type
        for name, type in node.inputs:
            if (id, name) not in graph.links:
                definition.inputs.append(SourcePort(_free(name, title, inputs), type, [(id, name)]))
        for slot, (name, type) in enumerate(node.outputs):
            if (id, slot) not in used:
                definition.outputs.append(SourcePort(_free(name or type, title, outputs), type, origin=(id, slot)))


def _free(name: str, title: str, taken: set[str]) -> str:
    made, count = name, 1
    while made in taken:
        made = f"{title} {name}" if count == 1 else f"{title} {count} {name}"
        count += 1
    taken.add(made)
    return made
