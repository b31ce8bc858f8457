"""The add menu's search: which node types the artist may mean by a few letters, or by a wire that was let go over empty canvas."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from studio.graph.spec import Catalog, NodeSpec
from studio.graph.types import ANY, SocketType, refusal

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_EXACT, _START, _WORD_START, _INITIALS, _INSIDE, _SCATTERED = 100.0, 80.0, 65.0, 55.0, 40.0, 15.0
_IN_ALIAS: Final = 0.9
_IN_CATEGORY: Final = 0.5
_IN_DOC: Final = 0.3
_MOST_FOR_USE: Final = 10.0
_DEPRECATED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Match:
    """A node type that fits. `socket` is the input or output that the dragged wire would join, empty without a wire."""

    spec: NodeSpec
    score: float
    socket: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    spec: NodeSpec
    names: tuple[tuple[str, tuple[str, ...]], ...]
    """Title, type's last part and aliases in small letters, each with its words."""
    category: str
    doc: str


class Search:
    """Search over one catalog; built once for it."""

    def __init__(self, catalog: Catalog) -> None:
        self._entries = [_entry(spec) for spec in catalog.specs.values()]

    def find(
        self,
        text: str,
        *,
        wire_from: SocketType | None = None,
        wire_to: SocketType | None = None,
        used: Mapping[str, int] | None = None,
    ) -> list[Match]:
        """Node types that fit all words of the text, best first; all types for an empty text.

        `wire_from`: only nodes with an input for that output's type. `wire_to`: only nodes with an output for that input's type.
        `used`: how often the artist has used a type, which decides between equals.
        """
        words = text.lower().split()
        matches = []
        for entry in self._entries:
            fits = _socket(entry.spec, wire_from, wire_to)
            score = _score(entry, words)
            if fits is None or score <= 0:
                continue
            socket, closeness = fits
            times = (used or {}).get(entry.spec.type, 0)
            score += closeness + _MOST_FOR_USE * times / (times + 5)
            matches.append(Match(entry.spec, score * (_DEPRECATED if entry.spec.deprecated else 1.0), socket))
        return sorted(matches, key=lambda match: (-match.score, match.spec.title.lower()))


def _entry(spec: NodeSpec) -> _Entry:
    named = (spec.title, spec.type.rpartition("/")[2], *spec.aliases)
    names = tuple((name.lower(), tuple(word.lower() for word in _WORD.findall(name))) for name in named)
    return _Entry(spec, names, spec.category.lower(), spec.doc.partition("\n")[0].lower())


def _score(entry: _Entry, words: Sequence[str]) -> float:
    """The mean over the words; 0 where one of them fits nowhere."""
    whole = " ".join(words)
    if any(name == whole for name, _ in entry.names):
        return _EXACT
    total = 0.0
    for word in words:
        best = max(_scores(entry, word), default=0.0)
        if not best:
            return 0.0
        total += best
    return total / len(words) if words else 1.0


def _scores(entry: _Entry, word: str) -> Iterator[float]:
    for at, (name, parts) in enumerate(entry.names):
        yield _name_score(name, parts, word) * (1.0 if at < 2 else _IN_ALIAS)
    if entry.category.startswith(word):
        yield _START * _IN_CATEGORY
    if word in entry.doc:
        yield _START * _IN_DOC


def _name_score(name: str, parts: Collection[str], word: str) -> float:
    brevity = len(word) / max(len(name), 1)
    if name.startswith(word):
        return _START + 10 * brevity
    if any(part.startswith(word) for part in parts):
        return _WORD_START + 10 * brevity
    if len(word) > 1 and "".join(part[0] for part in parts).startswith(word):
        return _INITIALS
    if word in name:
        return _INSIDE + 10 * brevity
    return _SCATTERED + 10 * brevity if len(word) > 2 and _is_scattered(word, name) else 0.0


def _is_scattered(word: str, name: str) -> bool:
    """Whether the letters of the word stand in the name in their order, the first one at its beginning."""
    letters = iter(name)
    return name.startswith(word[0]) and all(letter in letters for letter in word)


def _socket(spec: NodeSpec, wire_from: SocketType | None, wire_to: SocketType | None) -> tuple[str, float] | None:
    """The socket that a dragged wire would join and how well it fits, or None where it fits none."""
    if wire_from is not None:
        # Sockets before parameters: a picture rather wants to be an input than a number's source.
        ends = [(one.name, one.type, refusal(wire_from, one.type) is None) for one in (*spec.sockets, *spec.parameters)]
        wanted = wire_from
    elif wire_to is not None:
        ends = [(one.name, one.type, refusal(one.type, wire_to) is None) for one in spec.outputs]
        wanted = wire_to
    else:
        return "", 0.0
    fitting = [(_closeness(type, wanted), name) for name, type, fits in ends if fits]
    best = max(fitting, key=lambda one: one[0], default=None)
    return (best[1], best[0]) if best is not None else None


def _closeness(type: SocketType, wanted: SocketType) -> float:
    if type == wanted:
        return 20.0
    return 0.0 if type == ANY or type.variable else 8.0
