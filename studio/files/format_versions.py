"""How the data of older workflow files becomes that of the current version: one small function a version step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from studio.files.json_text import Numbering

VERSION: Final = 1
"""Of the files that we write."""

_Plain: TypeAlias = dict[str, Any]


def migrate(plain: _Plain, version: int) -> _Plain:
    """The data of a file of an older version (0 <= `version` <= `VERSION`) in the layout of `VERSION`. `plain` stays as it is.

    What does not have the layout of its version is passed on as it is, for the reader to report.
    """
    current = plain
    for step in STEPS[version:]:
        current = step(current)
    return current


def _from_0(plain: _Plain) -> _Plain:
    """The pre-release form: nodes in a list, each with its `id` and `pos`; links in a list of `[output, input]`."""
    nodes, links = plain.get("nodes"), plain.get("links", [])
    if not isinstance(nodes, list) or not isinstance(links, list):
        return plain
    named: dict[str, _Plain] = {}
    numbering = Numbering("{name}_{count}")
    for node in nodes:
        if not isinstance(node, dict) or not isinstance(node.get("id"), str):
            return plain
        block: _Plain = node
        named[numbering.free(block["id"], named)] = {
            _NAMES_0.get(key, key): held for key, held in block.items() if key != "id"
        }
    odd = [link for link in links if not _linked_0(link, named)]
    kept = {name: held for name, held in plain.items() if name != "links"}
    return {**kept, "nodes": named, **({"links": odd} if odd else {})}


def _linked_0(link: object, named: _Plain) -> bool:
    """Put a link into the block of the node that it leads to. False where it leads nowhere."""
    if not isinstance(link, list) or len(link) != 2 or not isinstance(link[1], str):
        return False
    node, _, name = link[1].partition(".")
    if node not in named or not name:
        return False
    named[node].setdefault("inputs", {})[name] = link[0]
    return True


_NAMES_0: Final = {"pos": "position", "values": "parameters"}

STEPS: Final[tuple[Callable[[_Plain], _Plain], ...]] = (_from_0,)
"""The function at index n takes version n to n + 1. Each has a real old file in the tests."""
