"""One run: tasks in order, each with its inputs; results handed on, kept, and let go after their last use. Nothing here recurses."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from studio.engine.cache import Cache
from studio.engine.context import RunContext
from studio.engine.control import RunControl
from studio.engine.devices import Devices
from studio.engine.entry import Entry, WrittenFile
from studio.engine.events import Report, RunState
from studio.engine.failure import node_failed, release_frames
from studio.engine.lists import map_over
from studio.engine.plan import Edge, NodeType, Task, plan
from studio.engine.residency import Residency
from studio.graph.errors import Cancelled, Interruption, NodeFailed, OutOfMemory
from studio.sdk.calling import call_node, prepare
from studio.sdk.context import activate

_WORTH_STORING: Final = 0.02
"""Seconds that a result takes to have again before it is worth a file of its own."""
_STORE_BYTES_PER_SECOND: Final = 5e8
_MOST_RESULTS: Final = 100
"""The results that an artist asked for are stored however cheap they were, unless there are very many."""
_MOST_BACKGROUND: Final = 2
"""Nodes that may wait in the background, with all that they need, before the run waits for the first of them."""


@dataclass(frozen=True, slots=True)
class Services:
    """What runs share."""

    cache: Cache
    residency: Residency
    devices: Devices
    background: ThreadPoolExecutor


@dataclass(slots=True)
class _Outcome:
    """How a node's call ended: one of the two."""

    entry: Entry | None = None
    failure: NodeFailed | None = None


class Run:
    """Computes targets. `context` and `behind` are for this thread and the one in the background."""

    def __init__(
        self, services: Services, report: Report, control: RunControl, context: RunContext, behind: RunContext
    ) -> None:
        self._cache = services.cache
        self._residency = services.residency
        self._devices = services.devices
        self._background = services.background
        self._report = report
        self._control = control
        self._context = context
        self._behind = behind
        self._live: dict[Task, Entry] = {}
        self._uses: Counter[Task] = Counter()
        self._done: set[Task] = set()
        self._failed: set[Task] = set()
        self._pending: dict[Task, Future[_Outcome]] = {}
        self._asked: dict[Task, frozenset[str]] = {}
        self._results: frozenset[Task] = frozenset()

    def compute(self, targets: list[Task]) -> RunState:
        """Compute what the targets need and nobody has. Reports everything but the run's own end."""
        order, there = plan(targets, self._has)
        self._results = _results(order, targets)
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
            if control.asked:
                self._context.checkpoint()
            task = agenda.pop()
            if task in self._done or task in self._failed:
                continue
            before = self._do(task)
            if before:
                agenda.append(task)
                agenda.extend(reversed(before))

    def _do(self, task: Task) -> list[Task]:
        """Compute a task; or, where something it needs is not there, what has to be computed before."""
        twin = self._cache.memory.get(task.key)
        if twin is not None and (not task.effect or twin.stands):
            self._report_there((task,))
            self._settle(task, _Outcome(twin))
            return []
        if any(edge.source in self._failed for edge in task.edges if not edge.lazy):
            self._fail(task)
            return []
        missing = self._bring(edge for edge in task.edges if not edge.lazy)
        if missing:
            return self._planned(missing)
        type = task.type
        if type is None or task.node.locked:
            self._fail(task, _lock_missing(task))
            return []
        wanted: frozenset[str] = frozenset()
        if type.lazy:
            try:
                wanted = self._lazy_wanted(task, type)
            except Exception as error:  # noqa: BLE001 - whatever a node raises is that node's failure
                self._control.obey()
                self._settle(task, self._failed_call(task, error, self._context.device))
                return []
            edges = [edge for edge in task.edges if edge.lazy and edge.input in wanted]
            if any(edge.source in self._failed for edge in edges):
                self._fail(task)
                return []
            missing = self._bring(edges)
            if missing:
                return self._planned(missing)
        arguments = self._arguments(task, wanted)
        if type.definition.background:
            self._start_behind(task, type, arguments)
        else:
            self._settle(task, self._call(task, type, arguments, self._context))
        return []

    def _planned(self, missing: list[Task]) -> list[Task]:
        order, _ = plan(missing, lambda task: task in self._live or task in self._failed or self._has(task))
        self._count(order)
        return order

    def _count(self, order: Iterable[Task]) -> None:
        """How often each result will be used. Lazy inputs count as well: what was computed is held until they are decided."""
        uses = self._uses
        for task in order:
            for edge in task.edges:
                uses[edge.source] += 1

    def _bring(self, edges: Iterable[Edge]) -> list[Task]:
        """Have the sources of these edges in `_live`; gives those that have to be computed first."""
        missing = []
        for edge in edges:
            source = edge.source
            if source in self._live or source in self._failed:
                continue
            if source in self._pending:
                self._wait_for(source)
                if source in self._live or source in self._failed:
                    continue
            entry = self._cache.get(source.key)
            if entry is None:
                self._done.discard(source)
                missing.append(source)
            else:
                self._live[source] = entry
        return missing

    def _settle(self, task: Task, outcome: _Outcome) -> None:
        """Take note of how a task ended, and let go of what only it needed."""
        if outcome.entry is None:
            self._failed.add(task)
        else:
            self._done.add(task)
            if self._uses[task]:
                self._live[task] = outcome.entry
        self._release(task)

    def _fail(self, task: Task, failure: NodeFailed | None = None) -> None:
        """A task cannot run. Without a failure of its own, it is only in the wake of another."""
        if failure is not None:
            self._report.node_failed(failure)
        self._settle(task, _Outcome())

    def _release(self, task: Task) -> None:
        uses, live = self._uses, self._live
        for edge in task.edges:
            source = edge.source
            uses[source] -= 1
            if not uses[source]:
                live.pop(source, None)

    # One task

    def _arguments(self, task: Task, wanted: frozenset[str]) -> dict[str, Any]:
        """Values by input name: parameters of the node, and what is linked. Lazy inputs that nobody wants are None."""
        arguments: dict[str, Any] = dict(task.node.parameters)
        for edge in task.edges:
            if edge.lazy and edge.input not in wanted:
                arguments[edge.input] = None
                continue
            entry = self._live[edge.source]
            type = edge.source.type
            value = entry.outputs[type.outputs[edge.output]] if type is not None else entry.outputs[0]
            arguments[edge.input] = _own_lists(value) if value.__class__ is list else value
        return arguments

    def _lazy_wanted(self, task: Task, type: NodeType) -> frozenset[str]:
        """The lazy inputs that at least one call of the node will look at."""
        wanted = self._asked.get(task)
        if wanted is None:
            eager = self._arguments(task, frozenset())
            found: set[str] = set()

            def ask(one: Mapping[str, Any]) -> tuple[()]:
                found.update(_needs(type, one, task.id))
                return ()

            map_over(eager, type.taken, ask, 0, task.id)
            wanted = self._asked[task] = frozenset(found)
        return wanted

    def _call(self, task: Task, type: NodeType, arguments: dict[str, Any], context: RunContext) -> _Outcome:
        """Run a node, in whichever thread; keep and report what came of it. Raises `Cancelled`."""
        self._report.node_started(task.id)
        waited, started = self._control.waited, time.perf_counter()
        made_room = tight = False
        while True:
            context.begin(task.id, tight)
            try:
                outputs = self._outputs(task, type, arguments, context)
                written = context.end()
                files = tuple(WrittenFile.of(path, media) for path, media in written) if written else ()
                break
            except Interruption:
                context.end()
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a node raises is that node's failure
                context.end()
                self._control.obey()
                if not self._devices.is_out_of_memory(error) or tight:
                    return self._failed_call(task, error, context.device)
                release_frames(error)
            freed = self._residency.evict(context.device)
            tight = made_room or not freed
            made_room = True
        seconds = time.perf_counter() - started - (self._control.waited - waited)
        entry = Entry(outputs, files, seconds + self._cost_above(task))
        self._keep(task, entry)
        self._report.node_finished(task.id, type.spec.type, seconds, cached=False)
        return _Outcome(entry)

    def _outputs(
        self, task: Task, type: NodeType, arguments: Mapping[str, Any], context: RunContext
    ) -> tuple[object, ...]:
        def call(one: Mapping[str, Any]) -> tuple[object, ...]:
            context.checkpoint()
            if type.lazy:
                needed = _needs(type, one, task.id)
                one = {name: value if name not in type.lazy or name in needed else None for name, value in one.items()}
            return tuple(call_node(type.definition, one, task.id).values())

        return map_over(arguments, type.taken, call, len(type.outputs), task.id)

    def _failed_call(self, task: Task, error: BaseException, device: str) -> _Outcome:
        if self._devices.is_out_of_memory(error):
            error = OutOfMemory(device)
        failure = node_failed(task.id, task.node.type, error)
        release_frames(error)
        self._report.node_failed(failure)
        return _Outcome(failure=failure)

    def _cost_above(self, task: Task) -> float:
        """Seconds to have the inputs again that are not on disk."""
        costs = [entry.cost for edge in task.edges if (entry := self._live.get(edge.source)) is not None]
        return max(costs, default=0.0)

    def _keep(self, task: Task, entry: Entry) -> None:
        self._cache.put(task.key, entry)
        if task.volatile or self._cache.store is None or (task.effect and not entry.files):
            return
        worth = entry.cost > _WORTH_STORING and entry.cost > _WORTH_STORING + entry.size / _STORE_BYTES_PER_SECOND
        if (worth or task.effect or task in self._results) and entry.storable:
            entry.cost = 0.0
            self._cache.write(task.key, entry)

    # The background

    def _start_behind(self, task: Task, type: NodeType, arguments: dict[str, Any]) -> None:
        while len(self._pending) >= _MOST_BACKGROUND:
            self._wait_for(next(iter(self._pending)))

        def work() -> _Outcome:
            with activate(self._behind):
                return self._call(task, type, arguments, self._behind)

        self._pending[task] = self._background.submit(work)

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
        if not task.effect:
            return self._cache.has(task.key)
        entry = self._cache.get(task.key)
        return entry is not None and entry.stands

    def _report_there(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            self._report.node_finished(task.id, task.node.type, 0.0, cached=True)
            entry = self._cache.get(task.key) if task.effect else None
            for file in entry.files if entry is not None else ():
                self._report.wrote(task.id, Path(file.path), file.media)


def _needs(type: NodeType, arguments: Mapping[str, Any], node: str) -> frozenset[str]:
    """The lazy inputs that one call will look at: those that its node names, or all where it does not say."""
    needs = type.definition.needs
    if needs is None:
        return type.lazy
    given = prepare(type.spec, {name: value for name, value in arguments.items() if name not in type.lazy}, node)
    return frozenset(needs(**{name: value for name, value in given.items() if name not in type.lazy})) & type.lazy


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


def _results(order: list[Task], targets: list[Task]) -> frozenset[Task]:
    """What an artist wants to see again after a restart: what was asked for, and what goes into files."""
    found = set(targets)
    for task in order:
        if task.effect:
            found.update(edge.source for edge in task.edges)
    return frozenset(found) if len(found) <= _MOST_RESULTS else frozenset()
