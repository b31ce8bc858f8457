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
    for at, block in enumerate(blocks):
        count = _width(block)
        own, values = values[:count], values[count:]
        graph.nodes[str(at)] = make(str(at), {**block, "widgets_values": own} if len(own) == count else block)
    used = _links(graph, as_list(body.get("links")))
    definition = SourceSubgraph(id, title, graph)
    _ports(definition, blocks, used)
    given = [as_text(as_dict(one).get("name")) for one in as_list(instance.get("outputs"))]
    for port, name in zip(definition.outputs, given, strict=False):
        if name and all(name != other.name for other in definition.outputs):
            port.name = name
    return definition


def _width(block: Mapping[str, Any]) -> int:
    """How many of the instance's values belong to an inner node: as many as it had itself."""
    held = block.get("widgets_values")
    if isinstance(held, list):
        return len(held)
    read = read_values(facts_of(as_text(block.get("type"))), block)
    return len(read.named) + len(read.hidden)


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
