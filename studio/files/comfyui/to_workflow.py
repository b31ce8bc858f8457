"""A ComfyUI workflow as a graph of ours. Every node stays a node, every wire a wire; what we cannot do stays as a placeholder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from studio.files.comfyui.classes import facts_of
from studio.files.comfyui.counterparts import Place, Row, rows_of
from studio.files.comfyui.loaders import join_loaders
from studio.files.comfyui.source import Source, SourceGraph, SourceNode, SourceSubgraph
from studio.files.import_report import ImportReport, Unmapped
from studio.files.json_text import Numbering
from studio.graph.graph import (
    REROUTE,
    Frame,
    FrameId,
    Graph,
    Node,
    NodeId,
    Note,
    NoteId,
    Port,
    Socket,
    Subgraph,
    SubgraphId,
    Value,
    fresh_id,
    subgraph_type,
)
from studio.graph.remembered import SOCKETS
from studio.graph.workflow import Workflow

ORIGIN: Final = "comfyui"
"""Key of `extra` under which nodes, frames, notes, subgraphs and workflows keep what ComfyUI says beyond our fields."""
PLACEHOLDER: Final = "comfyui/"
"""Before the class of a node that we have no counterpart for."""
NOTES: Final = frozenset({"Note", "MarkdownNote"})
REROUTES: Final = frozenset({"Reroute", "Reroute (rgthree)"})
SETTERS: Final = frozenset({"SetNode", "easy setNode"})
GETTERS: Final = frozenset({"GetNode", "easy getNode"})
PRIMITIVE: Final = "PrimitiveNode"
TYPES: Final[Mapping[str, str]] = {
    "IMAGE": "Image", "MASK": "Mask", "LATENT": "Latent", "CONDITIONING": "Conditioning", "MODEL": "Model", "CLIP": "TextEncoder",
    "VAE": "VAE", "CONTROL_NET": "ControlNet", "UPSCALE_MODEL": "Upscaler", "SIGMAS": "Schedule", "AUDIO": "Audio",
    "VIDEO": "Video", "INT": "Int", "FLOAT": "Float", "STRING": "Text", "BOOLEAN": "Bool", "COMBO": "Choice", "MESH": "Mesh", "*": "Any",
}  # fmt: skip
"""ComfyUI's types as ours. The rest keeps its name."""
_WIRING: Final = REROUTES | SETTERS | GETTERS
_LONGEST_ID: Final = 60


@dataclass(slots=True)
class _Made:
    """What a source node became: its id here, its inputs and outputs by ComfyUI's names and numbers."""

    id: NodeId
    inputs: Mapping[str, str] | None
    """None: by the same names."""
    outputs: tuple[str, ...]
    places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(slots=True)
class _Definition:
    """A subgraph that is done: by the names of its ports, how a value of theirs becomes ours; the port of each promoted widget."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    places: dict[str, Place]
    promoted: dict[tuple[str, str], str]


def to_workflow(source: Source, title: str = "") -> tuple[Workflow, ImportReport]:
    """The workflow, and what became of its nodes."""
    return _Conversion(source).workflow(title)


class _Conversion:
    """One workflow on its way. Definitions are done before the graphs that use them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._key = source.key
        self._notes = list(source.notes)
        self._details: list[str] = []
        self._exact = 0
        self._defaulted = 0
        self._unmapped: Counter[tuple[str, str, str]] = Counter()
        self._definitions: dict[str, _Definition] = {}
        self._ids = _subgraph_ids(source.subgraphs)
        self._promoted = _promoted(source)

    def workflow(self, title: str) -> tuple[Workflow, ImportReport]:
        subgraphs = {}
        for id in _inner_first(self._source.subgraphs):
            subgraphs[self._ids[id]] = self._subgraph(self._source.subgraphs[id])
        graph, _ = self._graph(self._source.graph)
        whole = Graph(graph.nodes, graph.links, graph.frames, graph.notes, subgraphs)
        extra = {self._key: self._source.rest} if self._source.rest else {}
        placeholders = sorted(self._unmapped.items(), key=lambda one: -one[1])
        report = ImportReport(
            self._source.program,
            self._exact,
            self._defaulted,
            tuple(Unmapped(type, count, pack, why) for (type, pack, why), count in placeholders),
            tuple(self._notes),
            tuple(self._details),
        )
        return Workflow(join_loaders(whole), title, view=self._source.view, extra=extra), report

    def _subgraph(self, definition: SourceSubgraph) -> Subgraph:
        graph, made = self._graph(definition.graph)
        nodes, links = dict(graph.nodes), dict(graph.links)
        done = _Definition((), (), {}, {})
        inputs: list[Port] = []
        idle: list[list[str]] = []
        passed: dict[int, NodeId] = {}
        for at, port in enumerate(definition.inputs):
            inner = [end for node, name in port.targets if (end := _input_end(made, node, name)) is not None]
            if any(out.through == at for out in definition.outputs):
                passed[at] = fresh_id(REROUTE, nodes.keys())
                nodes[passed[at]] = Node(REROUTE, extra={self._key: {"added": True}})
                inner.append(Socket(passed[at], "value"))
            if inner:
                inputs.append(Port(port.name, tuple(inner), {self._key: {"type": port.type}}))
                if port.targets and port.targets[0][0] in made:
                    place = made[port.targets[0][0]].places.get(port.targets[0][1])
                    if place is not None:
                        done.places[port.name] = place
                done.promoted.update(dict.fromkeys(port.targets, port.name))
            else:
                idle.append([port.name, port.type])
        self._add_promoted(definition, made, inputs, done)
        outputs = []
        for port in definition.outputs:
            end = None
            if port.through is not None and port.through in passed:
                end = Socket(passed[port.through], "value")
            elif port.origin is not None:
                end = _output_end(made, *port.origin)
            if end is not None:
                outputs.append(Port(port.name, (end,), {self._key: {"type": port.type}}))
        done.inputs = tuple(port.name for port in definition.inputs)
        done.outputs = tuple(port.name for port in definition.outputs)
        self._definitions[definition.id] = done
        origin = {"id": definition.id, **definition.rest, **({"unlinked_inputs": idle} if idle else {})}
        shown = tuple(port.name for port in outputs)
        if shown != done.outputs:
            origin["outputs"] = [[port.name, port.type] for port in definition.outputs]
        inside = Graph(nodes, links, graph.frames, graph.notes)
        return Subgraph(definition.title, inside, tuple(inputs), tuple(outputs), extra={self._key: origin})

    def _add_promoted(
        self, definition: SourceSubgraph, made: Mapping[str, _Made], inputs: list[Port], done: _Definition
    ) -> None:
        """Ports for inner widgets that instances show though no wire leads to them."""
        taken = {port.name for port in inputs} | {port.name for port in definition.inputs}
        names = Numbering("{name}_{count}")
        for node, name in self._promoted.get(definition.id, ()):
            end = _input_end(made, node, name)
            if (node, name) in done.promoted or end is None:
                continue
            port = names.free(name, taken)
            taken.add(port)
            inputs.append(Port(port, (end,), {self._key: {"promoted": [node, name]}}))
            done.promoted[node, name] = port
            if (place := made[node].places.get(name)) is not None:
                done.places[port] = place

    def _graph(self, source: SourceGraph) -> tuple[Graph, dict[str, _Made]]:
        linked, used = _usage(source)
        nodes: dict[NodeId, Node] = {}
        notes: dict[NoteId, Note] = {}
        made: dict[str, _Made] = {}
        ids = Numbering("{name}_{count}")
        for id, node in source.nodes.items():
            if node.type in NOTES and id not in linked and id not in used:
                name = ids.free("note", notes)
                notes[NoteId(name)] = _note(self._key, node)
                self._exact += 1
                continue
            built, made_as = self._node(node, linked.get(id, ()), used.get(id, ()))
            made_as.id = NodeId(ids.free(self._stem(node, built.type), nodes))
            nodes[made_as.id] = built
            made[id] = made_as
        links = self._links(source, made)
        frames = {
            FrameId(f"frame_{at}"): Frame(one.title, one.position, one.size, one.color, _origin(self._key, one.rest))
            for at, one in enumerate(source.groups, start=1)
        }
        return Graph(nodes, links, frames, notes), made

    def _stem(self, node: SourceNode, type: str) -> str:
        """What the id of a node begins with: words from its type, or from the title of its subgraph."""
        definition = self._source.subgraphs.get(node.type)
        return fresh_id(
            type if definition is None else f"/{definition.title or 'subgraph'}"[:_LONGEST_ID], frozenset()
        )[:_LONGEST_ID]

    def _links(self, source: SourceGraph, made: Mapping[str, _Made]) -> dict[Socket, Socket]:
        links: dict[Socket, Socket] = {}
        for (target, name), (origin, slot) in source.links.items():
            end, start = _input_end(made, target, name), _output_end(made, origin, slot)
            if end is not None and start is not None and end.node != start.node:
                links[end] = start
        setters = {
            _variable(node): made[id].id
            for id, node in source.nodes.items()
            if node.type in SETTERS and _variable(node)
        }
        for id, node in source.nodes.items():
            if node.type in GETTERS and (setter := setters.get(_variable(node))) is not None and setter != made[id].id:
                links[Socket(made[id].id, "value")] = Socket(setter, "value")
        return links

    def _node(self, node: SourceNode, linked: Iterable[str], used: Iterable[int]) -> tuple[Node, _Made]:
        if node.type in self._source.subgraphs:
            return self._instance(node)
        if node.type in _WIRING:
            self._exact += 1
            first = node.inputs[0][0] if node.inputs else "value"
            return _built(self._key, node, REROUTE, {}, node.values), _Made(
                NodeId(""), {first: "value"}, ("value",) * 8
            )
        if node.type == PRIMITIVE and (made := self._primitive(node)) is not None:
            return made
        why = "values that do not fit" if node.clashing else ""
        for row in rows_of(node.type, self._key) if not node.clashing else ():
            lost = row.loses(node.values, tuple(linked), tuple(used))
            if not lost:
                return self._mapped(node, row)
            why = why or f"'{lost}'"
        return self._placeholder(node, why)

    def _mapped(self, node: SourceNode, row: Row) -> tuple[Node, _Made]:
        self._count(node)
        if row.note:
            self._notes.append(f"{node.title or node.type} ({node.id}): {row.note}")
        parameters, left = dict(row.set), {}
        for name, value in node.values.items():
            place = row.inputs.get(name)
            if place is None:
                left[name] = value
                continue
            ours = place.ours(value)
            if value is None and place.form != "text":
                left[name] = value
                continue
            parameters[place.to] = ours
            back = place.theirs(ours)
            if back != value or type(back) is not type(value):
                left[name] = value
        inputs = {name: place.to for name, place in row.inputs.items()}
        return _built(self._key, node, row.type, parameters, left), _Made(NodeId(""), inputs, row.outputs, row.inputs)

    def _primitive(self, node: SourceNode) -> tuple[Node, _Made] | None:
        value = node.values.get("value")
        kind = node.outputs[0][1] if node.outputs else "*"
        if isinstance(value, str | bool):
            kind = "STRING" if isinstance(value, str) else "BOOLEAN"
        elif isinstance(value, float) and not value.is_integer():
            kind = "FLOAT"
        target = {"INT": "PrimitiveInt", "FLOAT": "PrimitiveFloat", "BOOLEAN": "PrimitiveBoolean"}.get(
            kind, "PrimitiveString"
        )
        if value is None and not node.tail:
            target = "PrimitiveString"
        elif target == "PrimitiveString" and not isinstance(value, str):
            target = "PrimitiveInt" if isinstance(value, int) else "PrimitiveFloat" if isinstance(value, float) else ""
        rows = rows_of(target)
        return self._mapped(node, rows[0]) if rows else None

    def _instance(self, node: SourceNode) -> tuple[Node, _Made]:
        done = self._definitions.get(node.type)
        if done is None:
            self._notes.append("A subgraph contains itself.")
            done = _Definition((), (), {}, {})
        self._count(node)
        parameters = {}
        for name, value in node.values.items():
            place = done.places.get(name)
            parameters[name] = place.ours(value) if place is not None else value
        for key, value in zip(node.promoted, node.promoted_values, strict=False):
            port = done.promoted.get(key)
            if port is not None and value is not None:
                place = done.places.get(port)
                parameters[port] = place.ours(value) if place is not None else value
        type = subgraph_type(self._ids[node.type])
        built = _built(self._key, node, type, parameters, {})
        return built, _Made(NodeId(""), None, done.outputs, done.places)

    def _placeholder(self, node: SourceNode, why: str) -> tuple[Node, _Made]:
        facts = facts_of(node.type)
        pack = node.pack or facts.pack
        if not node.clashing:
            why = f"{why} has no counterpart" if why else ""
        self._unmapped[node.type, pack, why] += 1
        if node.clashing:
            self._notes.append(
                f"{node.title or node.type} ({node.id}): the value of '{node.clashing[0]}' is not of its kind, so the values from there on "
                "were kept aside and have their defaults."
            )
        built = _built(self._key, node, f"{self._key}/{node.type}", dict(node.values), {})
        outputs = _unique_outputs(node.outputs or list(facts.outputs))
        origin = {**built.extra[self._key], **({"pack": pack} if pack else {})}
        sockets = {
            "inputs": [[name, TYPES.get(type, type)] for name, type in node.inputs or facts.inputs],
            "outputs": [[name, TYPES.get(type, type)] for name, type in outputs],
        }
        kept = Node(
            built.type, built.parameters, built.position, 1, built.title, built.size, built.color, built.collapsed,
            built.pinned, built.mode, extra={self._key: origin, SOCKETS: sockets},
        )  # fmt: skip
        return kept, _Made(NodeId(""), None, tuple(name for name, _ in outputs))

    def _count(self, node: SourceNode) -> None:
        if node.defaulted:
            self._defaulted += 1
            names = ", ".join(node.defaulted[:6])
            self._details.append(f"{node.title or node.type} ({node.id}): {names} not in the file.")
        else:
            self._exact += 1


def _built(key: str, node: SourceNode, type: str, parameters: Mapping[str, Value], left: Mapping[str, Value]) -> Node:
    origin: dict[str, Any] = {"id": node.id, "class": node.type}
    kept = {
        "pack": node.pack,
        "pack_version": node.pack_version,
        "values": dict(left),
        "hidden": node.hidden,
        "tail": node.tail,
    }
    origin.update((key, held) for key, held in kept.items() if held)
    if node.rest:
        origin["rest"] = node.rest
    return Node(
        type, parameters, node.position, 1, node.title, node.size, node.color, node.collapsed, node.pinned, node.mode,
        extra={key: origin},
    )  # fmt: skip


def _note(key: str, node: SourceNode) -> Note:
    text = next((one for one in (*node.values.values(), *node.tail) if isinstance(one, str)), "")
    origin: dict[str, Any] = {"id": node.id, "class": node.type}
    if node.title:
        origin["title"] = node.title
    if node.rest:
        origin["rest"] = node.rest
    return Note(text, node.position, node.size or (240.0, 120.0), node.color, {key: origin})


def _origin(key: str, rest: Mapping[str, Any]) -> dict[str, Any]:
    return {key: dict(rest)} if rest else {}


def _usage(source: SourceGraph) -> tuple[dict[str, set[str]], dict[str, set[int]]]:
    """The linked inputs and the used outputs of every node that has any."""
    linked: dict[str, set[str]] = {}
    used: dict[str, set[int]] = {}
    for (target, name), (origin, slot) in source.links.items():
        linked.setdefault(target, set()).add(name)
        used.setdefault(origin, set()).add(slot)
    return linked, used


def _input_end(made: Mapping[str, _Made], node: str, name: str) -> Socket | None:
    one = made.get(node)
    if one is None or not name:
        return None
    to = name if one.inputs is None else one.inputs.get(name)
    return Socket(one.id, to) if to else None


def _output_end(made: Mapping[str, _Made], node: str, slot: int) -> Socket | None:
    one = made.get(node)
    if one is None:
        return None
    name = one.outputs[slot] if slot < len(one.outputs) else f"output_{slot + 1}"
    return Socket(one.id, name) if name else None


def _unique_outputs(outputs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    names = Numbering("{name}_{count}")
    unique: dict[str, str] = {}
    for at, (name, type) in enumerate(outputs):
        unique[names.free(name or (type if type != "*" else f"output_{at + 1}"), unique)] = type
    return list(unique.items())


def _variable(node: SourceNode) -> str:
    return next((one for one in (*node.values.values(), *node.tail) if isinstance(one, str)), "")


def _subgraph_ids(subgraphs: Mapping[str, SourceSubgraph]) -> dict[str, SubgraphId]:
    """Ids of ours for theirs: the same where they can be names."""
    names = Numbering("{name}_{count}")
    ids: dict[str, SubgraphId] = {}
    taken: set[str] = set()
    for id in subgraphs:
        clean = "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in id)[:100]
        made = names.free(clean or "subgraph", taken)
        taken.add(made)
        ids[id] = SubgraphId(made)
    return ids


def _promoted(source: Source) -> dict[str, dict[tuple[str, str], None]]:
    """By definition: the inner widgets that any of its instances promotes."""
    found: dict[str, dict[tuple[str, str], None]] = {}
    for graph in (source.graph, *(one.graph for one in source.subgraphs.values())):
        for node in graph.nodes.values():
            if node.promoted:
                found.setdefault(node.type, {}).update(dict.fromkeys(node.promoted))
    return found


def _inner_first(subgraphs: Mapping[str, SourceSubgraph]) -> Iterable[str]:
    """Every definition after those that it uses. Of a circle, in some order."""
    done: dict[str, None] = {}
    begun: set[str] = set()
    waiting = [(id, False) for id in subgraphs]
    while waiting:
        id, parts_done = waiting.pop()
        if parts_done:
            done[id] = None
        elif id not in begun:
            begun.add(id)
            waiting.append((id, True))
            waiting.extend((one.type, False) for one in subgraphs[id].graph.nodes.values() if one.type in subgraphs)
    return done
