"""Nodes, graphs and a report for the engine's tests. What ran is told by the report, so that nodes need no memory of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from studio.engine import Engine, RunOptions, RunState, Silent, Store
from studio.graph.check import Problem
from studio.graph.errors import NodeFailed
from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.sdk import FilePath, Image, Lazy, OpenFile, node, running
from studio.sdk.context import PreviewMaker
from studio.sdk.registry import Registry


@node("test/Add")
def add(a: float = 0.0, b: float = 0.0) -> float:
    """Add two numbers."""
    return a + b


@node("test/Words")
def words(text: str = "a b") -> list[str]:
    """The words of a text."""
    return text.split()


@node("test/Groups")
def groups(text: str = "a b|c") -> list[list[str]]:
    """The words of each part."""
    return [part.split() for part in text.split("|")]


@node("test/Join")
def join(first: str = "", second: str = "!") -> str:
    """One text of two."""
    return first + second


@node("test/Count")
def count(items: list[str]) -> int:
    """How many."""
    return len(items)


class Sides(NamedTuple):
    left: str
    right: str


@node("test/Halve")
def halve(text: str = "") -> Sides:
    """Both halves of a text."""
    return Sides(text[: len(text) // 2], text[len(text) // 2 :])


def wanted_side(take_first: bool) -> set[str]:
    return {"first"} if take_first else {"second"}


@node("test/Switch", needs=wanted_side)
def switch(first: Lazy[float], second: Lazy[float], take_first: bool = True) -> float:
    """One of two, and only that one is computed."""
    chosen = first if take_first else second
    assert chosen is not None
    assert (second if take_first else first) is None
    return chosen


@node("test/Grey")
def grey(level: float = 0.5, size: int = 8) -> Image:
    """A grey picture."""
    return Image.solid(size, size, (level,))


@node("test/Invert")
def invert(image: Image) -> Image:
    """The opposite."""
    return Image(1 - image.pixels)


@node("test/Scribble")
def scribble(image: Image) -> Image:
    """Writes into its input, which no node may."""
    image.pixels[:] = 0
    return image


@node("test/Fail")
def fail(value: float = 0.0) -> float:
    """Raises."""
    raise ZeroDivisionError("no way")


@node("test/Read")
def read(path: FilePath = OpenFile("")) -> str:
    """The text of a file."""
    return Path(path).read_text(encoding="utf-8")


@node("test/Write", effect=True)
def write(text: str, name: str = "text") -> None:
    """A text file in the output folder."""
    context = running()
    context.out.mkdir(parents=True, exist_ok=True)
    path = context.out / f"{name}.txt"
    path.write_text(text, encoding="utf-8")
    context.wrote(path, "other")


@node("test/Steps", live=True)
def steps(value: float = 0.0, count: int = 4) -> float:
    """Reports steps."""
    for index in range(1, count + 1):
        running().step(index, count, 1 - index / count)
    return value


REGISTRY = Registry()
for _function in (add, words, groups, join, count, halve, switch, grey, invert, scribble, fail, read, write, steps):
    REGISTRY.add(_function.definition)  # type: ignore[attr-defined]


def registry(*functions: object) -> Registry:
    """The kit's nodes, and these."""
    made = Registry()
    for definition in REGISTRY:
        made.add(definition)
    for function in functions:
        made.add(function.definition)  # type: ignore[attr-defined]
    return made


def graph(**nodes: tuple[str, dict[str, Any]]) -> Graph:
    """Of nodes by id: their type below `test/`, and their inputs; a text `@id.output` (or `@id`, for the only one) is a link."""
    made: dict[NodeId, Node] = {}
    links: dict[Socket, Socket] = {}
    for id, (type, inputs) in nodes.items():
        parameters = {}
        for name, value in inputs.items():
            if isinstance(value, str) and value.startswith("@"):
                source, _, output = value[1:].partition(".")
                links[Socket(NodeId(id), name)] = Socket(NodeId(source), output or _only_output(nodes[source][0]))
            else:
                parameters[name] = value
        made[NodeId(id)] = Node(f"test/{type}", parameters)
    return Graph(made, links)


def _only_output(type: str) -> str:
    definition = REGISTRY.get(f"test/{type}")
    return definition.spec.outputs[0].name if definition is not None else "output"


class Told(Silent):
    """Everything that a run reported."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.planned = -1
        self.started: list[str] = []
        self.computed: list[str] = []
        self.cached: list[str] = []
        self.failures: dict[str, NodeFailed] = {}
        self.files: list[Path] = []
        self.steps: list[tuple[str, int, int]] = []
        self.logs: list[str] = []
        self.pauses: list[tuple[str, int]] = []
        self.resumes = 0
        self.state: RunState | None = None

    def run_refused(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)

    def run_started(self, planned: int, cached: Sequence[NodeId]) -> None:
        self.planned = planned

    def node_started(self, node: NodeId) -> None:
        self.started.append(node)

    def stepped(
        self, node: NodeId, index: int, of: int, sigma: float, left: float | None, preview: PreviewMaker | None
    ) -> None:
        self.steps.append((node, index, of))

    def node_finished(self, node: NodeId, type: str, seconds: float, cached: bool) -> None:
        (self.cached if cached else self.computed).append(node)

    def node_failed(self, failure: NodeFailed) -> None:
        self.failures[failure.node] = failure

    def wrote(self, node: NodeId, path: Path, media: str) -> None:
        self.files.append(path)

    def paused(self, node: NodeId, step: int) -> None:
        self.pauses.append((node, step))

    def resumed(self) -> None:
        self.resumes += 1

    def log(self, text: str, level: str, node: NodeId | None) -> None:
        self.logs.append(text)

    def run_finished(self, state: RunState, seconds: float) -> None:
        self.state = state


def run(engine: Engine, graph: Graph, *wanted: str, out: Path | None = None, told: Told | None = None) -> Told:
    """What a run reports."""
    told = told or Told()
    engine.run(graph, [NodeId(id) for id in wanted], RunOptions(out or Path("out")), told)
    return told


def value(engine: Engine, node: str, output: str = "") -> Any:  # noqa: ANN401 - any value
    """What a node gave in the last run."""
    names = engine._planner.tasks[NodeId(node)].type.output_names  # type: ignore[union-attr]
    return engine.value(NodeId(node), output or names[0])


def stored(folder: Path) -> Engine:
    """An engine of the kit's nodes that stores in `folder`, as a new process would start it."""
    return Engine(REGISTRY, Store(folder))
