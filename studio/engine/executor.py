"""One run: tasks in order, each with its inputs; results handed on, and let go after their last use. Nothing here recurses."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

from studio.engine.context import RunContext
from studio.engine.control import RunControl
from studio.engine.entry import Entry
from studio.engine.events import Report, RunState
from studio.engine.failure import release_frames
from studio.engine.keys import Key
from studio.engine.node_run import Linked, NodeRun, Services
from studio.engine.plan import plan
from studio.engine.task import Edge, NodeType, Task
from studio.graph.errors import Cancelled, NodeFailed, StepsLost
from studio.sdk.context import activate
from studio.sdk.values.trail import trails_in

_MOST_RESULTS: Final = 100
"""The results that an artist asked for are stored however cheap they were, unless there are very many."""
_MOST_BACKGROUND: Final = 2
"""Nodes that may wait in the background, with all that they need, before the run waits for the first of them."""


class Run:
    """Computes targets. `context` and `behind` are for this thread and the one in the background; of `anew` no kept result is used."""

    def __init__(
        self,
        services: Services,
        report: Report,
        control: RunControl,
        context: RunContext,
        behind: RunContext,
        *,
        anew: Collection[Task] = (),
    ) -> None:
        self._services = services
        self._cache = services.cache
        self._report = report
        self._control = control
        self._context = context
        self._behind = behind
        self._nodes = NodeRun(services, report, control)
        self._live: dict[Task, Entry] = {}
        self._uses: dict[Task, int] = {}
        self._done: set[Task] = set()
        self._failed: set[Task] = set()
        self._pending: dict[Task, Future[Entry | None]] = {}
        self._wanted: dict[Task, frozenset[str]] = {}
        self._counted: set[Task] = set()
        self._first: dict[Key, Task] = {}
        self._twins: set[Task] = set()
        self._retaken: set[Task] = set()
        self._anew = anew

    def compute(self, targets: list[Task], wanted: Iterable[Task] = ()) -> RunState:
        """Compute what the targets need and nobody has. Reports everything but the run's own end.

        `wanted`: those of the targets that somebody asked for by name.
        """
        order, there = plan(targets, self._has)
        self._nodes.results = _results(order, wanted)
        self._count(order)
        self._report.run_started(len(order), [task.id for task in there])
        self._report_there(there)
        try:
            try:
                with activate(self._context):
                    self._work(order)
            finally:
                self._wait_for_all()
        except Cancelled as cancelled:
            release_frames(cancelled)
            return RunState.CANCELLED
        finally:
            self._live.clear()
        return RunState.FAILED if self._failed else RunState.DONE

    # The order of things

    def _work(self, order: list[Task]) -> None:
        agenda = order[::-1]
        control = self._control
        while agenda:
            task = agenda.pop()
            if control.asked:
                self._context.begin(task, False)
                self._context.checkpoint()
            if task in self._done or task in self._failed:
                continue
            before = self._do(task)
            if before:
                agenda.append(task)
                agenda.extend(reversed(before))

    def _do(self, task: Task) -> list[Task]:
        """Compute a task; or give what has to be computed before, since something that it needs is not there."""
        type = task.type
        if task in self._twins and self._settle_as_twin(task):
            return []
        if self._failed and any(edge.source in self._failed for edge in task.edges if not edge.lazy):
            self._settle(task, None)
            return []
        linked = self._linked(task)
        if linked is None:
            missing = self._bring(edge for edge in task.edges if not edge.lazy)
            if missing:
                return self._planned(missing)
            linked = self._linked(task)
        if linked is None:
            self._settle(task, None)
            return []
        if type is None or task.node.locked:
            self._report.node_failed(_lock_missing(task))
            self._settle(task, None)
            return []
        if task.trouble is not None:
            self._nodes.fail(task, task.trouble, self._context)
            self._settle(task, None)
            return []
        if type.lazy:
            linked, missing = self._decide(task, type, linked)
            if linked is None:
                return missing
        if type.definition.background:
            self._start_behind(task, type, linked)
        else:
            try:
                entry = self._nodes.run(task, type, linked, self._context, may_retry=task not in self._retaken)
            except StepsLost as error:
                release_frames(error)
                return self._retake(task)
            self._settle(task, entry)
        return []

    def _retake(self, task: Task) -> list[Task]:
        """What has to be computed anew, since the steps that the task begins from are gone; then the task has another try."""
        self._retaken.add(task)
        edges = [edge for edge in task.edges if _is_trail(edge)]
        for edge in edges:
            self._live.pop(edge.source, None)
        missing = self._bring(edges)
        return self._planned(missing) if missing else [task]

    def _decide(self, task: Task, type: NodeType, linked: Linked) -> tuple[Linked | None, list[Task]]:
        """The values of a node with lazy inputs, with those it wants; else what has to be computed before, if it can run at all."""
        wanted = self._wanted.get(task)
        if wanted is None:
            try:
                wanted = self._wanted[task] = self._nodes.wanted(task, type, linked)
            except Exception as error:  # noqa: BLE001 - whatever a node raises is that node's failure
                self._nodes.fail(task, error, self._context)
                self._settle(task, None)
                return None, []
        edges = [edge for edge in task.edges if edge.lazy and edge.input in wanted]
        missing = self._bring(edges)
        if any(edge.source in self._failed for edge in edges):
            self._settle(task, None)
            return None, []
        return (None, self._planned(missing)) if missing else (self._linked(task, wanted), [])

    def _planned(self, missing: list[Task]) -> list[Task]:
        order, _ = plan(missing, lambda task: task in self._live or task in self._failed or self._has(task))
        self._count(order)
        return order

    def _count(self, order: Iterable[Task]) -> None:
        """How often each result will be used, and which tasks have the key of one before them.

        Lazy inputs count as well: what was computed is held until they are decided.
        """
        uses, first, counted = self._uses, self._first, self._counted
        for task in order:
            if task in counted:
                continue
            counted.add(task)
            for edge in task.edges:
                source = edge.source
                uses[source] = uses.get(source, 0) + 1
            if first.setdefault(task.key, task) is not task:
                self._twins.add(task)

    def _linked(self, task: Task, wanted: frozenset[str] = frozenset()) -> Linked | None:
        """What came along the links, lazy inputs that are not wanted as None. None where something is not there yet."""
        live = self._live
        values: dict[str, Any] = {}
        has_lists = False
        cost = 0.0
        for edge in task.edges:
            if edge.lazy and edge.input not in wanted:
                values[edge.input] = None
                continue
            entry = live.get(edge.source)
            if entry is None or edge.output not in entry.names:
                return None
            value = entry.outputs[entry.names.index(edge.output)]
            if value.__class__ is list:
                value = _own_lists(value)
                has_lists = True
            if entry.cost > cost:
                cost = entry.cost
            values[edge.input] = value
        return Linked(values, has_lists, cost)

    def _bring(self, edges: Iterable[Edge]) -> list[Task]:
        """Have the sources of these edges in `_live`; gives those that have to be computed first."""
        missing = []
        for edge in edges:
            source = edge.source
            if source in self._pending:
                self._wait_for(source)
            if source in self._live or source in self._failed:
                continue
            entry = self._cache.get(source.key)
            if entry is None or (_is_trail(edge) and not self._trails_stand(source, entry)):
                self._done.discard(source)
                self._counted.discard(source)
                missing.append(source)
            elif edge.output in entry.names:
                self._live[source] = entry
            else:
                self._report.node_failed(_output_missing(source, edge.output))
                self._failed.add(source)
        return missing

    def _settle(self, task: Task, entry: Entry | None) -> None:
        """Take note of how a task ended, None being a failure, and let go of what only it needed."""
        uses, live = self._uses, self._live
        if entry is None:
            self._failed.add(task)
        else:
            self._done.add(task)
            if uses.get(task):
                live[task] = entry
        for edge in task.edges:
            source = edge.source
            left = uses[source] = uses[source] - 1
            if not left:
                live.pop(source, None)

    def _settle_as_twin(self, task: Task) -> bool:
        """Take the result of an equal task of this run, where it has one."""
        if not self._has(task):
            return False
        entry = self._cache.get(task.key)
        if entry is None:
            return False
        self._report_there((task,))
        self._settle(task, entry)
        return True

    # The background

    def _start_behind(self, task: Task, type: NodeType, linked: Linked) -> None:
        while len(self._pending) >= _MOST_BACKGROUND:
            self._wait_for(next(iter(self._pending)))

        def work() -> Entry | None:
            with activate(self._behind):
                return self._nodes.run(task, type, linked, self._behind)

        self._pending[task] = self._services.background.submit(work)

    def _wait_for(self, task: Task) -> None:
        self._settle(task, self._pending.pop(task).result())

    def _wait_for_all(self) -> None:
        cancelled: Cancelled | None = None
        while self._pending:
            try:
                self._wait_for(next(iter(self._pending)))
            except Cancelled as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    # What is there

    def _has(self, task: Task) -> bool:
        if task in self._anew and task not in self._done:
            return False
        if not task.effect:
            if not self._cache.has(task.key):
                return False
            if task.type is None or not any(map(task.asks_for, task.type.trails)):
                return True
            entry = self._cache.get(task.key)
            return entry is not None and self._trails_stand(task, entry)
        entry = self._cache.get(task.key)
        return entry is not None and entry.stands

    def _trails_stand(self, task: Task, entry: Entry) -> bool:
        """Whether all steps of a node's trails are kept. What is locked cannot be had anew: there nobody asks."""
        trails = task.type.trails if task.type is not None and not task.node.locked else frozenset()
        steps = self._services.steps
        return all(
            steps.has(key)
            for name, value in zip(entry.names, entry.outputs, strict=True)
            if name in trails
            for trail in trails_in(value)
            for key in trail.step_keys()
        )

    def _report_there(self, tasks: Iterable[Task]) -> None:
        report = self._report
        for task in tasks:
            report.node_finished(task.id, task.node.type, 0.0, True)
            entry = self._cache.get(task.key) if task.effect else None
            for file in entry.files if entry is not None else ():
                report.wrote(task.id, Path(file.path), file.media)


def _is_trail(edge: Edge) -> bool:
    type = edge.source.type
    return type is not None and edge.output in type.trails


def _own_lists(value: Any) -> Any:  # noqa: ANN401 - any value
    """The value with lists of its own, which a node may change."""
    return [_own_lists(one) for one in value] if isinstance(value, list) else value


def _lock_missing(task: Task) -> NodeFailed:
    return NodeFailed(
        "The kept result of this node is not on this computer.",
        node=task.id,
        type=task.node.type,
        mend="Unlock the node to compute it anew.",
    )


def _output_missing(task: Task, output: str) -> NodeFailed:
    return NodeFailed(
        f"The kept result of this node has no output '{output}'.",
        node=task.id,
        type=task.node.type,
        mend="Unlock the node to compute it anew, or connect what it has.",
    )


def _results(order: list[Task], wanted: Iterable[Task]) -> frozenset[Task]:
    """What an artist wants to see again after a restart: what was asked for by name, and what goes into files."""
    found = set(wanted)
    for task in order:
        if task.effect:
            found.update(edge.source for edge in task.edges)
    return frozenset(found) if len(found) <= _MOST_RESULTS else frozenset()
