"""From a graph to tasks with keys, and from wanted outputs to the tasks that have to be computed, in order.

`Planner` remembers the last graph. Revisions of a graph share all nodes that did not change, so what a change costs is what it
touches: a few comparisons for every node, and work for those whose key is another one now. Nothing here recurses.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from studio.engine.contents import ContentOf
from studio.engine.keys import NO_KEY, derived_key, fed_by, folder_part, lock_key
from studio.engine.task import Edge, NodeType, Task
from studio.graph.check import Kind, Problem, cycles, node_problems
from studio.graph.errors import WirelightError
from studio.graph.flat import FlatGraph, FlatNode, flatten
from studio.graph.graph import Graph, Mode, Node, NodeId, Socket, subgraph_of
from studio.graph.spec import Catalog
from studio.sdk.registry import Registry

_NOTHING: Final[Mapping[str, str]] = {}


class Planner:
    """Tasks and keys of the graph that was planned last."""

    def __init__(self, registry: Registry, content_of: ContentOf) -> None:
        self._registry = registry
        self._catalog: Catalog = registry.catalog()
        self._content_of = content_of
        self._types: dict[str, NodeType | None] = {}
        self._graph: Graph | None = None
        self._flat = FlatGraph({})
        self._order: list[Task] = []
        self._outside: list[Task] = []
        self._unasked: list[Task] | None = None
        """The targets of a run that names none."""
        self._fine: Collection[Task] | None = None
        """The targets that were found without problems last; `_unsure` are the tasks that changed since."""
        self._unsure: list[Task] = []
        self._folder = ""
        self.tasks: dict[NodeId, Task] = {}

    def prepare(self, graph: Graph, out: Path) -> None:
        """Bring `tasks` and their keys up to date. Raises `DocumentError` where subgraphs cannot be unfolded."""
        changed = self._changed(graph)
        self._folder = folder_part(out)
        if changed is None:
            self._rebuild(graph)
            self._make_keys(None)
        else:
            self._make_keys(self._patch(graph, changed))
        self._graph = graph

    def forget(self) -> None:
        """Drop what is known of the last graph."""
        for task in self.tasks.values():
            # Tasks refer to each other both ways: else only the collector would find them.
            task.edges.clear()
            task.users.clear()
        self._graph = None
        self.tasks = {}
        self._order = []
        self._outside = []
        self._unasked = None
        self._fine = None
        self._unsure = []

    def targets(self, graph: Graph, wanted: Collection[NodeId]) -> tuple[list[Task], list[Problem]]:
        """The tasks behind the wanted nodes: an instance of a subgraph stands for its outputs, a bend in a wire for what feeds it.

        Without `wanted`: all that have an effect, or else all that feed no other.
        """
        if not wanted:
            if self._unasked is None:
                self._unasked = self._all_targets()
            return self._unasked, []
        found: dict[Task, None] = {}
        problems = []
        for id in wanted:
            tasks = self._behind(graph, id)
            found.update(dict.fromkeys(tasks))
            if not tasks:
                problems.append(_cannot_want(graph, id))
        return list(found), problems

    def problems(self, targets: Collection[Task]) -> list[Problem]:
        """What keeps the targets, and all they need, from running."""
        if targets is self._fine and not any(self._problems_of(task) for task in self._unsure):
            self._unsure = []
            return []
        needed = list(targets)
        seen = set(needed)
        found: list[Problem] = []
        unordered = []
        for task in needed:
            if task.problems is None:
                task.problems = self._problems_of(task)
            if task.problems:
                found.extend(task.problems)
            if task.rank < 0:
                unordered.append(task.id)
            for edge in task.edges:
                source = edge.source
                if source not in seen:
                    seen.add(source)
                    needed.append(source)
        if unordered:
            found.extend(cycles(self._flat, [task.id for task in needed]))
        self._fine, self._unsure = None if found else targets, []
        return found

    def _problems_of(self, task: Task) -> tuple[Problem, ...]:
        """As `node_problems`, which is asked only where a look at the links and values does not settle it."""
        type, node = task.type, task.node
        if type is not None and type.is_fine(task):
            return ()
        found = tuple(node_problems(task.id, node, self._flat, self._catalog))
        if type is not None and not found:
            type.fitting.update((edge.input, edge.output, edge.source.type) for edge in task.edges)
        return found

    # Tasks

    def _changed(self, graph: Graph) -> list[NodeId] | None:
        """Nodes that are others than last time, or None where more changed than plain nodes' parameters and looks."""
        last = self._graph
        if last is None:
            return None
        if graph is last:
            return []
        before, now = last.nodes, graph.nodes
        if len(before) != len(now) or not _same(graph.links, last.links) or not _same(graph.subgraphs, last.subgraphs):
            return None
        changed = [id for id, node in now.items() if before.get(id) is not node]
        return changed if all(id in before and _same_but_for_values(before[id], now[id]) for id in changed) else None

    def _rebuild(self, graph: Graph) -> None:
        self.forget()
        self._flat = flat = flatten(graph, self._catalog)
        tasks = self.tasks = {id: Task(id, node, self._type(node.type)) for id, node in flat.nodes.items()}
        waits: dict[Task, int] = {}
        ready: list[Task] = []
        for task in tasks.values():
            node, type = task.node, task.type
            task.effect = type is not None and type.spec.effect and not node.locked
            if node.inputs and not node.locked:
                for name, output in node.inputs.items():
                    source = tasks.get(output.node)
                    if source is not None:
                        task.edges.append(Edge(name, source, output.name, type is not None and name in type.lazy))
                        source.users.append(task)
            if task.edges:
                waits[task] = len(task.edges)
            else:
                ready.append(task)
        order = self._order
        while ready:
            task = ready.pop()
            task.rank = len(order)
            order.append(task)
            for user in task.users:
                waits[user] -= 1
                if not waits[user]:
                    ready.append(user)
        self._outside = [task for task in order if task.effect or (task.type is not None and task.type.reads_outside)]

    def _type(self, name: str) -> NodeType | None:
        if name not in self._types:
            definition = self._registry.get(name)
            self._types[name] = NodeType(definition) if definition is not None else None
        return self._types[name]

    def _patch(self, graph: Graph, changed: Iterable[NodeId]) -> list[Task]:
        """Give tasks their nodes' new parameters; those are the tasks whose keys may be others now."""
        dirty = []
        for id in changed:
            node, task = graph.nodes[id], self.tasks.get(id)
            if task is not None and task.node.parameters is not node.parameters:
                task.node = FlatNode(node.type, node.parameters, task.node.inputs, node.locked)
                task.problems = None
                task.fixed = None
                dirty.append(task)
        self._unsure += dirty
        return dirty

    def _all_targets(self) -> list[Task]:
        effects = [task for task in self.tasks.values() if task.effect]
        if effects:
            return effects
        feeding = {output.node for task in self.tasks.values() for output in task.node.inputs.values()}
        return [task for task in self.tasks.values() if task.id not in feeding]

    def _behind(self, graph: Graph, id: NodeId) -> list[Task]:
        if id in self.tasks:
            return [self.tasks[id]]
        inside = [task for task in self.tasks.values() if task.id.startswith(f"{id}/")]
        if inside:
            return [task for task in inside if not any(user.id.startswith(f"{id}/") for user in task.users)]
        node = graph.nodes.get(id)
        if node is None or node.mode is Mode.MUTED:
            return []
        feeding = [output for input, output in graph.links.items() if input.node == id]
        return self._behind_sources(graph, feeding)

    def _behind_sources(self, graph: Graph, outputs: list[Socket]) -> list[Task]:
        """What a bypassed node or a bend in a wire passes on."""
        found: list[Task] = []
        seen = {output.node for output in outputs}
        waiting = [output.node for output in outputs]
        while waiting:
            id = waiting.pop()
            if id in self.tasks:
                found.append(self.tasks[id])
                continue
            more = {output.node for input, output in graph.links.items() if input.node == id} - seen
            seen |= more
            waiting.extend(more)
        return found

    # Keys

    def _make_keys(self, dirty: Iterable[Task] | None) -> None:
        """Keys of these tasks, of all that depend on the outside, and of what lies below those that changed. None: of all."""
        if dirty is None:
            for task in self._order:
                self._make_key(task)
            return
        ranks = {task.rank for task in (*dirty, *self._outside) if task.rank >= 0}
        waiting = sorted(ranks)
        while waiting:
            task = self._order[heapq.heappop(waiting)]
            if self._make_key(task):
                for user in task.users:
                    if user.rank >= 0 and user.rank not in ranks:
                        ranks.add(user.rank)
                        heapq.heappush(waiting, user.rank)

    def _make_key(self, task: Task) -> bool:
        """Whether the task's key is another one now."""
        before, was_volatile = task.key, task.volatile
        type, node = task.type, task.node
        if node.locked or type is None:
            task.key = lock_key(node.locked) or NO_KEY
            return task.key != before
        fed: dict[str, bytes] = {}
        volatile = type.definition.volatile
        for edge in task.edges:
            fed[edge.input] = fed_by(edge.source.key, edge.output)
            volatile = volatile or edge.source.volatile
        if type.reads_outside:
            outside = self._outside_of(task, type)
            volatile = volatile or outside is None
            key = type.keys.key(node.parameters, fed, outside or _NOTHING)
        else:
            key = type.keys.key(node.parameters, fed)
        if task.effect:
            key = derived_key(key, self._folder)
        if volatile:
            key = derived_key(key, os.urandom(16))
        task.key, task.volatile = key, volatile
        return key != before or volatile is not was_volatile

    def _outside_of(self, task: Task, type: NodeType) -> dict[str, str] | None:
        """Digests of what the node reads beyond the graph, or None where that cannot be told before it runs."""
        node = task.node
        found: dict[str, str] = {}
        task.trouble = None
        try:
            for name in type.definition.files:
                if name in node.inputs:
                    return None
                path = type.value(node, name)
                if path:
                    found[name] = self._content_of(str(path))
            fingerprint = type.definition.fingerprint
            if fingerprint is not None:
                if any(name in node.inputs for name in type.fingerprinted):
                    return None
                found["fingerprint()"] = fingerprint(**{name: type.value(node, name) for name in type.parameters})
        except (WirelightError, OSError):
            return None  # the node meets the same trouble when it runs, and says so itself
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything; it is reported when the node's turn comes
            task.trouble = error
            return None
        return found


def plan(targets: Iterable[Task], has: Callable[[Task], bool]) -> tuple[list[Task], list[Task]]:
    """What has to be computed for the targets, each task after all it needs; and the tasks whose results are there.

    What lies above a task that is there is not looked at, nor are lazy inputs. Depth first, so that a result is used soon after it
    was made.
    """
    order: list[Task] = []
    there: list[Task] = []
    met: dict[Task, bool] = {}
    waiting = list(targets)
    waiting.reverse()
    while waiting:
        task = waiting[-1]
        state = met.get(task)
        if state is None:
            if has(task):
                met[task] = True
                there.append(task)
                waiting.pop()
                continue
            met[task] = False
            for edge in reversed(task.edges):
                if not edge.lazy and edge.source not in met:
                    waiting.append(edge.source)
            continue
        waiting.pop()
        if not state:
            met[task] = True
            order.append(task)
    return order, there


def _same(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    return one is other or one == other


def _same_but_for_values(old: Node, new: Node) -> bool:
    """Whether nothing but parameters, titles, places and looks differs. What an instance of a subgraph holds lies in its inner nodes."""
    return (
        old.type == new.type
        and old.mode is new.mode
        and old.locked == new.locked
        and (subgraph_of(new.type) is None or old.parameters == new.parameters)
    )


def _cannot_want(graph: Graph, id: NodeId) -> Problem:
    if id not in graph.nodes:
        return Problem(Kind.UNKNOWN_NODE, id, f"There is no node '{id}' to compute.", "Name a node of the graph.")
    return Problem(Kind.MISSING_INPUT, id, "The node cannot run: it, or one that it needs, is muted.", "Unmute it.")
