"""`wirelight diff` and `wirelight models`: what differs between two workflows, and which models one lacks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from studio.app.missing import missing_models
from studio.cli import BAD_INPUT, FAILED, OK
from studio.cli.inputs import open_named
from studio.cli.worker import catalog
from studio.graph.codec import encode
from studio.graph.graph import Graph, Node
from studio.library.models import find_models


def diff_workflows(options: argparse.Namespace) -> int:
    """Print what the second workflow has that the first has not, and the other way round. Exit status 1 where they differ."""
    first, second = open_named(options.first)[0].workflow, open_named(options.second)[0].workflow
    changes = list(_changes(first.graph, second.graph, ""))
    for id in sorted({*first.graph.subgraphs, *second.graph.subgraphs}):
        before, after = first.graph.subgraphs.get(id), second.graph.subgraphs.get(id)
        if before is None or after is None:
            changes.append({"what": "subgraph added" if before is None else "subgraph removed", "where": id})
        else:
            changes.extend(_changes(before.graph, after.graph, f"{id}/"))
    if options.json:
        print(json.dumps(changes, ensure_ascii=False, indent=2))
    else:
        for one in changes:
            values = f": {_short(one['before'])} -> {_short(one['after'])}" if "before" in one else ""
            print(f"{one['what']}: {one['where']}{values}")
        if not changes:
            print("The two workflows do the same.")
    return FAILED if changes else OK


def _changes(before: Graph, after: Graph, path: str) -> Iterator[dict[str, Any]]:
    """Nodes, values and links that differ; where things lie on the canvas does not count."""
    for id in sorted({*before.nodes, *after.nodes}):
        old, new = before.nodes.get(id), after.nodes.get(id)
        if old is None or new is None:
            kind = new.type if new is not None else old.type if old is not None else ""
            yield {"what": "node added" if old is None else "node removed", "where": f"{path}{id}", "type": kind}
        else:
            yield from _node_changes(old, new, f"{path}{id}")
    for input in sorted({*before.links, *after.links}):
        source, target = before.links.get(input), after.links.get(input)
        if source != target and input.node in after.nodes and input.node in before.nodes:
            yield {
                "what": "link",
                "where": f"{path}{input}",
                "before": str(source) if source else None,
                "after": str(target) if target else None,
            }


def _node_changes(old: Node, new: Node, where: str) -> Iterator[dict[str, Any]]:
    for what, before, after in (
        ("type", old.type, new.type),
        ("title", old.title, new.title),
        ("mode", old.mode.value, new.mode.value),
        ("locked", old.locked, new.locked),
    ):
        if before != after:
            yield {"what": what, "where": where, "before": before, "after": after}
    values: tuple[Mapping[str, Any], Mapping[str, Any]] = (old.parameters, new.parameters)
    for name in sorted({*values[0], *values[1]}):
        held = values[0].get(name), values[1].get(name)
        if held[0] != held[1] or (name in values[0]) != (name in values[1]):
            yield {"what": "value", "where": f"{where}.{name}", "before": held[0], "after": held[1]}


def show_models(options: argparse.Namespace) -> int:
    """List the models of the library; with a workflow, those that it names and the library lacks, with exit status 2."""
    if options.missing is None:
        entries = find_models()
        if options.json:
            plain = [{"name": one.name, "kind": one.kind, "path": str(one.path), "size": one.size} for one in entries]
            print(json.dumps(plain, ensure_ascii=False, indent=2))
        else:
            for one in entries:
                print(f"{one.kind:<12}  {one.name}")
        return OK
    opened, name = open_named(options.missing)
    missing = missing_models(opened.workflow.graph, catalog())
    if options.json:
        print(json.dumps([encode(one) for one in missing], ensure_ascii=False, indent=2))
    else:
        for lacks in missing:
            print(f"{lacks.node}: {lacks.name}: {lacks.what} {lacks.mend}".rstrip())
        if not missing:
            print(f"{name}: All models are in the library.")
    return BAD_INPUT if missing else OK


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
