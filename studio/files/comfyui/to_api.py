"""A graph of ours in the form that ComfyUI's server takes: subgraphs unfolded, wires without bends, only nodes that take part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from studio.files.comfyui.classes import facts_of, widget_names
from studio.files.comfyui.counterparts import Row, classes_of, rows_of
from studio.files.comfyui.plain import as_dict, as_list, as_text
from studio.files.comfyui.to_workflow import ORIGIN, PLACEHOLDER, PRIMITIVE, TYPES
from studio.graph.flat import unfold
from studio.graph.graph import REROUTE, Graph, Node, NodeId, Socket, Value, subgraph_of
from studio.graph.remembered import SOCKETS
from studio.graph.spec import Catalog

_THEIR_TYPES: Final = {ours: theirs for theirs, ours in TYPES.items()}
_CONSTANT_CLASSES: Final = ("PrimitiveInt", "PrimitiveFloat", "PrimitiveBoolean", "PrimitiveString")


@dataclass(frozen=True, slots=True)
class ApiForm:
    """`prompt`: nodes by id, as the server takes them. `left_out`: a sentence for every node that ComfyUI has nothing for."""

    prompt: Mapping[str, Any]
    left_out: tuple[str, ...] = ()


class _Held(NamedTuple):
    """A value that a wire brings from a node which is no node there."""

    value: Value


def to_api(graph: Graph, catalog: Catalog | None = None) -> ApiForm:
    """The graph for ComfyUI's server. Values that are not set are our defaults where the catalog tells them, else ComfyUI's.

    Raises `DocumentError` for subgraphs that are missing, contain themselves, or unfold into too many nodes.
    """
    return _Export(graph, catalog or Catalog()).form()


class _Export:
    def __init__(self, graph: Graph, catalog: Catalog) -> None:
        self._graph = graph
        self._catalog = catalog
        self._whole = unfold(graph)
        self._rows: dict[NodeId, Row | None] = {}
        self._inputs: dict[NodeId, dict[str, Socket]] = {}
        for input, output in self._whole.links.items():
            self._inputs.setdefault(input.node, {})[input.name] = output
        self._ids = self._their_ids()
        self._lost: list[str] = []

    def form(self) -> ApiForm:
        prompt: dict[str, Any] = {}
        left_out = []
        for id, node in self._whole.nodes.items():
            if id in self._whole.muted or id in self._whole.bypassed or self._is_wiring(node) or _is_primitive(node):
                continue
            row = self._row(id)
            if row is None and not node.type.startswith(PLACEHOLDER):
                left_out.append(f"{node.title or id}: ComfyUI has no node that does what '{node.type}' does.")
                continue
            prompt[self._ids[id]] = self._node(id, node, row)
        kept = {id: prompt[id] for id in sorted(prompt, key=_by_number)}
        for block in kept.values():
            inputs = block["inputs"]
            block["inputs"] = {name: held for name, held in inputs.items() if not _is_link(held) or held[0] in kept}
        return ApiForm(kept, (*left_out, *self._lost))

    def _node(self, id: NodeId, node: Node, row: Row | None) -> dict[str, Any]:
        origin = as_dict(node.extra.get(ORIGIN))
        source = row.source if row is not None else as_text(origin.get("class")) or node.type.removeprefix(PLACEHOLDER)
        inputs = self._placed(id, node, row, origin) if row is not None else self._same(id, node)
        return {"class_type": source, "inputs": inputs, "_meta": {"title": node.title or source}}

    def _placed(self, id: NodeId, node: Node, row: Row, origin: Mapping[str, Any]) -> dict[str, Any]:
        kept = as_dict(origin.get("values")) if origin.get("class") == row.source else {}
        spec = self._catalog.get(node.type)
        known = widget_names(row.source)
        inputs: dict[str, Any] = {}
        for name, place in row.inputs.items():
            fed = self._fed(id, place.to)
            declared = spec.inputs_by_name.get(place.to) if spec is not None else None
            if isinstance(fed, _Held):
                inputs[name] = _wrapped(place.theirs(fed.value))
            elif fed is not None:
                inputs[name] = fed
            elif place.to in node.parameters:
                ours = node.parameters[place.to]
                inputs[name] = _wrapped(
                    kept[name] if name in kept and place.ours(kept[name]) == ours else place.theirs(ours)
                )
            elif name in kept:
                inputs[name] = _wrapped(kept[name])
            elif declared is not None and declared.control is not None:
                inputs[name] = _wrapped(place.theirs(declared.default))
            elif name in known and known[name].has_default:
                inputs[name] = _wrapped(known[name].default)
        for name, value in kept.items():
            if name not in row.inputs:
                inputs[name] = _wrapped(value)
        for name, values in row.when.items():
            inputs.setdefault(name, _wrapped(values[0]))
        if not origin:
            for name, widget in known.items():
                if widget.has_default and not widget.name.count("."):
                    inputs.setdefault(name, _wrapped(widget.default))
        return inputs

    def _same(self, id: NodeId, node: Node) -> dict[str, Any]:
        inputs = {name: _wrapped(value) for name, value in node.parameters.items()}
        for name in self._inputs.get(id, ()):
            fed = self._fed(id, name)
            if isinstance(fed, _Held):
                inputs[name] = _wrapped(fed.value)
            elif fed is not None:
                inputs[name] = fed
        return inputs

    def _fed(self, id: NodeId, name: str) -> list[Any] | _Held | None:
        """What comes through the wire to an input: a link, or the value of a node that only holds one. None where nothing does."""
        at = self._inputs.get(id, {}).get(name)
        seen: set[Socket] = set()
        while at is not None and at not in seen:
            seen.add(at)
            node = self._whole.nodes.get(at.node)
            if node is None or at.node in self._whole.muted:
                return None
            if self._is_wiring(node):
                at = self._inputs.get(at.node, {}).get("value")
            elif at.node in self._whole.bypassed:
                at = self._through(at, node)
            elif _is_primitive(node):
                if node.type.startswith(PLACEHOLDER):
                    return _Held(next(iter(node.parameters.values()))) if node.parameters else None
                return _Held(
                    next(
                        (node.parameters[one] for one in ("value", "text", "condition") if one in node.parameters), None
                    )
                )
            else:
                slot = self._slot(at, node)
                if slot is None:
                    self._lost.append(
                        f"{at}: ComfyUI's node has no such output, so the wire to {id}.{name} was left out."
                    )
                    return None
                return [self._ids[at.node], slot]
        return None

    def _slot(self, output: Socket, node: Node) -> int | None:
        names = self._outputs(output.node, node)
        if output.name in names:
            return names.index(output.name)
        digits = output.name.removeprefix("output_")
        return int(digits) - 1 if digits.isdecimal() and len(digits) < 6 else None

    def _outputs(self, id: NodeId, node: Node) -> list[str]:
        row = self._row(id)
        if row is not None:
            return list(row.outputs)
        return [name for name, _ in _sockets(node, "outputs")]

    def _through(self, output: Socket, node: Node) -> Socket | None:
        """What a bypassed node hands on, by ComfyUI's rule: the input of the same number if its type fits, else the first that does."""
        row = self._row(output.node)
        slot = self._slot(output, node) or 0
        if row is not None:
            facts = facts_of(row.source)
            inputs = [(row.inputs[name].to if name in row.inputs else "", type) for name, type in facts.inputs]
            type = facts.outputs[slot][1] if slot < len(facts.outputs) else "*"
        else:
            inputs, outputs = _sockets(node, "inputs"), _sockets(node, "outputs")
            type = outputs[slot][1] if slot < len(outputs) else "*"
        if type == "*":
            chosen = inputs[slot : slot + 1] or inputs[:1]
        else:
            same = [one for one in inputs if one[1] == type]
            chosen = inputs[slot : slot + 1] if slot < len(inputs) and inputs[slot][1] == type else same[:1]
            chosen = chosen or [one for one in inputs if one[1] == "*"][:1]
        return self._inputs.get(output.node, {}).get(chosen[0][0]) if chosen else None

    def _is_wiring(self, node: Node) -> bool:
        return node.type == REROUTE and not rows_of(as_text(as_dict(node.extra.get(ORIGIN)).get("class")))

    def _row(self, id: NodeId) -> Row | None:
        if id not in self._rows:
            self._rows[id] = self._chosen(self._whole.nodes[id])
        return self._rows[id]

    def _chosen(self, node: Node) -> Row | None:
        """The class that a node is written as: the one that it came from, else the first whose fixed values it has."""
        source = as_text(as_dict(node.extra.get(ORIGIN)).get("class"))
        own = [row for row in rows_of(source) if row.type == node.type]
        if source == PRIMITIVE:
            own = [row for row in classes_of(node.type) if row.source in _CONSTANT_CLASSES]
        values = node.parameters
        fitting = [
            row
            for row in (*own, *classes_of(node.type))
            if all(values.get(name) == held for name, held in row.set.items())
        ]
        return fitting[0] if fitting else None

    def _their_ids(self) -> dict[NodeId, str]:
        """Ids as the server knows them: the file's own, a path's parts joined by `:`; numbers of our own where there is none."""
        ids: dict[NodeId, str] = {}
        taken: set[str] = set()
        parts: dict[tuple[str, str], str] = {}
        for path in self._whole.nodes:
            made = ":".join(self._segments(path, parts))
            while made in taken:
                made += "_"
            taken.add(made)
            ids[path] = made
        return ids

    def _segments(self, path: NodeId, parts: dict[tuple[str, str], str]) -> list[str]:
        graph: Graph | None = self._graph
        prefix, segments = "", []
        for name in path.split("/"):
            node = graph.nodes.get(NodeId(name)) if graph is not None else None
            key = (prefix, name)
            if key not in parts:
                own = as_dict(node.extra.get(ORIGIN)).get("id") if node is not None else None
                used = {held for (before, _), held in parts.items() if before == prefix} if not own else set()
                parts[key] = str(own) if own else _next_number(used, graph)
            segments.append(parts[key])
            definition = subgraph_of(node.type) if node is not None else None
            inside = self._graph.subgraphs.get(definition) if definition is not None else None
            graph = inside.graph if inside is not None else None
            prefix = f"{prefix}{name}/"
        return segments


def _is_primitive(node: Node) -> bool:
    """Whether the front end would put the node's value into the nodes that it leads to."""
    return as_dict(node.extra.get(ORIGIN)).get("class") == PRIMITIVE


def _sockets(node: Node, key: str) -> list[tuple[str, str]]:
    """Names and ComfyUI types of a placeholder's inputs or outputs."""
    held = as_list(as_dict(node.extra.get(SOCKETS)).get(key))
    pairs = ((as_text(one[0]), as_text(one[1])) for one in held if isinstance(one, list) and len(one) == 2)
    return [(name, _THEIR_TYPES.get(type, type)) for name, type in pairs]


def _next_number(used: set[str], graph: Graph | None) -> str:
    theirs = (
        {str(as_dict(node.extra.get(ORIGIN)).get("id")) for node in graph.nodes.values()}
        if graph is not None
        else set()
    )
    number = len(used) + 1
    while str(number) in used or str(number) in theirs:
        number += 1
    return str(number)


def _wrapped(value: Value) -> Value:
    """A list that is a value, not a link."""
    return {"__value__": value} if isinstance(value, list) else value


def _is_link(held: Value) -> bool:
    return isinstance(held, list)


def _by_number(id: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdecimal() and len(part) < 18 else (10**18, part) for part in id.split(":"))
