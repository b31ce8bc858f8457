"""Nodes saved for an earlier version of their type become nodes of the version that the catalog offers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from studio.graph.graph import Graph, Node, NodeId, Port, Socket, Subgraph, SubgraphId, Value, subgraph_of
from studio.graph.spec import Catalog, Migration

_Tables: TypeAlias = Mapping[str, Mapping[str, Value]]
"""By parameter: old value, written as text, to new."""


@dataclass(slots=True)
class _Change:
    """What becomes of one node, and of what refers to its sockets by their old names."""

    node: Node
    renamed: dict[str, str] = field(default_factory=dict)
    renamed_outputs: dict[str, str] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    replaced: dict[str, Mapping[str, Value]] = field(default_factory=dict)
    """By the parameter's old name."""


def migrate_nodes(graph: Graph, catalog: Catalog) -> tuple[Graph, tuple[str, ...]]:
    """The graph with its nodes brought to the versions of the catalog, and a sentence for every node that changed or is too new.

    Links, ports and promoted values of subgraphs follow. A node type that was renamed is found where the old type is still in the catalog,
    with a migration to the new one. Nodes of unknown types stay as they are. The very graph comes back where nothing changed.
    """
    notes: list[str] = []
    tables: dict[SubgraphId, _Tables] = {}
    subgraphs = dict(graph.subgraphs)
    for id in _innermost_first(graph.subgraphs):
        subgraphs[id], tables[id] = _migrate_subgraph(id, graph.subgraphs[id], catalog, tables, notes)
    migrated, _ = _migrate_graph(graph, catalog, tables, "", notes)
    if any(subgraphs[id] is not graph.subgraphs[id] for id in subgraphs):
        migrated = replace(migrated, subgraphs=subgraphs)
    return migrated, tuple(notes)


def _innermost_first(subgraphs: Mapping[SubgraphId, Subgraph]) -> Iterable[SubgraphId]:
    """Every definition after those that it uses. Of a circle, in some order."""
    done: dict[SubgraphId, None] = {}
    begun: set[SubgraphId] = set()
    waiting = [(id, False) for id in subgraphs]
    while waiting:
        id, parts_done = waiting.pop()
        if parts_done:
            done[id] = None
        elif id not in begun and id in subgraphs:
            begun.add(id)
            waiting.append((id, True))
            parts = (subgraph_of(node.type) for node in subgraphs[id].graph.nodes.values())
            waiting.extend((part, False) for part in parts if part is not None)
    return done


def _migrate_subgraph(
    id: SubgraphId, definition: Subgraph, catalog: Catalog, tables: Mapping[SubgraphId, _Tables], notes: list[str]
) -> tuple[Subgraph, _Tables]:
    """The definition, and by its input ports the values of instances that have to be replaced."""
    graph, changes = _migrate_graph(definition.graph, catalog, tables, f"{id}/", notes)
    if not changes:
        return definition, {}
    inputs = tuple(_moved(port, changes, outputs=False) for port in definition.inputs)
    outputs = tuple(_moved(port, changes, outputs=True) for port in definition.outputs)
    promoted = {
        port.name: table
        for port in definition.inputs
        for end in port.inner[:1]
        if end.node in changes and (table := changes[end.node].replaced.get(end.name))
    }
    kept = tuple(port for port in inputs if port.inner), tuple(port for port in outputs if port.inner)
    return replace(definition, graph=graph, inputs=kept[0], outputs=kept[1]), promoted


def _moved(port: Port, changes: Mapping[NodeId, _Change], *, outputs: bool) -> Port:
    inner = []
    for end in port.inner:
        change = changes.get(end.node)
        if change is None:
            inner.append(end)
        elif outputs:
            inner.append(Socket(end.node, change.renamed_outputs.get(end.name, end.name)))
        elif end.name not in change.dropped:
            inner.append(Socket(end.node, change.renamed.get(end.name, end.name)))
    return replace(port, inner=tuple(inner))


def _migrate_graph(
    graph: Graph, catalog: Catalog, tables: Mapping[SubgraphId, _Tables], place: str, notes: list[str]
) -> tuple[Graph, Mapping[NodeId, _Change]]:
    changes: dict[NodeId, _Change] = {}
    for id, node in graph.nodes.items():
        definition = subgraph_of(node.type)
        if definition is not None:
            if promoted := tables.get(definition):
                changes[id] = _Change(_with_values(node, promoted), replaced=dict(promoted))
            continue
        change = _migrate_node(node, catalog)
        if change is not None:
            changes[id] = change
            notes.append(_sentence(place + id, node, change.node))
        elif (spec := catalog.get(node.type)) is not None and node.version > spec.version:
            notes.append(
                f"{place}{id}: This was saved for version {node.version} of '{node.type}'; version {spec.version} is here. "
                "Its values are kept as they are."
            )
    if not changes:
        return graph, changes
    nodes = {**graph.nodes, **{id: change.node for id, change in changes.items()}}
    return replace(graph, nodes=nodes, links=_migrate_links(graph.links, changes)), changes


def _sentence(place: str, old: Node, new: Node) -> str:
    if old.type != new.type:
        return f"{place}: '{old.type}' is called '{new.type}' now (version {old.version} to {new.version})."
    return f"{place}: Updated from version {old.version} of '{new.type}' to {new.version}."


def _migrate_links(links: Mapping[Socket, Socket], changes: Mapping[NodeId, _Change]) -> dict[Socket, Socket]:
    moved: dict[Socket, Socket] = {}
    for input, output in links.items():
        target, source = changes.get(input.node), changes.get(output.node)
        if target is not None:
            if input.name in target.dropped:
                continue
            input = Socket(input.node, target.renamed.get(input.name, input.name))
        if source is not None:
            output = Socket(output.node, source.renamed_outputs.get(output.name, output.name))
        moved[input] = output
    return moved


def _migrate_node(node: Node, catalog: Catalog) -> _Change | None:
    """The node brought forward, or None where it is of the current version, a later one, or an unknown type."""
    change = _Change(node)
    while (step := _next(change.node, catalog)) is not None:
        _take(step, change)
        spec = catalog.get(change.node.type)
        if step.type and spec is not None and spec.version < change.node.version:
            change.node = replace(change.node, version=spec.version)
    spec = catalog.get(change.node.type)
    if spec is not None and change.node.version < spec.version:
        change.node = replace(change.node, version=spec.version)
    return change if change.node is not node else None


def _next(node: Node, catalog: Catalog) -> Migration | None:
    spec = catalog.get(node.type)
    later = [one for one in spec.migrations if node.version < one.to <= spec.version] if spec is not None else []
    return min(later, key=lambda one: one.to, default=None)


def _take(step: Migration, change: _Change) -> None:
    node = change.node
    values = {
        step.renamed.get(name, name): value for name, value in node.parameters.items() if name not in step.dropped
    }
    values.update({name: value for name, value in step.added.items() if name not in values})
    values.update({name: _replaced(values[name], table) for name, table in step.replaced.items() if name in values})
    change.node = replace(node, type=step.type or node.type, version=step.to, parameters=values)
    change.dropped.update(first for name in step.dropped if (first := _first(name, change.renamed)) is not None)
    _follow(change.renamed, step.renamed)
    _follow(change.renamed_outputs, step.renamed_outputs)
    for name, table in step.replaced.items():
        first = _first(name, change.renamed)
        if first is not None:
            earlier = change.replaced.get(first, {})
            change.replaced[first] = {**table, **{text: _replaced(value, table) for text, value in earlier.items()}}


def _first(name: str, renamed: Mapping[str, str]) -> str | None:
    """What a name of now was in the saved file; None where it came later."""
    for first, last in renamed.items():
        if last == name:
            return first
    return None if name in renamed else name


def _follow(renamed: dict[str, str], step: Mapping[str, str]) -> None:
    """Carry a step's new names into those from the first names to the last."""
    reached = set(renamed.values())
    for first, last in renamed.items():
        renamed[first] = step.get(last, last)
    for old, new in step.items():
        if old not in reached:
            renamed.setdefault(old, new)


def _with_values(instance: Node, tables: _Tables) -> Node:
    values = {name: _replaced(value, tables.get(name, {})) for name, value in instance.parameters.items()}
    return replace(instance, parameters=values)


def _replaced(value: Value, table: Mapping[str, Value]) -> Value:
    """The new value that a table gives for the text of the old one: a text itself, everything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    return table.get(text, value)
