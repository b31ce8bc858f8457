"""The document that an artist opens and saves: a graph with its title and the view of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from studio.graph.graph import Graph, Point, Value, empty


@dataclass(frozen=True, slots=True)
class View:
    """Where the canvas was looking: the scene point at its centre, and the zoom."""

    center: Point = (0.0, 0.0)
    zoom: float = 1.0
    extra: Mapping[str, Value] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class Workflow:
    """A graph, its title, a description for templates, and the view. `extra` holds what a file said beyond this, verbatim."""

    graph: Graph = field(default_factory=Graph)
    title: str = ""
    description: str = ""
    view: View | None = None
    extra: Mapping[str, Value] = field(default_factory=empty)
