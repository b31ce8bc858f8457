"""How the data of older workflow files becomes that of the current version: one small function a version step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

VERSION: Final = 1
"""Of the files that we write."""

_Plain: TypeAlias = dict[str, Any]


def migrate(plain: Mapping[str, Any], version: int) -> _Plain:
    """The data of a file of an older version (0 <= `version` <= `VERSION`) in the layout of `VERSION`. `plain` stays as it is.

    What does not have the layout of its version is passed on as it is, for the reader to report.
    """
    current = dict(plain)
    for step in STEPS[version:]:
        current = step(current)
    return current


def _from_0(plain: _Plain) -> _Plain:
    """The pre-release form: nodes in a list, each with its `id` and `pos`; links in a list of `[output, input]`."""
    nodes = plain.get("nodes")
    links = plain.pop("links", [])
    if not isinstance(nodes, list) or not all(
        isinstance(node, dict) and isinstance(node.get("id"), str) for node in nodes
    ):
        return plain
    named: dict[str, _Plain] = {}
    for node in nodes:
        block = {_NAMES_0.get(name, name): held for name, held in node.items() if name != "id"}
        named.setdefault(node["id"], block)
    for link in links if isinstance(links, list) else []:
        output, input = link if isinstance(link, list) and len(link) == 2 else (None, None)
        node, _, name = input.partition(".") if isinstance(input, str) else ("", "", "")
        if node in named:
            named[node].setdefault("inputs", {})[name] = output
    return {**plain, "nodes": named}


_NAMES_0: Final = {"pos": "position", "values": "parameters"}

STEPS: Final[tuple[Callable[[_Plain], _Plain], ...]] = (_from_0,)
"""The function at index n takes version n to n + 1. Each has a real old file in the tests."""
