"""The inside of a subgraph as a graph like any other, so that it is shown and edited by the same code.

Beside the inner nodes it has two more: one whose outputs are the subgraph's inputs, and one whose inputs are its outputs. An edit of this
graph is led `outward`, to an edit of the document: links at these two nodes make, change and remove ports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from studio.graph.edits import (
    AddNodes,
    AnyEdit,
    Batch,
    InSubgraph,
    MoveNodes,
    RemoveNodes,
    ResetParameter,
    SetLinks,
    SetNode,
    SetParameter,
    SetSubgraph,
)
from studio.graph.errors import EditRefused
from studio.graph.flat import subgraph_spec
from studio.graph.graph import (
    Graph,
    Node,
    NodeId,
    Point,
    Port,
    Socket,
    Subgraph,
    SubgraphId,
    Value,
    subgraph_type,
    unused_name,
)
from studio.graph.spec import Catalog, Input, NodeSpec, Output
from studio.graph.types import ANY, variable

INPUTS: Final = "graph/Inputs"
"""The type of the node that stands for what comes in."""
OUTPUTS: Final = "graph/Outputs"
NEW: Final = "+"
"""The socket that becomes a port when it is linked."""
_ENDS: Final = (INPUTS, OUTPUTS)
_PLACES: Final = "ends"
"""Where `Subgraph.extra` keeps the places of the two nodes."""
_APART: Final = 320.0
_T: Final = variable("T")


@dataclass(frozen=True, slots=True)
class Inside:
    """A subgraph's inside. `graph` holds the document's subgraphs too, and `catalog` knows the two nodes at the ends."""

    graph: Graph
    catalog: Catalog


def inside(graph: Graph, id: SubgraphId, catalog: Catalog) -> Inside:
    """The inside of one of the graph's subgraphs. Raises EditRefused where there is no such."""
    definition = _definition(graph, id)
    ends = _ends(definition)
    places = _places(definition)
    nodes = {**definition.graph.nodes, **{ends[type]: Node(type, position=places[type]) for type in _ENDS}}
    links = dict(definition.graph.links)
    for port in definition.inputs:
        links.update(dict.fromkeys(port.inner, Socket(ends[INPUTS], port.name)))
    for port in definition.outputs:
        links[Socket(ends[OUTPUTS], port.name)] = port.inner[0]
    shown = replace(definition.graph, nodes=nodes, links=links, subgraphs=graph.subgraphs)
    specs = {**catalog.specs, **{spec.type: spec for spec in _end_specs(graph, id, definition, catalog)}}
    return Inside(shown, Catalog(specs, catalog.fingerprint))


def outward(graph: Graph, id: SubgraphId, edit: AnyEdit) -> AnyEdit:
    """The edit of the document that does to a subgraph what `edit` does to its inside. Raises `DocumentError` as that edit does."""
    definition = _definition(graph, id)
    ends = _ends(definition)
    edit = _spared(edit, set(ends.values()))
    if not _touches(edit, set(ends.values())):
        return _wrapped(id, edit)
    before = inside(graph, id, Catalog()).graph
    after, _ = edit.apply(before)
    changed = _collected(definition, ends, after)
    edits: list[AnyEdit] = [SetSubgraph(other, after.subgraphs.get(other)) for other in _changed(before, after)]
    edits.append(SetSubgraph(id, changed))
    edits += _cut(graph, id, definition, changed)
    return edits[0] if len(edits) == 1 else Batch(tuple(edits), edit.label if isinstance(edit, Batch) else "")


def is_end(node: Node) -> bool:
    """Whether a node stands for a subgraph's inputs or outputs, and so belongs to no graph by itself."""
    return node.type in _ENDS


def _definition(graph: Graph, id: SubgraphId) -> Subgraph:
    definition = graph.subgraphs.get(id)
    if definition is None:
        raise EditRefused("There is no such subgraph.", where=id)
    return definition


def _ends(definition: Subgraph) -> dict[str, NodeId]:
    """Ids of the two nodes, unlike all that are there."""
    found = {}
    for type, stem in ((INPUTS, "inputs"), (OUTPUTS, "outputs")):
        name = f":{stem}"
        while name in definition.graph.nodes:
            name += ":"
        found[type] = NodeId(name)
    return found


def _places(definition: Subgraph) -> dict[str, Point]:
    kept = definition.extra.get(_PLACES)
    xs = [node.position[0] for node in definition.graph.nodes.values()] or [0.0]
    ys = [node.position[1] for node in definition.graph.nodes.values()] or [0.0]
    usual = {INPUTS: (min(xs) - _APART, min(ys)), OUTPUTS: (max(xs) + _APART, min(ys))}
    return {type: _point(kept, type) or place for type, place in usual.items()}


def _point(kept: Value, type: str) -> Point | None:
    """A place as a file says it, None where it says none."""
    place = kept.get(type) if isinstance(kept, Mapping) else None
    if isinstance(place, list | tuple) and len(place) == 2 and all(isinstance(one, int | float) for one in place):
        return float(place[0]), float(place[1])
    return None


def _end_specs(graph: Graph, id: SubgraphId, definition: Subgraph, catalog: Catalog) -> tuple[NodeSpec, NodeSpec]:
    whole = subgraph_spec(graph, subgraph_type(id), catalog)
    types = {one.name: one.type for one in (whole.inputs if whole is not None else ())}
    given = {one.name: one.type for one in (whole.outputs if whole is not None else ())}
    into = [Output(port.name, types.get(port.name, ANY)) for port in definition.inputs]
    out = [Input(port.name, given.get(port.name, ANY), optional=True) for port in definition.outputs]
    new = "Link it to make another port."
    return (
        NodeSpec(INPUTS, "Inputs", "What comes into the subgraph.", outputs=(*into, Output(NEW, ANY, new))),
        NodeSpec(OUTPUTS, "Outputs", "What the subgraph gives.", inputs=(*out, Input(NEW, _T, new, optional=True))),
    )


def _spared(edit: AnyEdit, ends: set[NodeId]) -> AnyEdit:
    """The edit, without removing the two nodes at the ends."""
    match edit:
        case RemoveNodes(nodes) if ends & set(nodes):
            left = tuple(node for node in nodes if node not in ends)
            if not left:
                raise EditRefused(
                    "The inputs and outputs of a subgraph cannot be removed.",
                    where=nodes[0],
                    mend="Cut the wires of those that are not needed.",
                )
            return RemoveNodes(left)
        case Batch(edits, label):
            return Batch(tuple(_spared(one, ends) for one in edits), label)
        case _:
            return edit


def _touches(edit: AnyEdit, ends: set[NodeId]) -> bool:
    """Whether an edit concerns the nodes at the ends, or may: what is cut or removed may hang on them."""
    match edit:
        case Batch(edits):
            return any(_touches(one, ends) for one in edits)
        case AddNodes(links=links):
            return any(socket.node in ends for link in links.items() for socket in link)
        case MoveNodes(positions):
            return not ends.isdisjoint(positions)
        case SetParameter(node) | ResetParameter(node) | SetNode(node):
            return node in ends
        case SetLinks() | RemoveNodes():
            return True
        case _:
            return False


def _wrapped(id: SubgraphId, edit: AnyEdit) -> AnyEdit:
    match edit:
        case Batch(edits, label):
            return Batch(tuple(_wrapped(id, one) for one in edits), label)
        case SetSubgraph() | InSubgraph():
            return edit
        case _:
            return InSubgraph(id, edit)


def _collected(definition: Subgraph, ends: Mapping[str, NodeId], after: Graph) -> Subgraph:
    """The definition whose inside is `after`."""
    come, go = ends[INPUTS], ends[OUTPUTS]
    fed: dict[str, list[Socket]] = {}
    given: dict[str, Socket] = {}
    links: dict[Socket, Socket] = {}
    for input, output in after.links.items():
        if output.node == come and input.node == go:
            raise EditRefused("An input cannot be an output at once.", where=str(input), mend="Put a node between.")
        if output.node == come:
            fed.setdefault(output.name, []).append(input)
        elif input.node == go:
            given[input.name] = output
        else:
            links[input] = output
    inputs = [replace(port, inner=_in_order(port, fed[port.name])) for port in definition.inputs if port.name in fed]
    for input in fed.get(NEW, ()):
        inputs.append(Port(unused_name(input.name, {NEW, *(port.name for port in inputs)}), (input,)))
    outputs = [replace(port, inner=(given[port.name],)) for port in definition.outputs if port.name in given]
    if NEW in given:
        outputs.append(Port(unused_name(given[NEW].name, {NEW, *(port.name for port in outputs)}), (given[NEW],)))
    nodes = {id: node for id, node in after.nodes.items() if id not in (come, go)}
    places = {type: list(after.nodes[ends[type]].position) for type in _ENDS}
    extra = {**definition.extra, _PLACES: places} if places != _listed(_places(definition)) else definition.extra
    inner = replace(after, nodes=nodes, links=links, subgraphs={})
    return replace(definition, graph=inner, inputs=tuple(inputs), outputs=tuple(outputs), extra=extra)


def _listed(places: Mapping[str, Point]) -> dict[str, list[float]]:
    return {type: list(place) for type, place in places.items()}


def _in_order(port: Port, inner: list[Socket]) -> tuple[Socket, ...]:
    """What a port feeds: first what it fed before."""
    return tuple([end for end in port.inner if end in inner] + [end for end in inner if end not in port.inner])


def _changed(before: Graph, after: Graph) -> list[SubgraphId]:
    others = before.subgraphs.keys() | after.subgraphs.keys()
    return sorted(other for other in others if before.subgraphs.get(other) is not after.subgraphs.get(other))


def _cut(graph: Graph, id: SubgraphId, before: Subgraph, after: Subgraph) -> list[AnyEdit]:
    """Cuts the links at instances to ports that are no longer there."""
    gone_in = {port.name for port in before.inputs} - {port.name for port in after.inputs}
    gone_out = {port.name for port in before.outputs} - {port.name for port in after.outputs}
    if not gone_in and not gone_out:
        return []
    type = subgraph_type(id)

    def cut(held: Graph) -> SetLinks | None:
        loose = [
            input
            for input, output in held.links.items()
            if (held.nodes[input.node].type == type and input.name in gone_in)
            or (held.nodes[output.node].type == type and output.name in gone_out)
        ]
        return SetLinks(dict.fromkeys(loose)) if loose else None

    edits: list[AnyEdit] = []
    own = cut(graph)
    if own is not None:
        edits.append(own)
    for other, definition in graph.subgraphs.items():
        inner = cut(definition.graph) if other != id else None
        if inner is not None:
            edits.append(InSubgraph(other, inner))
    return edits
