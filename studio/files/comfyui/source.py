"""A workflow of another program as read, before it becomes a graph of ours: the same for all forms in which ComfyUI writes one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from studio.graph.graph import Mode, Point, Value
from studio.graph.workflow import View

Origin: TypeAlias = tuple[str, int]
"""An output: id of the node, and number of the output."""


@dataclass(slots=True)
class SourceNode:
    """A node. `id` is the text of its id; `rest` holds what the file says beyond the fields here, verbatim."""

    id: str
    type: str
    title: str = ""
    position: Point = (0.0, 0.0)
    size: Point | None = None
    color: str = ""
    collapsed: bool = False
    pinned: bool = False
    mode: Mode = Mode.ACTIVE
    values: dict[str, Value] = field(default_factory=dict)
    hidden: dict[str, Value] = field(default_factory=dict)
    tail: list[Value] = field(default_factory=list)
    defaulted: list[str] = field(default_factory=list)
    clashing: list[str] = field(default_factory=list)
    inputs: list[tuple[str, str]] = field(default_factory=list)
    """Names and types of its input slots."""
    outputs: list[tuple[str, str]] = field(default_factory=list)
    widgets: list[str] = field(default_factory=list)
    """Names of those inputs that are widgets."""
    promoted: list[tuple[str, str]] = field(default_factory=list)
    """Of an instance of a subgraph: inner widgets, by node and name, that it shows as its own."""
    promoted_values: list[Value] = field(default_factory=list)
    """One for each of `promoted`, or none at all where the inner values hold."""
    pack: str = ""
    pack_version: str = ""
    rest: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class SourceGroup:
    """A titled rectangle."""

    title: str
    position: Point
    size: Point
    color: str = ""
    rest: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class SourceGraph:
    """Nodes by id, links from (node, name of the input) to the output that feeds it."""

    nodes: dict[str, SourceNode] = field(default_factory=dict)
    links: dict[tuple[str, str], Origin] = field(default_factory=dict)
    groups: list[SourceGroup] = field(default_factory=list)


@dataclass(slots=True)
class SourcePort:
    """A socket of a subgraph. An input feeds the inner inputs `targets`; an output shows `origin`, or hands on the input `through`."""

    name: str
    type: str
    targets: list[tuple[str, str]] = field(default_factory=list)
    origin: Origin | None = None
    through: int | None = None


@dataclass(slots=True)
class SourceSubgraph:
    """A definition, of which a node of type `id` is an instance."""

    id: str
    title: str
    graph: SourceGraph
    inputs: list[SourcePort] = field(default_factory=list)
    outputs: list[SourcePort] = field(default_factory=list)
    rest: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Source:
    """A whole workflow. `notes`: sentences on what did not fit."""

    graph: SourceGraph
    subgraphs: dict[str, SourceSubgraph] = field(default_factory=dict)
    view: View | None = None
    rest: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    program: str = "ComfyUI"
    key: str = "comfyui"
    """Names the program's table of counterparts, its placeholders, and where our nodes keep what it says beyond our fields."""
