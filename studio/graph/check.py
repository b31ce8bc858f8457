"""What is wrong with a graph, each finding with its place and its mend; and the one gate that decides whether two sockets may join."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from studio.graph.curve import points_of
from studio.graph.errors import DocumentError
from studio.graph.flat import FlatGraph, FlatNode, flatten, spec_of
from studio.graph.graph import Graph, NodeId, Socket, Value
from studio.graph.spec import Catalog, ColorField, CurveField, Input, NodeSpec, Number, Options, Seed
from studio.graph.types import FLOAT, INT, Refusal, SocketType, refusal


class Kind(StrEnum):
    """What sort of finding."""

    UNKNOWN_NODE = "unknown_node"
    UNKNOWN_SOCKET = "unknown_socket"
    UNKNOWN_PARAMETER = "unknown_parameter"
    MISSING_INPUT = "missing_input"
    TYPE_MISMATCH = "type_mismatch"
    WRONG_VALUE = "wrong_value"
    OUT_OF_RANGE = "out_of_range"
    NOT_FINITE = "not_finite"
    CYCLE = "cycle"
    BROKEN_SUBGRAPH = "broken_subgraph"


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding: where (`node`, and `socket` where one is to blame), what, and what to do."""

    kind: Kind
    node: NodeId
    what: str
    mend: str = ""
    socket: str = ""

    @property
    def where(self) -> str:
        return f"{self.node}.{self.socket}" if self.socket else self.node


SEED_HIGH: Final = 2**63 - 1
_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?")


def can_link(output: SocketType, input: SocketType, catalog: Catalog | None = None) -> Refusal | None:
    """None where the two may join; else why not, and the node types of the catalog that would convert."""
    refused = refusal(output, input)
    if refused is None or catalog is None:
        return refused
    return replace(refused, converters=tuple(converters(output, input, catalog)))


def converters(output: SocketType, input: SocketType, catalog: Catalog) -> Iterator[str]:
    """Node types that take the one and give the other, those with the fewest further sockets first."""
    fitting = []
    for spec in catalog.specs.values():
        takes = any(
            not one.type.variable and one.type.name != "Any" and refusal(output, one.type) is None
            for one in spec.sockets
        )
        gives = any(
            not one.type.variable and one.type.name != "Any" and refusal(one.type, input) is None
            for one in spec.outputs
        )
        if takes and gives and not spec.deprecated:
            fitting.append((len(spec.sockets), spec.type))
    yield from (type for _, type in sorted(fitting))


def why_not(graph: Graph, catalog: Catalog, output: Socket, input: Socket) -> Refusal | None:
    """As `can_link`, for two sockets of a graph: unknown sockets and cycles are refused as well."""
    any_type = SocketType("Any")
    ends = []
    for socket, is_output in ((output, True), (input, False)):
        node = graph.nodes.get(socket.node)
        spec = spec_of(graph, node, catalog) if node is not None else None
        if node is None:
            return Refusal(any_type, any_type, f"There is no node '{socket.node}'.")
        if spec is None:
            ends.append(any_type)
            continue
        declared = (spec.outputs_by_name if is_output else spec.inputs_by_name).get(socket.name)
        if declared is None:
            return Refusal(
                any_type, any_type, f"{spec.title} has no {'output' if is_output else 'input'} '{socket.name}'."
            )
        ends.append(declared.type)
    if output.node == input.node or _feeds(graph, input.node, output.node):
        return Refusal(ends[0], ends[1], "The node would wait for its own result: this link closes a circle.")
    return can_link(ends[0], ends[1], catalog)


def _feeds(graph: Graph, source: NodeId, target: NodeId) -> bool:
    """Whether `target` needs `source`, however far upstream."""
    feeds: dict[NodeId, set[NodeId]] = {}
    for input, output in graph.links.items():
        feeds.setdefault(input.node, set()).add(output.node)
    seen, waiting = {target}, [target]
    while waiting:
        for upstream in feeds.get(waiting.pop(), ()):
            if upstream == source:
                return True
            if upstream not in seen:
                seen.add(upstream)
                waiting.append(upstream)
    return False


def check(graph: Graph, catalog: Catalog, wanted: Collection[NodeId] | None = None) -> list[Problem]:
    """Everything that keeps the graph, or what the wanted nodes need of it, from running. Empty where it can run."""
    try:
        flat = flatten(graph, catalog)
    except DocumentError as error:
        return [Problem(Kind.BROKEN_SUBGRAPH, NodeId(error.where), error.what, error.mend)]
    return check_flat(flat, catalog, wanted)


def check_flat(flat: FlatGraph, catalog: Catalog, wanted: Collection[NodeId] | None = None) -> list[Problem]:
    """As `check`, for a graph that is flat already."""
    needed = flat.nodes if wanted is None else upstream(flat, wanted)
    problems = [problem for id in needed for problem in node_problems(id, flat.nodes[id], flat, catalog)]
    problems.extend(cycles(flat, needed))
    return problems


def upstream(flat: FlatGraph, wanted: Collection[NodeId]) -> list[NodeId]:
    """The wanted nodes and all they need, each once."""
    seen = {id for id in wanted if id in flat.nodes}
    waiting = list(seen)
    for id in waiting:
        for source in flat.nodes[id].inputs.values():
            if source.node not in seen and source.node in flat.nodes:
                seen.add(source.node)
                waiting.append(source.node)
    return waiting


def node_problems(id: NodeId, node: FlatNode, flat: FlatGraph, catalog: Catalog) -> Iterator[Problem]:
    """What is wrong with one node and the links into it."""
    if node.locked:
        return
    spec = catalog.get(node.type)
    if spec is None:
        yield Problem(
            Kind.UNKNOWN_NODE,
            id,
            f"Nothing here offers the node type '{node.type}'.",
            "Install or enable the plugin that it comes from.",
        )
        return
    for name, value in node.parameters.items():
        declared = spec.inputs_by_name.get(name)
        if declared is None or declared.control is None:
            known = ", ".join(one.name for one in spec.parameters) or "none"
            yield Problem(
                Kind.UNKNOWN_PARAMETER, id, f"{spec.title} has no parameter '{name}'.", f"It has: {known}.", name
            )
        elif name not in node.inputs:
            yield from value_problems(id, declared, value)
    for declared in spec.inputs:
        source = node.inputs.get(declared.name)
        if source is None and declared.control is None and not declared.optional:
            yield Problem(
                Kind.MISSING_INPUT,
                id,
                f"The input '{declared.name}' is not connected.",
                f"Connect an output of type {declared.type}.",
                declared.name,
            )
    for name, source in node.inputs.items():
        yield from _link_problems(id, name, source, spec, flat, catalog)


def _link_problems(
    id: NodeId, name: str, source: Socket, spec: NodeSpec, flat: FlatGraph, catalog: Catalog
) -> Iterator[Problem]:
    declared = spec.inputs_by_name.get(name)
    if declared is None:
        known = ", ".join(spec.inputs_by_name) or "none"
        yield Problem(Kind.UNKNOWN_SOCKET, id, f"{spec.title} has no input '{name}'.", f"It has: {known}.", name)
        return
    other = flat.nodes.get(source.node)
    if other is None:
        yield Problem(
            Kind.MISSING_INPUT,
            id,
            f"The input '{name}' comes from '{source.node}', which is not there.",
            "Connect it anew.",
            name,
        )
        return
    their_spec = catalog.get(other.type)
    if their_spec is None:
        return
    output = their_spec.outputs_by_name.get(source.name)
    if output is None:
        known = ", ".join(their_spec.outputs_by_name) or "none"
        yield Problem(
            Kind.UNKNOWN_SOCKET,
            source.node,
            f"{their_spec.title} has no output '{source.name}'.",
            f"It has: {known}.",
            source.name,
        )
        return
    refused = refusal(output.type, declared.type)
    if refused is not None:
        between = next(converters(output.type, declared.type, catalog), None)
        mend = f"Put a '{between}' between." if between else f"Connect an output of type {declared.type}."
        yield Problem(Kind.TYPE_MISMATCH, id, f"{refused.reason} ('{source}' feeds '{name}'.)", mend, name)


def value_problems(id: NodeId, declared: Input, value: Value) -> Iterator[Problem]:
    """What is wrong with the value of a parameter."""
    control, name = declared.control, declared.name
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(
            Kind.NOT_FINITE,
            id,
            f"'{name}' is {value}, which is not a number to work with.",
            "Enter a finite number.",
            name,
        )
    elif isinstance(control, Number):
        yield from _number_problems(id, declared, control, value)
    elif isinstance(control, Seed):
        if type(value) is not int or not 0 <= value <= SEED_HIGH:
            yield Problem(
                Kind.OUT_OF_RANGE,
                id,
                f"'{name}' is {value!r}.",
                f"A seed is a whole number from 0 to {SEED_HIGH}.",
                name,
            )
    elif isinstance(control, Options):
        if value not in control.choices and value not in control.aliases:
            few = ", ".join(control.choices[:12]) + (" ..." if len(control.choices) > 12 else "")
            yield Problem(Kind.WRONG_VALUE, id, f"'{name}' cannot be {value!r}.", f"Choose one of: {few}.", name)
    elif declared.type.name == "Bool":
        if type(value) is not bool:
            yield Problem(Kind.WRONG_VALUE, id, f"'{name}' is {value!r}.", "It is either true or false.", name)
    elif isinstance(control, ColorField):
        if not isinstance(value, str) or not _COLOR.fullmatch(value):
            yield Problem(Kind.WRONG_VALUE, id, f"'{name}' is {value!r}.", "Write a colour as #rrggbb.", name)
    elif isinstance(control, CurveField):
        yield from _curve_problems(id, name, value)
    elif declared.type.name in ("Text", "FilePath", "Choice") and not isinstance(value, str):
        yield Problem(Kind.WRONG_VALUE, id, f"'{name}' is {value!r}, which is not a text.", "Enter a text.", name)


def _curve_problems(id: NodeId, name: str, value: Value) -> Iterator[Problem]:
    try:
        points_of(value if isinstance(value, str) else "")
    except ValueError as error:
        mend = "Write points as places and heights from 0 to 1, such as 0 1, 0.4 0.6, 1 0."
        yield Problem(Kind.WRONG_VALUE, id, f"'{name}' is {value!r}, which is not a curve: {error}.", mend, name)


def _number_problems(id: NodeId, declared: Input, control: Number, value: Value) -> Iterator[Problem]:
    name = declared.name
    if declared.type == INT and type(value) is not int:
        yield Problem(Kind.WRONG_VALUE, id, f"'{name}' is {value!r}.", "Enter a whole number.", name)
    elif declared.type == FLOAT and type(value) not in (int, float):
        yield Problem(Kind.WRONG_VALUE, id, f"'{name}' is {value!r}.", "Enter a number.", name)
    elif (control.low is not None and value < control.low) or (control.high is not None and value > control.high):
        low = "any" if control.low is None else f"{control.low:g}"
        high = "any" if control.high is None else f"{control.high:g}"
        yield Problem(Kind.OUT_OF_RANGE, id, f"'{name}' is {value}.", f"It goes from {low} to {high}.", name)


def cycles(flat: FlatGraph, needed: Collection[NodeId]) -> Iterator[Problem]:
    """One problem a circle: nodes that stay when all that can be ordered are taken away."""
    waits = _waits(flat.nodes, needed)
    users: dict[NodeId, list[NodeId]] = {}
    for id in needed:
        for source in {source.node for source in flat.nodes[id].inputs.values()}:
            users.setdefault(source, []).append(id)
    ready = [id for id, count in waits.items() if count == 0]
    while ready:
        done = ready.pop()
        waits.pop(done, None)
        for user in users.get(done, ()):
            if user in waits:
                waits[user] -= 1
                if waits[user] == 0:
                    ready.append(user)
    left = set(waits)
    while left:
        circle = _circle(flat, left)
        yield Problem(
            Kind.CYCLE,
            circle[0],
            f"These nodes wait for each other: {' -> '.join([*circle[:8], circle[0]])}.",
            "Cut one of the links.",
        )
        left -= set(_fed_by(flat, left, circle))


def _waits(nodes: Mapping[NodeId, FlatNode], needed: Collection[NodeId]) -> dict[NodeId, int]:
    return {id: sum(source in nodes for source in {one.node for one in nodes[id].inputs.values()}) for id in needed}


def _circle(flat: FlatGraph, left: set[NodeId]) -> list[NodeId]:
    at = min(left)
    seen: dict[NodeId, int] = {}
    path: list[NodeId] = []
    while at not in seen:
        seen[at] = len(path)
        path.append(at)
        at = next(source.node for source in flat.nodes[at].inputs.values() if source.node in left)
    return path[seen[at] :][::-1]


def _fed_by(flat: FlatGraph, left: set[NodeId], circle: list[NodeId]) -> set[NodeId]:
    """The circle, and what waits in vain because of it."""
    users: dict[NodeId, list[NodeId]] = {}
    for id in left:
        for source in flat.nodes[id].inputs.values():
            users.setdefault(source.node, []).append(id)
    reached, waiting = set(circle), list(circle)
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in reached:
                reached.add(user)
                waiting.append(user)
    return reached
