"""What an artist asked to be computed: kept on disk until it is done, given to the worker one after the other.

A run whose worker dies has failed, with the node that was to blame, and the next one goes on. A run that was on when the whole program
died waits again, and goes on at the next start.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from studio.app.supervisor import Report, Supervisor
from studio.files.workflow_file import from_text, to_text
from studio.graph.codec import decode, encode
from studio.graph.errors import CodecError, WirelightError, WorkflowUnreadable
from studio.graph.graph import Graph, NodeId
from studio.graph.workflow import Workflow
from studio.library.queue import QueuedRun, RunQueue, RunState
from studio.protocol.messages import NodeFailed, RunFinished, RunId, RunRefused

_STATES: Final = {"done": RunState.FINISHED, "cancelled": RunState.CANCELLED, "failed": RunState.FAILED}


@dataclass(frozen=True, slots=True)
class Order:
    """A run of the queue: which document it came from, what it wants, and what was computed."""

    id: int
    run: RunId
    """As the worker's reports name it."""
    document: str
    title: str
    wanted: tuple[NodeId, ...]
    workflow: str
    """The text of the workflow's file."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the queue's text holds."""

    workflow: str
    document: str = ""


@dataclass(slots=True)
class _Current:
    order: Order
    failure: str = ""


@dataclass(slots=True)
class _Asked:
    """What need not be read from the disk again while the program lives."""

    graph: Graph
    workflow: str = field(repr=False)


class Runs:
    """The queue at work. All calls, `heard` too, come from one thread."""

    def __init__(self, queue: RunQueue, supervisor: Supervisor, on_change: Callable[[], None] = lambda: None) -> None:
        self._queue = queue
        self._supervisor = supervisor
        self._on_change = on_change
        self._current: _Current | None = None
        self._asked: dict[int, _Asked] = {}

    def add(self, workflow: Workflow, wanted: Sequence[NodeId] = (), *, document: str = "") -> RunId:
        """Put a run at the end of the queue. It starts at once where nothing else runs. Raises `CodecError` and `FileProblem`."""
        text = to_text(workflow)
        id = self._queue.put(json.dumps(encode(_Kept(text, document))), wanted, workflow.title)
        self._asked[id] = _Asked(workflow.graph, text)
        self.go_on()
        return _run_id(id)

    def go_on(self) -> None:
        """Start the next run, where none is on. Also after a start, for what was left from the last time."""
        while self._current is None and (queued := self._queue.next()) is not None:
            try:
                self._start(queued)
            except WirelightError as error:
                self._queue.finish(queued.id, RunState.FAILED, str(error))
        self._on_change()

    def heard(self, report: Report) -> None:
        """A report of the worker; those of other runs change nothing."""
        current = self._current
        if current is None:
            return
        match report:
            case NodeFailed(run=run) if run == current.order.run:
                current.failure = current.failure or f"{report.node}: {report.what} {report.mend}".rstrip()
            case RunRefused(run=run, problems=problems) if run == current.order.run:
                self._end(RunState.FAILED, " ".join(f"{one.where}: {one.what} {one.mend}".rstrip() for one in problems))
            case RunFinished(run=run, state=state) if run == current.order.run:
                self._end(_STATES.get(state, RunState.FAILED), current.failure)
            case _:
                pass

    @property
    def current(self) -> Order | None:
        """The run that is on."""
        return self._current.order if self._current is not None else None

    def waiting(self) -> tuple[QueuedRun, ...]:
        """The runs that wait, in their order."""
        return self._queue.list((RunState.WAITING,))

    def ended(self) -> tuple[QueuedRun, ...]:
        """The runs that are over, latest last; `message` says why one failed."""
        return self._queue.list((RunState.FINISHED, RunState.FAILED, RunState.CANCELLED))

    def cancel(self) -> None:
        """End the run that is on; the next one goes on."""
        if self._current is not None:
            self._supervisor.cancel(self._current.order.run)

    def cancel_all(self) -> None:
        """End the run that is on, and forget those that wait."""
        self._queue.clear()
        self._asked.clear()
        self.cancel()
        self._on_change()

    def remove(self, id: int) -> bool:
        """Forget a run that waits or is over. False where there is none such."""
        self._asked.pop(id, None)
        removed = self._queue.remove(id)
        self._on_change()
        return removed

    def reorder(self, id: int, before: int | None = None) -> None:
        """Put a waiting run before another one, or to the end. Raises `Misuse`."""
        self._queue.reorder(id, before)
        self._on_change()

    def pause(self) -> None:
        """Hold the run that is on at its next step."""
        if self._current is not None:
            self._supervisor.pause(self._current.order.run)

    def resume(self) -> None:
        """Let a paused run go on."""
        if self._current is not None:
            self._supervisor.resume(self._current.order.run)

    def close(self) -> None:
        """The program ends: what is on or waits goes on at the next start."""
        if self._current is not None:
            self._queue.put_back(self._current.order.id)
            self._current = None
        self._queue.close()

    def _start(self, queued: QueuedRun) -> None:
        kept = _read(queued)
        asked = self._asked.pop(queued.id, None) or _Asked(_graph(kept.workflow, queued), kept.workflow)
        wanted = tuple(NodeId(one) for one in queued.wanted)
        run = _run_id(queued.id)
        self._supervisor.run(asked.graph, wanted, workflow=asked.workflow, run_id=run)
        self._current = _Current(Order(queued.id, run, kept.document, queued.title, wanted, asked.workflow))

    def _end(self, state: RunState, message: str) -> None:
        if self._current is not None:
            self._queue.finish(self._current.order.id, state, message)
        self._current = None
        self.go_on()


def _run_id(id: int) -> RunId:
    return RunId(f"queue-{id}")


def _read(queued: QueuedRun) -> _Kept:
    try:
        return decode(_Kept, json.loads(queued.graph))
    except ValueError as error:
        raise CodecError(f"What was to be run cannot be read: {error}.", where=f"run {queued.id}") from error


def _graph(text: str, queued: QueuedRun) -> Graph:
    try:
        return from_text(text, f"run {queued.id}").workflow.graph
    except WorkflowUnreadable as error:
        raise WorkflowUnreadable(
            error.path, f"What was to be run cannot be read. {error.what}", field=error.field
        ) from error
