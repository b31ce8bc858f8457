"""Keeps a worker alive, gives it runs, and knows at any time what it is at. Whatever kills a worker, the next one takes over."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from studio.graph.diff import diff
from studio.graph.edits import Batch
from studio.graph.errors import Misuse, ProtocolError, WirelightError, WorkerLost
from studio.graph.graph import Graph, Node, NodeId, subgraph_of
from studio.protocol.channel import Channel
from studio.protocol.codec import check_version
from studio.protocol.messages import (
    Cancel,
    Event,
    Fetch,
    Fetched,
    FetchStep,
    FetchSteps,
    GraphChange,
    Heartbeat,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    Pause,
    Picture,
    Ready,
    Resume,
    Run,
    RunFinished,
    RunId,
    RunPaused,
    RunRefused,
    RunResumed,
    RunStarted,
    StepFetched,
    StepsFetched,
)


class State(StrEnum):
    """How the worker is."""

    STOPPED = "stopped"
    STARTING = "starting"
    IDLE = "idle"
    WORKING = "working"
    PAUSED = "paused"
    QUIET = "quiet"
    """Its heart beats, but the running node has reported nothing for a while."""
    HUNG = "hung"
    """No heartbeat: stopped, or in native code that lets no other thread run."""
    WAITING = "waiting"
    """It died again and again; the next try waits."""


@dataclass(frozen=True, slots=True)
class WorkerStarting:
    """A worker process is being started; `attempt` counts from 1 since the last one that worked."""

    attempt: int


@dataclass(frozen=True, slots=True)
class WorkerSilent:
    """No heartbeat for so many seconds. Comes once a second while it lasts."""

    seconds: float
    node: NodeId | None = None


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """The worker is gone, and `node` of `run` was running. The next worker is on its way."""

    what: str
    node: NodeId | None = None
    run: RunId | None = None
    mend: str = ""


Question: TypeAlias = Fetch | FetchSteps | FetchStep

Report: TypeAlias = Event | WorkerStarting | WorkerSilent | WorkerDied


@dataclass(frozen=True, slots=True)
class Busy:
    """What the worker is at: a run, its node, and for how many seconds that has reported nothing."""

    run: RunId
    node: NodeId | None = None
    silent: float = 0.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `hung`: without heartbeat; `starting`: the same before the worker is ready; `quiet`: a node without a report.

    `cancel`: from Cancel to the end by force. `early`: a death so soon after the start counts as one in a row. `waits`: before the
    first, second ... try in a row.
    """

    tick: float = 0.25
    hung: float = 3.0
    starting: float = 30.0
    quiet: float = 10.0
    cancel: float = 6.0
    early: float = 5.0
    waits: tuple[float, ...] = (0.0, 0.0, 0.5, 2.0, 5.0, 15.0, 30.0)


_MOST_TRIES: Final = 3
"""A run that was given to so many workers, which all died before its first node, is given to no other."""


@dataclass(slots=True)
class _Pending:
    run: RunId
    graph: Graph
    wanted: tuple[NodeId, ...]
    out: str
    workflow: str
    previews: bool
    every_preview: bool
    pause_at: tuple[NodeId, int] | None
    tries: int = 0
    node: NodeId | None = None
    paused: bool = False
    cancelled_at: float | None = None


@dataclass(slots=True)
class _Line:
    """One worker, and what it has."""

    channel: Channel
    opened: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    ready_at: float | None = None
    revision: int = 0
    graph: Graph = field(default_factory=Graph)
    silent: float = 0.0
    told: float = 0.0
    ended: WorkerLost | None = None
    """Why we ended it ourselves."""


class Supervisor:
    """One worker after another, on a thread of its own. All calls return at once, but `stop`.

    `open_channel` starts a worker; it is asked again after each death. `on_event` is called on the supervisor's thread, with the
    worker's events in order, and with `WorkerStarting`, `WorkerSilent` and `WorkerDied`. Every run ends with one `RunFinished` or
    `RunRefused`. A run may start twice, where the worker died before its first node.
    """

    def __init__(
        self,
        open_channel: Callable[[], Channel],
        on_event: Callable[[Report], None],
        timing: Timing | None = None,
    ) -> None:
        self._open_channel = open_channel
        self._on_event = on_event
        self._timing = timing or Timing()
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._stopping = False
        self._renew = False
        self._thread: threading.Thread | None = None
        self._line: _Line | None = None
        self._pending: dict[RunId, _Pending] = {}
        self._requests: dict[int, Question] = {}
        self._last_request = 0
        self._early_deaths = 0

    def start(self) -> None:
        """Start the first worker. Calling it again does nothing."""
        with self._lock:
            if self._thread is None:
                self._stopping = False
                self._thread = threading.Thread(target=self._work, name="supervisor", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the worker, after what it has to finish, and the thread. Runs that are on or wait end without a word."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stopping = True
            self._wake.set()
            if self._line is not None and self._hung(self._line):
                self._line.channel.kill()
        if thread is not None:
            thread.join()

    def run(
        self,
        graph: Graph,
        wanted: Collection[NodeId] = (),
        *,
        out: str = "",
        workflow: str = "",
        previews: bool = True,
        every_preview: bool = False,
        run_id: RunId | None = None,
        pause_at: tuple[NodeId, int] | None = None,
    ) -> RunId:
        """Compute what the wanted nodes need, after the runs asked for before. Arguments as of the message `Run`; `pause_at`: the node, and
        after which of its steps the run pauses.

        Raises `Misuse` before `start` and for a `run_id` that is in use.
        """
        run = run_id or RunId(os.urandom(8).hex())
        with self._lock:
            if self._thread is None:
                raise Misuse("There is no worker.", mend="Start the supervisor first.")
            if run in self._pending:
                raise Misuse(f"There is a run '{run}' already.")
            pending = _Pending(run, graph, tuple(wanted), out, workflow, previews, every_preview, pause_at)
            self._pending[run] = pending
            if self._line is not None:
                self._give(self._line, pending)
            self._wake.set()
        return run

    def cancel(self, run: RunId) -> None:
        """End a run at its next step; a worker that does not obey is ended by force. Nothing happens for a run that is over."""
        with self._lock:
            pending = self._pending.get(run)
            if pending is None or pending.cancelled_at is not None:
                return
            pending.cancelled_at = time.monotonic()
            self._send(Cancel(run))

    def pause(self, run: RunId) -> None:
        """Hold a run at its next step."""
        with self._lock:
            if run in self._pending:
                self._send(Pause(run))

    def resume(self, run: RunId) -> None:
        """Let a paused run go on."""
        with self._lock:
            if run in self._pending:
                self._send(Resume(run))

    def fetch(self, node: NodeId, output: str, index: int = 0, largest: int = 8192) -> int:
        """Ask what an output of the last run holds; arguments as of the message `Fetch`.

        The number returned is that of the `Fetched` that answers, in any case.
        """
        return self._ask(lambda number: Fetch(number, node, output, index, largest))

    def fetch_steps(self, node: NodeId, item: int = 0, first: int = 0, count: int = 32, largest: int = 256) -> int:
        """Ask for the steps of a node of the last run; arguments as of the message `FetchSteps`, answered by a `StepsFetched`."""
        return self._ask(lambda number: FetchSteps(number, node, item, first, count, largest))

    def fetch_step(self, node: NodeId, step: int, item: int = 0, largest: int = 8192, *, decoded: bool = False) -> int:
        """Ask for one step, large; arguments as of the message `FetchStep`, answered by a `StepFetched`."""
        return self._ask(lambda number: FetchStep(number, node, step, item, largest, decoded))

    def _ask(self, question: Callable[[int], Question]) -> int:
        with self._lock:
            self._last_request += 1
            asked = question(self._last_request)
            self._requests[asked.request] = asked
            self._send(asked)
            return asked.request

    def picture(self, picture: Picture) -> bytes | None:
        """A copy of a picture's pixels; None where it was overwritten since, or its worker is gone."""
        line = self._line
        return line.channel.picture(picture) if line is not None else None

    def restart(self, *, when_idle: bool = False) -> None:
        """A new worker: with `when_idle` once all runs are over (for changed settings), else now, which fails the run that is on."""
        with self._lock:
            line = self._line
            self._renew = line is not None
            self._wake.set()
            if line is not None and not when_idle and (self._pending or line.ready_at is None):
                self._end(line, WorkerLost("The worker was restarted."))

    @property
    def state(self) -> State:
        with self._lock:
            line, first = self._line, self._first()
            if self._thread is None:
                return State.STOPPED
            if line is None:
                return State.WAITING if self._early_deaths else State.STARTING
            if self._hung(line):
                return State.HUNG
            if line.ready_at is None:
                return State.STARTING
            if first is None:
                return State.IDLE
            if first.paused:
                return State.PAUSED
            return State.QUIET if line.silent > self._timing.quiet else State.WORKING

    @property
    def busy_with(self) -> Busy | None:
        """The run that is on, or None."""
        with self._lock:
            first = self._first()
            if first is None or self._line is None:
                return None
            return Busy(first.run, self._line.channel.node_now() or first.node, self._line.silent)

    def _first(self) -> _Pending | None:
        return next(iter(self._pending.values()), None)

    def _send(self, message: Cancel | Pause | Resume | Question) -> None:
        if self._line is not None:
            self._line.channel.send(message)

    def _give(self, line: _Line, pending: _Pending) -> None:
        """Send a run, and of its graph only what the worker does not have."""
        if pending.graph is line.graph:
            change = GraphChange(line.revision, line.revision)
        else:
            # Of another workflow's graph nothing is left: it is not taken apart node by node.
            anew = line.graph.nodes.keys().isdisjoint(pending.graph.nodes)
            edit = diff(Graph() if anew else line.graph, pending.graph)
            if edit.edits or not line.revision or anew:
                change = GraphChange(line.revision + 1, 0 if anew else line.revision, edit)
            else:
                change = GraphChange(line.revision, line.revision, Batch(()))
            line.graph, line.revision = pending.graph, change.revision
        line.channel.send(
            Run(
                pending.run,
                change,
                pending.wanted,
                pending.out,
                pending.workflow,
                pending.previews,
                pending.every_preview,
                *(pending.pause_at or (None, 0)),
            )
        )

    def _work(self) -> None:
        while not self._stopping:
            self._on_event(WorkerStarting(self._early_deaths + 1))
            line = None
            try:
                line = _Line(self._open_channel())
                self._adopt(line)
                self._listen(line)
            except (WorkerLost, ProtocolError) as error:
                self._mourn(line, error)
            finally:
                with self._lock:
                    self._line, self._renew = None, False
                if line is not None:
                    line.channel.close()
            self._rest()

    def _adopt(self, line: _Line) -> None:
        with self._lock:
            self._line = line
            for pending in self._pending.values():
                pending.node, pending.paused = None, False
                self._give(line, pending)
                if pending.cancelled_at is not None:
                    line.channel.send(Cancel(pending.run))
            for request in self._requests.values():
                line.channel.send(request)

    def _listen(self, line: _Line) -> None:
        watched = time.monotonic()
        while not self._stopping and not (self._renew and not self._pending):
            event = line.channel.receive(self._timing.tick)
            now = time.monotonic()
            if event is not None:
                line.heard = now
                with self._lock:
                    self._note(line, event)
                self._on_event(event)
            if event is None or now - watched > self._timing.tick:
                watched = now
                self._watch(line)

    def _note(self, line: _Line, event: Event) -> None:
        match event:
            # Nearly all events are of these two classes.
            case NodeStarted():
                self._change(event.run, event.node)
                line.silent = 0.0
            case NodeFinished():
                pass
            case Ready():
                check_version(event.version)
                line.ready_at = time.monotonic()
            case Heartbeat():
                line.silent = event.silent
            case RunStarted():
                self._change(event.run, None)
            case RunPaused() | RunResumed() if event.run in self._pending:
                self._pending[event.run].paused = isinstance(event, RunPaused)
            case RunRefused():
                # What it was refused for may be the graph's way here: the next one is sent whole.
                line.graph, line.revision = Graph(), 0
                self._pending.pop(event.run, None)
            case RunFinished():
                self._early_deaths = 0
                self._pending.pop(event.run, None)
            case Fetched() | StepsFetched() | StepFetched():
                self._requests.pop(event.request, None)
            case _:
                pass

    def _change(self, run: RunId, node: NodeId | None) -> None:
        pending = self._pending.get(run)
        if pending is not None:
            pending.node = node

    def _hung(self, line: _Line) -> bool:
        limit = self._timing.hung if line.ready_at is not None else self._timing.starting
        return time.monotonic() - line.heard > limit

    def _watch(self, line: _Line) -> None:
        """What the passing of time brings: a silent worker, a Cancel that is not obeyed."""
        with self._lock:
            now = time.monotonic()
            first = self._first()
            disobeyed = (
                first is not None
                and first.cancelled_at is not None
                and line.ready_at is not None
                and now - max(first.cancelled_at, line.ready_at) > self._timing.cancel
            )
            if disobeyed and line.ended is None:
                self._end(line, WorkerLost("The node did not obey Cancel, so the worker was ended."))
            silent = now - line.heard
            tell = self._hung(line) and now - line.told >= 1.0
            if tell:
                line.told = now
            node = line.channel.node_now()
        if tell:
            self._on_event(WorkerSilent(silent, node))

    def _end(self, line: _Line, why: WorkerLost) -> None:
        line.ended = why
        line.channel.kill()

    def _mourn(self, line: _Line | None, error: WirelightError) -> None:
        """Tell of a death, end what it took along, and count."""
        if self._stopping:
            return
        reports: list[Report] = []
        with self._lock:
            node = line.channel.node_now() if line is not None else None
            error = line.ended or error if line is not None else error
            first = self._first()
            early = line is None or line.ready_at is None or time.monotonic() - line.opened < self._timing.early
            self._early_deaths = self._early_deaths + 1 if early and not (line and line.ended) else 0
            reports.append(WorkerDied(error.what, node, first.run if first and node else None, error.mend))
            if first is not None and node is not None:
                reports += self._last_of(first, node, error)
            elif first is not None:
                first.tries += 1
            for pending in tuple(self._pending.values()):
                hopeless = pending.tries >= _MOST_TRIES or (
                    self._early_deaths >= _MOST_TRIES and (line is None or line.ready_at is None)
                )
                if pending.cancelled_at is not None or hopeless:
                    reports += self._last_of(pending, None, error)
            reports += map(_unanswered, self._requests.values())
            self._requests.clear()
        for report in reports:
            self._on_event(report)

    def _last_of(self, pending: _Pending, node: NodeId | None, error: WirelightError) -> list[Report]:
        del self._pending[pending.run]
        if pending.cancelled_at is not None:
            return [RunFinished(pending.run, "cancelled", 0.0)]
        finished = RunFinished(pending.run, "failed", 0.0)
        if node is None:
            return [finished]
        failed = NodeFailed(pending.run, node, _type_of(pending.graph, node), error.what, mend=error.mend)
        return [failed, finished]

    def _rest(self) -> None:
        waits = self._timing.waits
        seconds = waits[min(self._early_deaths, len(waits) - 1)]
        if seconds and not self._stopping:
            self._wake.clear()
            self._wake.wait(seconds)


def _type_of(graph: Graph, path: NodeId) -> str:
    """The type of a node of the flat graph: `upscale/sampler` lies inside a subgraph."""
    inside, node = graph, None
    for part in path.split("/"):
        node = inside.nodes.get(NodeId(part))
        definition = subgraph_of(node.type) if node is not None else None
        if definition is not None and definition in graph.subgraphs:
            inside = graph.subgraphs[definition].graph
    return node.type if isinstance(node, Node) else ""


def _unanswered(asked: Question) -> Event:
    """The empty answer to a question whose worker died."""
    match asked:
        case Fetch():
            return Fetched(asked.request, asked.node, asked.output)
        case FetchSteps():
            return StepsFetched(asked.request, asked.node, asked.item)
        case FetchStep():
            return StepFetched(asked.request, asked.node, asked.step)
