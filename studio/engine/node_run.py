"""One node's work in a run: its calls, more memory where it runs out, and what is kept and reported of it."""

from __future__ import annotations

import gc
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from studio.engine.cache import Cache
from studio.engine.context import RunContext
from studio.engine.control import RunControl
from studio.engine.devices import Devices
from studio.engine.entry import Entry, WrittenFile
from studio.engine.events import Report
from studio.engine.failure import node_failed, release_frames
from studio.engine.lists import map_over
from studio.engine.residency import Residency
from studio.engine.step_memory import StepKeeper
from studio.engine.task import NodeType, Task
from studio.graph.errors import Interruption, OutOfMemory, StepsLost
from studio.sdk.calling import prepare

_WORTH_STORING: Final = 0.02
"""Seconds that a result takes to have again before it is worth a file of its own."""
_STORE_BYTES_PER_SECOND: Final = 5e8


@dataclass(frozen=True, slots=True)
class Services:
    """What runs share."""

    cache: Cache
    residency: Residency
    devices: Devices
    background: ThreadPoolExecutor
    steps: StepKeeper


@dataclass(slots=True)
class Linked:
    """What came along a node's links: values by input, with lists of the node's own."""

    values: dict[str, Any]
    has_lists: bool
    cost: float
    """Seconds to have the costliest of them again."""


class NodeRun:
    """Runs nodes, in whichever thread. `results`: tasks whose outputs are stored on disk however cheap they were."""

    def __init__(self, services: Services, report: Report, control: RunControl) -> None:
        self.results: Collection[Task] = frozenset()
        self._cache = services.cache
        self._residency = services.residency
        self._devices = services.devices
        self._report = report
        self._control = control

    def run(
        self, task: Task, type: NodeType, linked: Linked, context: RunContext, *, may_retry: bool = False
    ) -> Entry | None:
        """What came of a node, kept and reported; None where it failed. Raises `Cancelled`; with `may_retry`, `StepsLost` too."""
        self._report.node_started(task.id)
        control = self._control
        waited, started = control.waited, time.perf_counter()
        made_room = tight = False
        while True:
            context.begin(task, tight)
            try:
                outputs = self._outputs(task, type, linked, context)
                written = context.end()
                files = tuple([WrittenFile.of(path, media) for path, media in written]) if written else ()
                break
            except Interruption:
                context.end()
                raise
            except StepsLost as error:
                context.end()
                if may_retry:
                    raise
                self.fail(task, error, context)
                return None
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a node raises is that node's failure
                context.end()
                if tight or not self._devices.is_out_of_memory(error):
                    self.fail(task, error, context)
                    return None
                release_frames(error)
            control.obey()
            gc.collect()
            freed = self._residency.evict(context.device)
            tight = made_room or not freed
            made_room = True
        seconds = time.perf_counter() - started - (control.waited - waited)
        entry = Entry(outputs, type.output_names, files, seconds + linked.cost)
        self._keep(task, entry)
        self._report.node_finished(task.id, type.spec.type, seconds, False)
        return entry

    def wanted(self, task: Task, type: NodeType, linked: Linked) -> frozenset[str]:
        """The lazy inputs that at least one call of a node will look at. Raises what the node's own code raises."""
        found: set[str] = set()
        parameters = _own_parameters(task)

        def ask(one: Mapping[str, Any]) -> tuple[()]:
            found.update(_needs(type, {**parameters, **one}, task.id))
            return ()

        map_over(linked.values, type.taken, ask, 0, task.id)
        return frozenset(found)

    def fail(self, task: Task, error: BaseException, context: RunContext) -> None:
        """Report what a node raised, and let go of what it was working on. Raises `Cancelled` where that is what it is about."""
        self._control.obey()
        if self._devices.is_out_of_memory(error):
            release_frames(error)
            error = OutOfMemory(context.device)
        failure = node_failed(task.id, task.node.type, error)
        release_frames(error)
        self._report.node_failed(failure)

    def _outputs(self, task: Task, type: NodeType, linked: Linked, context: RunContext) -> tuple[object, ...]:
        if task.fixed is None:
            task.fixed = type.caller.fixed(task.node.parameters, {edge.input for edge in task.edges}, task.id)
        if not linked.has_lists and not type.lazy:
            return type.caller.call(task.fixed, linked.values, task.id)
        fixed, parameters = task.fixed, _own_parameters(task)

        def call(one: Mapping[str, Any]) -> tuple[object, ...]:
            context.checkpoint()
            if type.lazy:
                needed = _needs(type, {**parameters, **one}, task.id)
                one = {name: value if name not in type.lazy or name in needed else None for name, value in one.items()}
            return type.caller.call(fixed, one, task.id)

        return map_over(linked.values, type.taken, call, len(type.output_names), task.id)

    def _keep(self, task: Task, entry: Entry) -> None:
        cache = self._cache
        size = entry.size
        cache.put(task.key, entry, size)
        if cache.store is None or task.volatile or (task.effect and not entry.files):
            return
        costly = entry.cost > _WORTH_STORING and entry.cost > _WORTH_STORING + size / _STORE_BYTES_PER_SECOND
        if (costly or task.effect or task in self.results) and entry.storable:
            entry.cost = 0.0
            cache.write(task.key, entry, size)


def _own_parameters(task: Task) -> dict[str, Any]:
    """The node's own values of parameters that no link feeds."""
    linked = {edge.input for edge in task.edges}
    return {name: value for name, value in task.node.parameters.items() if name not in linked}


def _needs(type: NodeType, arguments: Mapping[str, Any], node: str) -> frozenset[str]:
    """The lazy inputs that one call will look at: those that its node names, or all where it does not say."""
    needs = type.definition.needs
    if needs is None:
        return type.lazy
    given = prepare(type.spec, {name: value for name, value in arguments.items() if name not in type.lazy}, node)
    return frozenset(needs(**{name: value for name, value in given.items() if name not in type.lazy})) & type.lazy
