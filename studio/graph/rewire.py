"""Changes of nodes that keep the wires around them whole: each gives the edit, and applies nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from studio.graph.edits import AnyEdit, Batch, RemoveNodes, SetLinks, SetNode
from studio.graph.flat import passed_on, spec_of
from studio.graph.graph import Graph, NodeId, Socket
from studio.graph.spec import Catalog, Input, NodeSpec
from studio.graph.types import SocketType, refusal


def heal(graph: Graph, catalog: Catalog, nodes: Collection[NodeId]) -> AnyEdit:
    """Remove nodes; what they fed is fed by what a bypassed node would have handed on, as far as that is there."""
    return Batch((RemoveNodes(tuple(nodes)), SetLinks(_around(graph, catalog, set(nodes)))), "Delete and heal")


def extract(graph: Graph, catalog: Catalog, nodes: Collection[NodeId]) -> AnyEdit:
    """Take nodes out of the wires that they lie in: the wires close behind them, links among the nodes stay."""
    out = set(nodes)
    cut: dict[Socket, Socket | None] = {
        input: None for input, output in graph.links.items() if (input.node in out) != (output.node in out)
    }
    return Batch((SetLinks({**cut, **_around(graph, catalog, out)}),), "Extract")


def insert(graph: Graph, catalog: Catalog, node: NodeId, link: Socket) -> AnyEdit | None:
    """Put a node into the link that feeds `link`. None where no input and output of it that are free fit there."""
    output = graph.links.get(link)
    if output is None or node in (link.node, output.node):
        return None
    spec = spec_of(graph, graph.nodes[node], catalog)
    source, target = (spec_of(graph, graph.nodes[end.node], catalog) for end in (output, link))
    if spec is None or source is None or target is None:
        return None
    given, taken = source.outputs_by_name.get(output.name), target.inputs_by_name.get(link.name)
    if given is None or taken is None:
        return None
    into = _first_fit(given.type, [one for one in spec.inputs if Socket(node, one.name) not in graph.links])
    out = next((one.name for one in spec.outputs if _fits(one.type, taken.type, through=given.type)), None)
    if into is None or out is None:
        return None
    return SetLinks({Socket(node, into): output, link: Socket(node, out)})


def swap_type(graph: Graph, catalog: Catalog, node: NodeId, spec: NodeSpec) -> AnyEdit:
    """Make a node one of another type. Values and links go to what has the same name and fits, links else to what fits."""
    held = graph.nodes[node]
    old = spec_of(graph, held, catalog)
    kept = {
        name: value
        for name, value in held.parameters.items()
        if (new := spec.inputs_by_name.get(name)) is not None
        and new.control is not None
        and (old is None or (before := old.inputs_by_name.get(name)) is None or before.type == new.type)
    }
    links = {**_swapped_inputs(graph, catalog, node, spec), **_swapped_outputs(graph, catalog, node, spec)}
    changed = replace(held, type=spec.type, version=spec.version, parameters=kept, locked="")
    return Batch((SetLinks(links), SetNode(node, changed)), "Change type")


def swap_inputs(graph: Graph, first: Socket, second: Socket) -> AnyEdit:
    """What feeds the one input feeds the other, and the other way round."""
    return SetLinks({first: graph.links.get(second), second: graph.links.get(first)})


def _around(graph: Graph, catalog: Catalog, gone: set[NodeId]) -> dict[Socket, Socket | None]:
    """For every input outside that these nodes feed: what reaches it through them, or None."""
    fed: dict[NodeId, dict[str, Socket]] = {}
    for input, output in graph.links.items():
        if input.node in gone:
            fed.setdefault(input.node, {})[input.name] = output

    def real(output: Socket | None) -> Socket | None:
        seen: set[Socket] = set()
        while output is not None and output.node in gone and output not in seen:
            seen.add(output)
            spec = spec_of(graph, graph.nodes[output.node], catalog)
            declared = spec.outputs_by_name.get(output.name) if spec is not None else None
            output = (
                passed_on(spec, declared, fed.get(output.node, {}))
                if spec is not None and declared is not None
                else None
            )
        return output if output is None or output.node not in gone else None

    return {
        input: real(output) for input, output in graph.links.items() if output.node in gone and input.node not in gone
    }


def _swapped_inputs(graph: Graph, catalog: Catalog, node: NodeId, spec: NodeSpec) -> dict[Socket, Socket | None]:
    fed = {input.name: output for input, output in graph.links.items() if input.node == node}
    links: dict[Socket, Socket | None] = dict.fromkeys((Socket(node, name) for name in fed), None)
    taken: set[str] = set()
    for name in sorted(fed, key=lambda one: one not in spec.inputs_by_name):
        type = _output_type(graph, catalog, fed[name])
        free = [one for one in spec.inputs if one.name not in taken]
        same = [one for one in free if one.name == name]
        into = _first_fit(type, same) or _first_fit(type, [one for one in free if one.control is None])
        if into is not None:
            taken.add(into)
            links[Socket(node, into)] = fed[name]
    return links


def _swapped_outputs(graph: Graph, catalog: Catalog, node: NodeId, spec: NodeSpec) -> Mapping[Socket, Socket | None]:
    links: dict[Socket, Socket | None] = {}
    for input, output in graph.links.items():
        if output.node != node:
            continue
        target = spec_of(graph, graph.nodes[input.node], catalog)
        declared = target.inputs_by_name.get(input.name) if target is not None else None
        wanted = declared.type if declared is not None else None
        fitting = [one.name for one in spec.outputs if wanted is None or refusal(one.type, wanted) is None]
        name = output.name if output.name in fitting else next(iter(fitting), None)
        links[input] = Socket(node, name) if name is not None else None
    return links


def _output_type(graph: Graph, catalog: Catalog, output: Socket) -> SocketType | None:
    spec = spec_of(graph, graph.nodes[output.node], catalog)
    declared = spec.outputs_by_name.get(output.name) if spec is not None else None
    return declared.type if declared is not None else None


def _first_fit(type: SocketType | None, inputs: Collection[Input]) -> str | None:
    """The first input that takes the type, one without a control if there is such; of an unknown type, the first of all."""
    ordered = sorted(inputs, key=lambda one: one.control is not None)
    return next((one.name for one in ordered if type is None or refusal(type, one.type) is None), None)


def _fits(type: SocketType, taken: SocketType, *, through: SocketType) -> bool:
    """Whether an output fits an input; a generic one hands on what came in."""
    return refusal(through if type.variable else type, taken) is None
