"""Nodes become a subgraph, and a subgraph's nodes come out again: each gives the edit, and applies nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from studio.graph.edits import AddNodes, AnyEdit, Batch, RemoveNodes, SetFrame, SetNode, SetNote, SetSubgraph
from studio.graph.errors import EditRefused
from studio.graph.graph import (
    FrameId,
    Graph,
    Node,
    NodeId,
    NoteId,
    Point,
    Port,
    Socket,
    Subgraph,
    SubgraphId,
    fresh_id,
    subgraph_of,
    subgraph_type,
    unused_name,
)


@dataclass(frozen=True, slots=True)
class Made:
    """The edit that makes a subgraph, its definition's id, and the node that stands for it."""

    edit: AnyEdit
    subgraph: SubgraphId
    instance: NodeId


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The edit that takes a subgraph apart, and the nodes that come out."""

    edit: AnyEdit
    nodes: tuple[NodeId, ...]


def make_subgraph(
    graph: Graph,
    nodes: Collection[NodeId],
    title: str,
    frames: Collection[FrameId] = (),
    notes: Collection[NoteId] = (),
) -> Made:
    """Put nodes into a subgraph of their own; a node stands for them where they were, with every link that went in or out.

    One port for each output outside that feeds them, however many of them it feeds, and one for each of their outputs that feeds
    something outside. Raises EditRefused where a wire leaves the nodes and comes back: the new node would wait for itself.
    """
    inside = {id: graph.nodes[id] for id in nodes if id in graph.nodes}
    if not inside:
        raise EditRefused("There are no nodes to put into a subgraph.", mend="Select some.")
    _refuse_detour(graph, inside)
    id = SubgraphId(unused_name(_words(title), graph.subgraphs))
    instance = fresh_id(title, graph.nodes.keys() - inside.keys())
    feeding: dict[Socket, list[Socket]] = {}
    taking: dict[Socket, list[Socket]] = {}
    links: dict[Socket, Socket] = {}
    for input, output in graph.links.items():
        if input.node in inside and output.node in inside:
            links[input] = output
        elif input.node in inside:
            feeding.setdefault(output, []).append(input)
        elif output.node in inside:
            taking.setdefault(output, []).append(input)
    inputs = _ports((inner[0].name, tuple(inner)) for inner in feeding.values())
    outputs = _ports((output.name, (output,)) for output in taking)
    inner = Graph(
        inside,
        links,
        {frame: graph.frames[frame] for frame in frames if frame in graph.frames},
        {note: graph.notes[note] for note in notes if note in graph.notes},
    )
    outer: dict[Socket, Socket] = {
        Socket(instance, port.name): output for port, output in zip(inputs, feeding, strict=True)
    }
    for port, output in zip(outputs, taking, strict=True):
        outer.update(dict.fromkeys(taking[output], Socket(instance, port.name)))
    edits: list[AnyEdit] = [
        SetSubgraph(id, Subgraph(title, inner, inputs, outputs)),
        RemoveNodes(tuple(inside)),
        AddNodes({instance: Node(subgraph_type(id), position=_middle(inside.values()))}, outer),
        *(SetFrame(frame, None) for frame in inner.frames),
        *(SetNote(note, None) for note in inner.notes),
    ]
    return Made(Batch(tuple(edits), "Make subgraph"), id, instance)


def unpack_subgraph(graph: Graph, instance: NodeId, whole: Graph | None = None) -> Unpacked:
    """Put an instance's nodes in its place, with its values and links. The definition goes with its last instance.

    `whole`: the document's graph, where `graph` is the inside of one of its subgraphs.
    """
    node, id, definition = _instance(graph, instance)
    ids: dict[NodeId, NodeId] = {}
    taken = set(graph.nodes) - {instance}
    for inner, held in definition.graph.nodes.items():
        ids[inner] = inner if inner not in taken else fresh_id(held.type, taken)
        taken.add(ids[inner])
    dx, dy = _away(_middle(definition.graph.nodes.values()), node.position)
    values = {
        end: node.parameters[port.name]
        for port in definition.inputs
        if port.name in node.parameters
        for end in port.inner
    }
    nodes = {
        ids[inner]: replace(
            held,
            position=(held.position[0] + dx, held.position[1] + dy),
            parameters={**held.parameters, **{end.name: value for end, value in values.items() if end.node == inner}},
        )
        for inner, held in definition.graph.nodes.items()
    }
    links = {
        Socket(ids[input.node], input.name): Socket(ids[output.node], output.name)
        for input, output in definition.graph.links.items()
    }
    for port in definition.inputs:
        output = graph.links.get(Socket(instance, port.name))
        if output is not None:
            links.update({Socket(ids[end.node], end.name): output for end in port.inner})
    shown = {port.name: port.inner[0] for port in definition.outputs}
    for input, output in graph.links.items():
        if output.node == instance and output.name in shown:
            end = shown[output.name]
            links[input] = Socket(ids[end.node], end.name)
    edits: list[AnyEdit] = [RemoveNodes((instance,)), AddNodes(nodes, links)]
    for name, frame in definition.graph.frames.items():
        place = (frame.position[0] + dx, frame.position[1] + dy)
        edits.append(SetFrame(FrameId(unused_name(name, graph.frames)), replace(frame, position=place)))
    for name_of_note, note in definition.graph.notes.items():
        place = (note.position[0] + dx, note.position[1] + dy)
        edits.append(SetNote(NoteId(unused_name(name_of_note, graph.notes)), replace(note, position=place)))
    if count_instances(whole or graph, id) == 1:
        edits.append(SetSubgraph(id, None))
    return Unpacked(Batch(tuple(edits), "Unpack"), tuple(nodes))


def separate_instance(graph: Graph, instance: NodeId) -> AnyEdit:
    """Give an instance a definition of its own, so that changes of the others no longer reach it."""
    node, id, definition = _instance(graph, instance)
    own = SubgraphId(unused_name(id, graph.subgraphs))
    return Batch((SetSubgraph(own, definition), SetNode(instance, replace(node, type=subgraph_type(own)))), "Separate")


def instances(graph: Graph, id: SubgraphId) -> list[NodeId]:
    """The nodes of a graph that stand for a subgraph."""
    type = subgraph_type(id)
    return [node for node, held in graph.nodes.items() if held.type == type]


def count_instances(graph: Graph, id: SubgraphId) -> int:
    """How many nodes stand for a subgraph, in the graph and in its subgraphs."""
    held = (graph, *(definition.graph for definition in graph.subgraphs.values()))
    return sum(len(instances(one, id)) for one in held)


def standing_for(graph: Graph, id: SubgraphId) -> set[NodeId]:
    """The nodes of the outermost graph that hold a subgraph, at whatever depth."""
    holding, waiting = {id}, [id]
    while waiting:
        inner = waiting.pop()
        for other, definition in graph.subgraphs.items():
            if other not in holding and instances(definition.graph, inner):
                holding.add(other)
                waiting.append(other)
    return {node for one in holding for node in instances(graph, one)}


def _instance(graph: Graph, instance: NodeId) -> tuple[Node, SubgraphId, Subgraph]:
    node = graph.nodes.get(instance)
    id = subgraph_of(node.type) if node is not None else None
    definition = graph.subgraphs.get(id) if id is not None else None
    if node is None or id is None or definition is None:
        raise EditRefused("This node is not a subgraph.", where=instance)
    return node, id, definition


def _refuse_detour(graph: Graph, inside: Mapping[NodeId, Node]) -> None:
    feeds: dict[NodeId, set[NodeId]] = {}
    for input, output in graph.links.items():
        feeds.setdefault(output.node, set()).add(input.node)
    waiting = [id for start in inside for id in feeds.get(start, ()) if id not in inside]
    seen = set(waiting)
    while waiting:
        id = waiting.pop()
        for following in feeds.get(id, ()):
            if following in inside:
                raise EditRefused(
                    f"A wire leaves these nodes and comes back through '{id}': the subgraph would wait for itself.",
                    where=id,
                    mend=f"Select '{id}' too.",
                )
            if following not in seen:
                seen.add(following)
                waiting.append(following)


def _ports(found: Iterable[tuple[str, tuple[Socket, ...]]]) -> tuple[Port, ...]:
    ports: dict[str, Port] = {}
    for name, inner in found:
        own = unused_name(name, ports)
        ports[own] = Port(own, inner)
    return tuple(ports.values())


def _words(title: str) -> str:
    return fresh_id(title, set())


def _middle(nodes: Iterable[Node]) -> Point:
    places = [node.position for node in nodes]
    xs, ys = [x for x, _ in places], [y for _, y in places]
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


def _away(start: Point, end: Point) -> Point:
    return end[0] - start[0], end[1] - start[1]
