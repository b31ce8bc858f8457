"""A graph as it runs: subgraphs unfolded, reroutes and bypassed nodes gone, muted nodes and all that needs them left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from studio.graph.errors import DocumentError
from studio.graph.graph import REROUTE, Graph, Mode, Node, NodeId, Socket, Subgraph, SubgraphId, Value, subgraph_of
from studio.graph.remembered import remembered_spec
from studio.graph.spec import Catalog, Input, NodeSpec, Output
from studio.graph.types import refusal

MOST_NODES: Final = 1_000_000
"""A flat graph larger than this is refused: nested subgraphs grow exponentially, and a file of a stranger may be made to."""


@dataclass(frozen=True, slots=True)
class FlatNode:
    """A node that runs: its type, its own parameters, and the outputs that feed its inputs."""

    type: str
    parameters: Mapping[str, Value]
    inputs: Mapping[str, Socket]
    locked: str = ""


@dataclass(frozen=True, slots=True)
class FlatGraph:
    """`nodes` by path (`upscale/sampler`). `without` are muted nodes, and those that cannot run because they need one."""

    nodes: Mapping[NodeId, FlatNode]
    without: frozenset[NodeId] = frozenset()


@dataclass(slots=True)
class Unfolded:
    """A graph with its subgraphs' insides in place of their instances: nodes by path, links between them, and what each takes part in."""

    nodes: dict[NodeId, Node] = field(default_factory=dict)
    links: dict[Socket, Socket] = field(default_factory=dict)
    muted: set[NodeId] = field(default_factory=set)
    bypassed: set[NodeId] = field(default_factory=set)


def flatten(graph: Graph, catalog: Catalog) -> FlatGraph:
    """The graph as it runs. Raises `DocumentError` for subgraphs that are missing, contain themselves, or unfold beyond `MOST_NODES`."""
    types = {node.type for node in graph.nodes.values()}
    whole = unfold(graph) if any(map(subgraph_of, types)) else _plain(graph)
    through = _passages(whole, catalog)
    feeds: dict[NodeId, dict[str, Socket]] = {}
    starved: set[NodeId] = set()
    for input, output in whole.links.items():
        node, name = input
        if node in through:
            continue
        source = _real_source(output, through) if output.node in through else output
        if source is None:
            continue
        if source.node in whole.muted:
            starved.add(node)
        fed = feeds.get(node)
        if fed is None:
            feeds[node] = {name: source}
        else:
            fed[name] = source
    without = _downstream(feeds, whole.muted | starved)
    nodes = {
        id: FlatNode(node.type, node.parameters, feeds.get(id, {}), node.locked)
        for id, node in whole.nodes.items()
        if id not in through and id not in without
    }
    return FlatGraph(nodes, frozenset(without))


def _plain(graph: Graph) -> Unfolded:
    muted = {id for id, node in graph.nodes.items() if node.mode is Mode.MUTED}
    bypassed = {id for id, node in graph.nodes.items() if node.mode is Mode.BYPASSED or node.type == REROUTE}
    return Unfolded(dict(graph.nodes), dict(graph.links), muted, bypassed)


def _refuse_explosion(graph: Graph) -> None:
    """Count what the subgraphs unfold into before doing it, each definition once."""
    sizes: dict[SubgraphId, int] = {}
    waiting = [(id, False) for id in graph.subgraphs]
    begun: set[SubgraphId] = set()
    while waiting:
        id, parts_known = waiting.pop()
        if parts_known:
            sizes[id] = _size(graph.subgraphs[id].graph, sizes)
        elif id not in begun and id in graph.subgraphs:
            begun.add(id)
            waiting.append((id, True))
            parts = {subgraph_of(node.type) for node in graph.subgraphs[id].graph.nodes.values()}
            waiting.extend((part, False) for part in parts if part is not None)
    if _size(graph, sizes) > MOST_NODES:
        raise DocumentError(f"The subgraphs unfold into more than {MOST_NODES} nodes.")


def _size(graph: Graph, sizes: Mapping[SubgraphId, int]) -> int:
    parts = (subgraph_of(node.type) for node in graph.nodes.values())
    return sum(1 if part is None else 1 + sizes.get(part, 0) for part in parts)


def unfold(graph: Graph) -> Unfolded:
    """Put the insides of subgraphs in the place of their instances. Raises `DocumentError` as `flatten` does."""
    _refuse_explosion(graph)
    done = Unfolded()
    waiting: deque[tuple[str, Graph, frozenset[SubgraphId], Mode]] = deque([("", graph, frozenset(), Mode.ACTIVE)])
    ports_in: dict[Socket, tuple[Socket, ...]] = {}
    ports_out: dict[Socket, Socket] = {}
    values: dict[Socket, Value] = {}
    while waiting:
        prefix, inside, above, mode = waiting.popleft()
        for id, node in inside.nodes.items():
            path = NodeId(prefix + id)
            own_mode = mode if mode is not Mode.ACTIVE else node.mode
            definition_id = subgraph_of(node.type)
            if definition_id is None:
                done.nodes[path] = node
                if own_mode is Mode.MUTED:
                    done.muted.add(path)
                if own_mode is Mode.BYPASSED or node.type == REROUTE:
                    done.bypassed.add(path)
                continue
            definition = _definition(graph, definition_id, above, path)
            for port in definition.inputs:
                inner = tuple(Socket(NodeId(f"{path}/{end.node}"), end.name) for end in port.inner)
                ports_in[Socket(path, port.name)] = inner
                if port.name in node.parameters:
                    values.update(dict.fromkeys(inner, node.parameters[port.name]))
            for port in definition.outputs:
                end = port.inner[0]
                ports_out[Socket(path, port.name)] = Socket(NodeId(f"{path}/{end.node}"), end.name)
            waiting.append((f"{path}/", definition.graph, above | {definition_id}, own_mode))
        for input, output in inside.links.items():
            done.links[Socket(NodeId(prefix + input.node), input.name)] = Socket(
                NodeId(prefix + output.node), output.name
            )
    _set_values(done, ports_in, values)
    _join_ports(done, ports_in, ports_out)
    return done


def _definition(graph: Graph, id: SubgraphId, above: frozenset[SubgraphId], path: NodeId) -> Subgraph:
    definition = graph.subgraphs.get(id)
    if definition is None:
        raise DocumentError(f"The subgraph '{id}' is not in this workflow.", where=path)
    if id in above:
        raise DocumentError(f"The subgraph '{definition.title or id}' contains itself.", where=path)
    return definition


def _set_values(done: Unfolded, ports_in: Mapping[Socket, tuple[Socket, ...]], values: Mapping[Socket, Value]) -> None:
    """Values of promoted controls, outermost last so that the outermost instance decides."""
    for socket, value in sorted(values.items(), key=lambda one: -one[0].node.count("/")):
        for end in _inner_ends(socket, ports_in):
            node = done.nodes.get(end.node)
            if node is not None:
                done.nodes[end.node] = Node(
                    type=node.type,
                    parameters={**node.parameters, end.name: value},
                    version=node.version,
                    title=node.title,
                    mode=node.mode,
                    locked=node.locked,
                    extra=node.extra,
                )


def _inner_ends(socket: Socket, ports_in: Mapping[Socket, tuple[Socket, ...]]) -> list[Socket]:
    ends, waiting = [], [socket]
    while waiting:
        one = waiting.pop()
        if one in ports_in:
            waiting.extend(ports_in[one])
        else:
            ends.append(one)
    return ends


def _join_ports(
    done: Unfolded, ports_in: Mapping[Socket, tuple[Socket, ...]], ports_out: Mapping[Socket, Socket]
) -> None:
    links: dict[Socket, Socket] = {}
    for input, output in done.links.items():
        while output in ports_out:
            output = ports_out[output]
        for end in _inner_ends(input, ports_in):
            if end not in done.links or end == input:
                links[end] = output
    done.links = links


def _passages(whole: Unfolded, catalog: Catalog) -> dict[NodeId, dict[str, Socket | None]]:
    """For each bypassed node: what each of its outputs passes on."""
    if not whole.bypassed:
        return {}
    fed: dict[NodeId, dict[str, Socket]] = {id: {} for id in whole.bypassed}
    for input, output in whole.links.items():
        if input.node in fed:
            fed[input.node][input.name] = output
    through: dict[NodeId, dict[str, Socket | None]] = {}
    for id in whole.bypassed:
        spec = catalog.get(whole.nodes[id].type) or remembered_spec(whole.nodes[id])
        outputs = spec.outputs if spec is not None else ()
        through[id] = {one.name: passed_on(spec, one, fed[id]) for one in outputs if spec is not None}
    return through


def passed_on(spec: NodeSpec, output: Output, fed: Mapping[str, Socket]) -> Socket | None:
    """What a bypassed node gives at an output: its first linked input whose type fits."""
    for input in spec.inputs:
        if input.name in fed and refusal(input.type, output.type) is None:
            return fed[input.name]
    return None


def _real_source(output: Socket, through: Mapping[NodeId, Mapping[str, Socket | None]]) -> Socket | None:
    at: Socket | None = output
    seen: set[Socket] = set()
    while at is not None and at.node in through:
        if at in seen:
            return None
        seen.add(at)
        at = through[at.node].get(at.name)
    return at


def _downstream(feeds: Mapping[NodeId, Mapping[str, Socket]], starts: set[NodeId]) -> set[NodeId]:
    if not starts:
        return set()
    users: dict[NodeId, list[NodeId]] = {}
    for id, inputs in feeds.items():
        for source in inputs.values():
            users.setdefault(source.node, []).append(id)
    reached, waiting = set(starts), list(starts)
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in reached:
                reached.add(user)
                waiting.append(user)
    return reached


def subgraph_spec(graph: Graph, type: str, catalog: Catalog) -> NodeSpec | None:
    """The spec of an instance of a subgraph, drawn from what its ports lead to. None where the definition is missing or contains itself."""
    chain: list[SubgraphId] = []
    return _spec(graph, type, catalog, chain)


def spec_of(graph: Graph, node: Node, catalog: Catalog) -> NodeSpec | None:
    """The spec of a node of `graph`, whether its type is in the catalog or a subgraph."""
    return catalog.get(node.type) or subgraph_spec(graph, node.type, catalog)


_DEEPEST: Final = 64


def _spec(graph: Graph, type: str, catalog: Catalog, above: list[SubgraphId]) -> NodeSpec | None:
    id = subgraph_of(type)
    if id is None:
        return catalog.get(type)
    definition = graph.subgraphs.get(id)
    if definition is None or id in above or len(above) > _DEEPEST:
        return None
    inputs, outputs = [], []
    for port in definition.inputs:
        for end in port.inner[:1]:
            node = definition.graph.nodes.get(end.node)
            inner = _spec(graph, node.type, catalog, [*above, id]) if node else None
            declared = inner.inputs_by_name.get(end.name) if inner else None
            if node is not None and declared is not None:
                default = node.parameters.get(end.name, declared.default)
                inputs.append(
                    Input(
                        port.name,
                        declared.type,
                        declared.doc,
                        declared.control,
                        default,
                        declared.optional,
                        declared.lazy,
                    )
                )
    for port in definition.outputs:
        for end in port.inner[:1]:
            node = definition.graph.nodes.get(end.node)
            inner = _spec(graph, node.type, catalog, [*above, id]) if node else None
            shown = inner.outputs_by_name.get(end.name) if inner else None
            if shown is not None:
                outputs.append(Output(port.name, shown.type, shown.doc))
    return NodeSpec(type, definition.title or id, definition.doc, tuple(inputs), tuple(outputs), package="")
