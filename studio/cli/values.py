"""`--set NODE.PARAM=VALUE`: a value as the parameter's own type reads it, as an edit of the graph."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from studio.graph.check import value_problems
from studio.graph.edits import SetParameter
from studio.graph.errors import Misuse
from studio.graph.flat import spec_of
from studio.graph.graph import Graph, NodeId, Socket, Value
from studio.graph.spec import Catalog, Input

_TRUE: Final = ("true", "yes", "on", "1")
_FALSE: Final = ("false", "no", "off", "0")


def set_values(graph: Graph, catalog: Catalog, assignments: Iterable[str]) -> Graph:
    """The graph with all the assignments made. Raises `Misuse`, naming the node, the parameter, and what comes near."""
    for assignment in assignments:
        graph, _ = read_assignment(graph, catalog, assignment).apply(graph)
    return graph


def read_assignment(graph: Graph, catalog: Catalog, assignment: str) -> SetParameter:
    """The edit that `NODE.PARAM=VALUE` means. Raises `Misuse`."""
    target, equals, text = assignment.partition("=")
    node_name, dot, name = target.strip().rpartition(".")
    if not equals or not dot or not node_name or not name:
        raise Misuse(f"'{assignment}' is no assignment.", where="--set", mend="Write NODE.PARAM=VALUE.")
    node = graph.nodes.get(NodeId(node_name))
    if node is None:
        raise Misuse(
            f"There is no node '{node_name}'.", where=f"--set {target}", mend=near(node_name, graph.nodes, "It has")
        )
    spec = spec_of(graph, node, catalog)
    if spec is None:
        raise Misuse(
            f"Nothing here offers the node type '{node.type}' of '{node_name}'.",
            where=f"--set {target}",
            mend="Install or enable the plugin that it comes from.",
        )
    declared = spec.inputs_by_name.get(name)
    if declared is None or declared.control is None:
        known = [one.name for one in spec.parameters]
        raise Misuse(
            f"'{node_name}' has no parameter '{name}'.", where=f"--set {target}", mend=near(name, known, "It has")
        )
    source = graph.links.get(Socket(NodeId(node_name), name))
    if source is not None:
        raise Misuse(
            f"'{name}' of '{node_name}' comes through a link from '{source}'.",
            where=f"--set {target}",
            mend="Set it there.",
        )
    value = read_value(declared, text, f"--set {target}")
    for problem in value_problems(NodeId(node_name), declared, value):
        raise Misuse(problem.what, where=f"--set {target}", mend=problem.mend)
    return SetParameter(NodeId(node_name), name, value)


def read_value(declared: Input, text: str, where: str) -> Value:
    """A value from the words of a command line. Raises `Misuse`."""
    if declared.type.item is not None:
        return _read(json.loads, text, where, "a JSON list, as [1, 2]")
    match declared.type.name:
        case "Int":
            return _read(_whole, text, where, "a whole number")
        case "Float":
            return _read(float, text, where, "a number")
        case "Bool":
            return _read(_truth, text, where, "true or false")
        case _:
            return text


def near(name: str, known: Iterable[str], words: str) -> str:
    """What to write instead: the names that come near, else all that there are."""
    from difflib import get_close_matches

    names = list(known)
    close = get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(repr(one) for one in close)}?"
    few = ", ".join(names[:20]) + (" ..." if len(names) > 20 else "")
    return f"{words}: {few or 'none'}."


def _read(reader: Callable[[str], Any], text: str, where: str, words: str) -> Value:
    try:
        return reader(text)
    except (ValueError, RecursionError):
        raise Misuse(f"'{text}' is not {words}.", where=where) from None


def _whole(text: str) -> int:
    """`20`, `0x14`, `1_000`."""
    return int(text.strip(), 0)


def _truth(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise ValueError(word)
    return word in _TRUE
