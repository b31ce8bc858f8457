"""The help of a node, from its docstring.

The first line says what it does; more may follow. A section `Args:` describes arguments and a section `Returns:` outputs, one
`name: what it is` a line, continued by indenting further. With a single output, `Returns:` may hold the text alone.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_SECTION: Final = re.compile(r"(Args|Returns):\s*")
_ENTRY: Final = re.compile(r"(\w+):\s+(.*)")


@dataclass(frozen=True, slots=True)
class Help:
    """`text`: what the node does, without the sections. `result`: the text of `Returns:` where it names no outputs."""

    text: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    result: str = ""


def read_docstring(docstring: str | None) -> Help:
    """The help in a docstring; paragraphs are joined to one line each, since the window breaks lines itself."""
    sections: dict[str, list[str]] = {"": []}
    section = ""
    for line in inspect.cleandoc(docstring or "").splitlines():
        heading = _SECTION.fullmatch(line)
        if heading:
            section = heading[1]
            sections[section] = []
        elif section and line and not line[0].isspace():
            section = ""
            sections[""].append(line)
        else:
            sections[section].append(line)
    arguments, _ = _entries(sections.get("Args", []))
    outputs, result = _entries(sections.get("Returns", []))
    return Help(_paragraphs(sections[""]), arguments, outputs, result)


def _entries(lines: list[str]) -> tuple[dict[str, str], str]:
    """Named entries, and the text that belongs to none."""
    lines = inspect.cleandoc("\n".join(["", *lines])).splitlines()
    entries: dict[str, list[str]] = {}
    free: list[str] = []
    current = free
    for line in lines:
        entry = _ENTRY.fullmatch(line)
        if entry and not line[0].isspace():
            current = entries.setdefault(entry[1], [])
            current.append(entry[2])
        else:
            current.append(line)
    return {name: _paragraphs(text) for name, text in entries.items()}, _paragraphs(free)


def _paragraphs(lines: list[str]) -> str:
    blocks: list[list[str]] = [[]]
    for line in lines:
        stripped = line.strip()
        if not stripped:
            blocks.append([])
        elif stripped.startswith(("- ", "* ")):
            blocks[-1].append(f"\n{stripped}")
        else:
            blocks[-1].append(f" {stripped}")
    return "\n\n".join("".join(block).strip() for block in blocks if block)
