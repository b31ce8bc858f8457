"""`wirelight nodes`: all node types, those that words find, or one in full."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from itertools import groupby

from studio.app.search import Search
from studio.cli import OK
from studio.cli.values import near
from studio.cli.worker import catalog
from studio.graph.codec import encode
from studio.graph.errors import Misuse
from studio.graph.spec import Catalog, Input, NodeSpec, Number, Options, Seed


def show_nodes(options: argparse.Namespace) -> int:
    """List node types, or explain the one that is named. Raises `Misuse` where nothing fits."""
    known = catalog()
    found = _found(known, options.name) if options.name else sorted(known.specs.values(), key=lambda one: one.type)
    if options.json:
        one = options.name and len(found) == 1
        print(json.dumps(encode(found[0]) if one else [encode(spec) for spec in found], ensure_ascii=False, indent=2))
    elif len(found) == 1:
        _explain(found[0])
    else:
        _list(found)
    return OK


def _found(known: Catalog, name: str) -> list[NodeSpec]:
    exact = [
        spec
        for spec in known.specs.values()
        if name.lower() in (spec.type.lower(), spec.title.lower(), spec.type.rpartition("/")[2].lower())
    ]
    found = exact or [match.spec for match in Search(known).find(name)]
    if not found:
        raise Misuse("No node is called so.", where=name, mend=near(name, known.specs, "There are"))
    return found


def _list(specs: Iterable[NodeSpec]) -> None:
    rows = list(specs)
    width = max(len(spec.type) for spec in rows)
    for category, members in groupby(rows, key=lambda spec: spec.category):
        print(category)
        for spec in members:
            print(f"  {spec.type:<{width}}  {spec.doc.partition(chr(10))[0]}".rstrip())


def _explain(spec: NodeSpec) -> None:
    print(f"{spec.title}  ({spec.type}, version {spec.version}, from {spec.package})")
    if spec.doc:
        print(f"\n{spec.doc}")
    sections = (
        ("Inputs", [(one.name, f"{one.type}{_may_lack(one)}", one.doc) for one in spec.sockets]),
        ("Parameters", [(one.name, _value(one), one.doc) for one in spec.parameters]),
        ("Outputs", [(one.name, str(one.type), one.doc) for one in spec.outputs]),
    )
    for title, rows in sections:
        if rows:
            print(f"\n{title}")
            widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
            for name, what, doc in rows:
                print(f"  {name:<{widths[0]}}  {what:<{widths[1]}}  {doc}".rstrip())


def _may_lack(one: Input) -> str:
    return ", optional" if one.optional else ""


def _value(one: Input) -> str:
    return f"{one.type} = {json.dumps(one.default, ensure_ascii=False)}{_range(one)}"


def _range(one: Input) -> str:
    match one.control:
        case Number(low=low, high=high, unit=unit) if low is not None or high is not None:
            ends = f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
            return f" ({ends}{' ' + unit if unit else ''})"
        case Seed():
            return " (0..2^63-1)"
        case Options(choices=choices):
            return f" ({', '.join(choices[:8])}{', ...' if len(choices) > 8 else ''})"
        case _:
            return ""
