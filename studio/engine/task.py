"""What runs: the nodes of a flat graph with what feeds them, and what is known of their types."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from studio.engine.keys import NO_KEY, Key, KeyMaker
from studio.engine.lists import depth_taken
from studio.graph.check import Problem, value_problems
from studio.graph.flat import FlatNode
from studio.graph.graph import NodeId, Value
from studio.graph.types import TRAIL, innermost
from studio.sdk.calling import Caller
from studio.sdk.definition import NodeDefinition


class NodeType:
    """A definition with what is needed of it for every node, worked out once."""

    __slots__ = (
        "caller",
        "definition",
        "fingerprinted",
        "fitting",
        "keys",
        "lazy",
        "needed",
        "output_names",
        "parameters",
        "reads_outside",
        "spec",
        "taken",
        "trails",
    )

    def __init__(self, definition: NodeDefinition) -> None:
        self.definition = definition
        self.spec = definition.spec
        self.keys = KeyMaker(definition.spec)
        self.caller = Caller(definition)
        self.output_names = tuple(one.name for one in self.spec.outputs)
        self.taken = {one.name: depth_taken(one.type) for one in self.spec.inputs}
        self.lazy = frozenset(one.name for one in self.spec.inputs if one.lazy)
        self.parameters = {one.name: one for one in self.spec.parameters}
        self.fingerprinted = _named_parameters(definition.fingerprint, self.parameters)
        self.needed = frozenset(one.name for one in self.spec.sockets if not one.optional)
        self.fitting: set[tuple[str, str, NodeType | None]] = set()
        """Links that were found right: input, output, and the type of the node that has the output."""
        self.trails = frozenset(one.name for one in self.spec.outputs if innermost(one.type) == TRAIL)
        """Outputs whose states lie in the step store."""
        self.reads_outside = bool(definition.files) or definition.fingerprint is not None or definition.volatile

    def is_fine(self, task: Task) -> bool:
        """Whether nothing is wrong with a node, as far as a quick look tells."""
        node = task.node
        linked = node.inputs
        if not self.needed <= linked.keys() or len(task.edges) != len(linked):
            return False
        for edge in task.edges:
            if (edge.input, edge.output, edge.source.type) not in self.fitting:
                return False
        for name, value in node.parameters.items():
            declared = self.parameters.get(name)
            if declared is None or (name not in linked and any(value_problems(task.id, declared, value))):
                return False
        return True

    def value(self, node: FlatNode, name: str) -> Value:
        """What a parameter holds, by itself or by default."""
        return node.parameters.get(name, self.parameters[name].default)


@dataclass(slots=True, eq=False)
class Edge:
    """What feeds an input."""

    input: str
    source: Task
    output: str
    lazy: bool


@dataclass(slots=True, eq=False)
class Task:
    """A node of the flat graph, as it is run. `type` is None where nothing offers it; `rank` grows along every link."""

    id: NodeId
    node: FlatNode
    type: NodeType | None
    edges: list[Edge] = field(default_factory=list)
    users: list[Task] = field(default_factory=list)
    rank: int = -1
    key: Key = NO_KEY
    volatile: bool = False
    """Its result, or that of something it needs, is never to be met again."""
    trouble: Exception | None = None
    """What the node's fingerprint raised, where that is a mistake in it."""
    effect: bool = False
    """It is run for what it does: its output folder counts in its key."""
    fixed: dict[str, Any] | None = None
    """Checked values of the inputs that are not linked. None: not worked out yet."""
    problems: tuple[Problem, ...] | None = None
    """None: not checked yet."""

    def asks_for(self, output: str) -> bool:
        """Whether something in the graph takes an output of this node."""
        return any(edge.source is self and edge.output == output for user in self.users for edge in user.edges)


def _named_parameters(function: Callable[..., str] | None, parameters: Collection[str]) -> frozenset[str]:
    """The parameters that a fingerprint looks at: those that its signature names, or all where it names none."""
    if function is None:
        return frozenset()
    named = frozenset(inspect.signature(function).parameters) & frozenset(parameters)
    return named or frozenset(parameters)
