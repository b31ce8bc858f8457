"""The engine: runs graphs, one at a time, and remembers results."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from studio.engine.cache import DEFAULT_MEMORY, Cache
from studio.engine.contents import ContentOf, FileContents
from studio.engine.context import RunContext, Trails
from studio.engine.control import RunControl
from studio.engine.decoding import decoder_of
from studio.engine.devices import Devices, PlainDevices
from studio.engine.events import Report, RunState, Silent
from studio.engine.executor import Run
from studio.engine.keys import lock_key
from studio.engine.node_run import Services
from studio.engine.plan import Planner
from studio.engine.residency import Residency
from studio.engine.step_memory import StepKeeper, StepMemory
from studio.engine.store import Store
from studio.engine.task import Task
from studio.graph.check import Kind, Problem
from studio.graph.errors import DocumentError, Misuse, UnknownNode, UnknownSocket
from studio.graph.graph import Graph, NodeId
from studio.sdk.context import activate
from studio.sdk.registry import Registry
from studio.sdk.values.latent import Latent
from studio.sdk.values.trail import Trail, trails_in


@dataclass(frozen=True, slots=True)
class RunOptions:
    """`out`: the folder for output files. `workflow`: the text of the workflow's file. `device`: where models run, as torch names it.

    `pause_at`: a node, and after which of its steps the run pauses; it and what needs it do their work even where results are kept.
    """

    out: Path
    workflow: str = ""
    device: str = "cpu"
    pause_at: tuple[NodeId, int] | None = None


class Engine:
    """Runs graphs of the registry's nodes.

    `run` works in the thread that calls it, one run at a time. `cancel`, `pause` and `resume` are for other threads, and do nothing
    where the run is not on.
    """

    def __init__(
        self,
        registry: Registry,
        store: Store | None = None,
        *,
        devices: Devices | None = None,
        residency: Residency | None = None,
        content_of: ContentOf | None = None,
        memory: int = DEFAULT_MEMORY,
        steps: StepKeeper | None = None,
    ) -> None:
        self.devices = devices or PlainDevices()
        self.residency = residency or Residency(self.devices)
        self.cache = Cache(store, memory)
        self.steps = steps or StepMemory()
        self._trails = Trails()
        self._device = ""
        self._planner = Planner(registry, content_of or FileContents())
        self._background = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._controls: dict[str, RunControl] = {}
        self._running = threading.Lock()

    def run(
        self, graph: Graph, wanted: Collection[NodeId], options: RunOptions, report: Report, run: str = ""
    ) -> RunState:
        """Compute what the wanted nodes need; without any, all nodes that have an effect, or else all that feed no other.

        `run` names it for `cancel`, `pause` and `resume`. Whatever nodes do is reported, not raised.
        """
        started = time.perf_counter()
        control = self._controls.setdefault(run, RunControl())
        try:
            with self._running:
                targets, problems = self._prepare(graph, wanted, options.out)
                if problems:
                    report.run_refused(problems)
                    return RunState.REFUSED
                self._device = options.device
                self.cache.begin(len(self._planner.tasks))
                self.steps.refresh()
                self.cache.on_trouble = lambda trouble: report.log(str(trouble), "WARNING", None)
                self.steps.on_trouble = self.cache.on_trouble
                state = self._new_run(options, report, control).compute(targets, targets if wanted else ())
                report.run_finished(state, time.perf_counter() - started)
                return state
        finally:
            self._controls.pop(run, None)

    def announce(self, run: str) -> None:
        """A run of this name will come: from now on it can be cancelled and paused."""
        self._controls.setdefault(run, RunControl())

    def cancel(self, run: str) -> None:
        """End the run at its next step."""
        control = self._controls.get(run)
        if control is not None:
            control.cancel()

    def pause(self, run: str) -> None:
        """Hold the run at its next step."""
        control = self._controls.get(run)
        if control is not None:
            control.pause()

    def resume(self, run: str) -> None:
        """Let a paused run go on."""
        control = self._controls.get(run)
        if control is not None:
            control.resume()

    def value(self, node: NodeId, output: str) -> object:
        """What an output of a node of the last graph holds. Raises `UnknownNode`, `UnknownSocket`; `Misuse` if not computed."""
        task = self._task(node)
        entry = self.cache.get(task.key)
        if entry is None:
            raise Misuse("There is no result of this node.", where=node, mend="Run the graph up to this node.")
        if output not in entry.names:
            raise UnknownSocket(node, output, entry.names)
        return entry.outputs[entry.names.index(output)]

    def trails(self, node: NodeId) -> list[Trail]:
        """The steps of a node of the last graph: of each time it sampled, as soon as that begins. Raises `UnknownNode`."""
        task = self._task(node)
        announced = self._trails.of(task)
        names = task.type.trails if task.type is not None else frozenset()
        entry = self.cache.get(task.key) if names and not announced else None
        if entry is None:
            return announced
        return [
            one
            for name, value in zip(entry.names, entry.outputs, strict=True)
            if name in names
            for one in trails_in(value)
        ]

    def decoded(self, node: NodeId, latent: Latent) -> object | None:
        """What the graph makes of a latent of this node: what the next node that makes pictures of latents gives for it.

        None where there is no such node, or what else it needs was not computed. Raises `UnknownNode`, and whatever that node raises. For
        other threads.
        """
        found = decoder_of(self._task(node))
        if found is None:
            return None
        task, entrance = found
        type = task.type
        assert type is not None
        linked: dict[str, object] = {entrance.input: latent}
        for edge in task.edges:
            entry = self.cache.get(edge.source.key) if edge is not entrance else None
            if entry is not None and edge.output in entry.names:
                linked[edge.input] = entry.outputs[entry.names.index(edge.output)]
        if len(linked) < len(task.edges):
            return None
        context = RunContext(
            Silent(), RunControl(), self.residency, out=Path(), workflow="", device=self._device, pausable=False
        )
        try:
            with activate(context):
                fixed = type.caller.fixed(task.node.parameters, linked, task.id)
                return next(iter(type.caller.call(fixed, linked, task.id)), None)
        finally:
            context.end()

    def lock(self, node: NodeId) -> str:
        """Keep a node's result for good; gives what `Node.locked` is to hold. Raises `UnknownNode`, `Misuse`, `WriteFailed`."""
        task, store = self._task(node), self.cache.store
        entry = self.cache.get(task.key)
        if entry is None or store is None:
            raise Misuse("There is no result of this node.", where=node, mend="Run the graph up to this node.")
        self.cache.flush()
        if not store.has(task.key) and not store.save(task.key, entry):
            raise Misuse("This kind of result cannot be kept.", where=node, mend="Lock a node that gives no model.")
        store.keep(task.key)
        return task.key.hex()

    def unlock(self, lock: str) -> None:
        """A kept result is one like others again: it goes when room is needed."""
        key = lock_key(lock)
        if key is not None and self.cache.store is not None:
            self.cache.store.release(key)

    def close(self) -> None:
        """Finish what is still to be written."""
        self._background.shutdown()
        self.cache.close()
        self.steps.close()

    def _prepare(self, graph: Graph, wanted: Collection[NodeId], out: Path) -> tuple[list[Task], list[Problem]]:
        try:
            self._planner.prepare(graph, out)
        except DocumentError as error:
            return [], [Problem(Kind.BROKEN_SUBGRAPH, NodeId(error.where), error.what, error.mend)]
        targets, problems = self._planner.targets(graph, wanted)
        problems.extend(self._planner.problems(targets))
        return targets, problems

    def _new_run(self, options: RunOptions, report: Report, control: RunControl) -> Run:
        contexts = (
            RunContext(
                report,
                control,
                self.residency,
                out=options.out,
                workflow=options.workflow,
                device=options.device,
                pausable=pausable,
                steps=self.steps,
                trails=self._trails,
                pause_at=options.pause_at if pausable else None,
            )
            for pausable in (True, False)
        )
        services = Services(self.cache, self.residency, self.devices, self._background, self.steps)
        anew = _downstream(self._planner.tasks.get(options.pause_at[0])) if options.pause_at is not None else ()
        return Run(services, report, control, *contexts, anew=anew)

    def _task(self, node: NodeId) -> Task:
        task = self._planner.tasks.get(node)
        if task is None:
            raise UnknownNode(node)
        return task


def _downstream(task: Task | None) -> frozenset[Task]:
    """A task and all that needs it."""
    found = {task} if task is not None else set()
    waiting = list(found)
    while waiting:
        for user in waiting.pop().users:
            if user not in found:
                found.add(user)
                waiting.append(user)
    return frozenset(found)
