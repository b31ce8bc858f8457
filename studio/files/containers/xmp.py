"""XMP (ISO 16684-1), read as text: attributes and elements of the names that programs use for workflows, and never as XML.

An XML parser would have to be kept from entities that grow without end and from looking up files; a workflow stands there as plain
text, so that finding its name is enough.
"""

from __future__ import annotations

import html
import re
from typing import Final

from studio.files.containers.limits import text_of

_NAMES: Final = r"(workflow|prompt|parameters|wirelight|invokeai_metadata|invokeai_workflow|UserComment|description)"
_PREFIX: Final = r"(?:[\w.-]{1,40}:)?"
_ATTRIBUTE: Final = re.compile(rf"\b{_NAMES}\s{{0,20}}=\s{{0,20}}(?:\"([^\"<]*)\"|'([^'<]*)')")
_OPENING: Final = re.compile(rf"<({_PREFIX}{_NAMES})(?:\s[^<>]*)?>")
_TAG: Final = re.compile(r"<[^<>]*>")
_MOST: Final = 8 * 2**20


def read(data: bytes) -> dict[str, str]:
    """The texts by the name of their attribute or element, without its prefix; `UserComment` is `parameters`."""
    packet = text_of(data[:_MOST])
    texts: dict[str, str] = {}
    for name, double, single in _ATTRIBUTE.findall(packet):
        texts.setdefault(_key(name), html.unescape(double or single))
    endless: set[str] = set()
    for found in _OPENING.finditer(packet):
        tag, name = found.groups()
        end = -1 if tag in endless else packet.find(f"</{tag}", found.end())
        if end < 0:
            endless.add(tag)
        else:
            texts.setdefault(_key(name), html.unescape(_TAG.sub("", packet[found.end() : end])).strip())
    return texts


def _key(name: str) -> str:
    return "parameters" if name == "UserComment" else name
