"""The graph as a value: nodes, links, frames, notes and subgraphs. Nothing here changes; see `edits`."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NewType, TypeAlias

from studio.graph.errors import CodecError, DocumentError

NodeId = NewType("NodeId", str)
"""Unique in its graph. A word (`sampler`); inside subgraphs of a flat graph a path (`upscale/sampler`)."""
FrameId = NewType("FrameId", str)
NoteId = NewType("NoteId", str)
SubgraphId = NewType("SubgraphId", str)

Value: TypeAlias = Any
"""What a parameter may hold: None, bool, int, finite float, str, or lists and str-keyed dicts of these. Treated as immutable."""

Point: TypeAlias = tuple[float, float]
"""x to the right, y down, in scene units (one unit is one pixel at zoom 1)."""

_EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})
_ID: Final = re.compile(r"[\w\-:]{1,200}")
_SUBGRAPH_TYPE: Final = "subgraph:"
REROUTE: Final = "graph/Reroute"
"""The type of a bend in a wire: one input `value`, one output `value`, nothing in between."""


def empty() -> Mapping[str, Any]:
    """The one empty mapping that all values share."""
    return _EMPTY


class Mode(StrEnum):
    """Whether a node takes part in a run."""

    ACTIVE = "active"
    BYPASSED = "bypassed"
    """Each output passes on the first input of a type that fits."""
    MUTED = "muted"
    """Neither the node nor what needs it runs."""


class Socket(NamedTuple):
    """One end of a link: a node and the name of one of its inputs or outputs.

    A tuple, because links are looked up by it: that hashes and compares several times faster than a dataclass.
    """

    node: NodeId
    name: str

    def __str__(self) -> str:
        return f"{self.node}.{self.name}"

    def to_plain(self) -> str:
        """`sampler.latent`."""
        return f"{self.node}.{self.name}"

    @classmethod
    def from_plain(cls, text: object) -> Socket:
        """The socket that `to_plain` wrote. Raises `CodecError`."""
        node, _, name = text.partition(".") if isinstance(text, str) else ("", "", "")
        if not node or not name:
            raise CodecError(f"'{text}' is not a socket.", mend="Write node.socket.")
        return cls(NodeId(node), name)


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the graph. Parameters that are not named have their declared default.

    `version` is that of the node type which the parameters were written for. `locked` is the key of a kept result, which then stands
    for the node. `extra` holds what a file said beyond this, verbatim.
    """

    type: str
    parameters: Mapping[str, Value] = field(default_factory=empty)
    position: Point = (0.0, 0.0)
    version: int = 1
    title: str = ""
    size: Point | None = None
    color: str = ""
    collapsed: bool = False
    pinned: bool = False
    mode: Mode = Mode.ACTIVE
    locked: str = ""
    extra: Mapping[str, Value] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class Frame:
    """A titled rectangle behind nodes; it carries those that lie inside when it is moved."""

    title: str = ""
    position: Point = (0.0, 0.0)
    size: Point = (400.0, 300.0)
    color: str = ""
    extra: Mapping[str, Value] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class Note:
    """A text on the canvas, in Markdown."""

    text: str = ""
    position: Point = (0.0, 0.0)
    size: Point = (240.0, 120.0)
    color: str = ""
    extra: Mapping[str, Value] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class Port:
    """A socket of a subgraph, and the inner sockets behind it: inputs that it feeds, or the one output that it shows.

    An input port over a parameter is a promoted control: an instance may hold its own value under the port's name.
    """

    name: str
    inner: tuple[Socket, ...]
    extra: Mapping[str, Value] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A graph as a node. Every node of type `subgraph:ID` is an instance: edit the definition once, and all change."""

    title: str
    graph: Graph
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    doc: str = ""
    extra: Mapping[str, Value] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class Graph:
    """An immutable graph. `links` maps each fed input to the output that feeds it. Subgraphs are held by the outermost graph alone."""

    nodes: Mapping[NodeId, Node] = field(default_factory=dict)
    links: Mapping[Socket, Socket] = field(default_factory=dict)
    frames: Mapping[FrameId, Frame] = field(default_factory=dict)
    notes: Mapping[NoteId, Note] = field(default_factory=dict)
    subgraphs: Mapping[SubgraphId, Subgraph] = field(default_factory=dict)
    extra: Mapping[str, Value] = field(default_factory=empty)


def subgraph_of(type: str) -> SubgraphId | None:
    """The definition that a node type refers to, or None for an ordinary node type."""
    return SubgraphId(type[len(_SUBGRAPH_TYPE) :]) if type.startswith(_SUBGRAPH_TYPE) else None


def subgraph_type(id: SubgraphId) -> str:
    """The type that instances of a definition have."""
    return _SUBGRAPH_TYPE + id


def check_id(text: str) -> str:
    """`text`, where it can name a node, frame, note or subgraph: letters, digits, `_`, `-`, `:`. Raises `DocumentError`."""
    if not _ID.fullmatch(text):
        raise DocumentError(f"'{text[:80]}' cannot be a name.", mend="Use up to 200 letters, digits, '_', '-' and ':'.")
    return text


def fresh_id(type: str, taken: Set[str]) -> NodeId:
    """A readable id for a new node: `image/Blur` gives `blur`, then `blur_2` ..."""
    last = type.rpartition("/")[2].rpartition(":")[2]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last)
    stem = re.sub(r"[^\w\-]+", "_", words).strip("_").lower() or "node"
    return NodeId(unused_name(stem, taken))


def unused_name(stem: str, taken: Container[object]) -> str:
    """`stem` where that is free, else with the first number that is: `blur`, then `blur_2` ..."""
    name, count = stem, 1
    while name in taken:
        count += 1
        name = f"{stem}_{count}"
    return name


def fresh_ids(ids: Iterable[NodeId], taken: Set[str]) -> dict[NodeId, NodeId]:
    """For copies of nodes: each its own id where that is free, else its words with another number."""
    fresh: dict[NodeId, NodeId] = {}
    held = set(taken)
    for id in ids:
        stem, _, number = id.rpartition("_")
        fresh[id] = NodeId(id if id not in held else unused_name(stem if number.isdigit() and stem else id, held))
        held.add(fresh[id])
    return fresh
