"""What the window asks for: runs one after another on the main thread, and beside them what cannot wait."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from studio.engine.engine import RunOptions
from studio.engine.events import RunState
from studio.graph.check import Kind, Problem
from studio.graph.errors import Cancelled, DocumentError, WirelightError
from studio.graph.graph import Graph, NodeId
from studio.protocol.messages import (
    Cancel,
    Configure,
    Fetch,
    Fetched,
    FetchStep,
    FetchSteps,
    GraphChange,
    Message,
    Pause,
    Resume,
    Run,
    RunFinished,
    RunId,
    RunRefused,
    Shutdown,
)
from studio.protocol.pictures import LARGEST_SIDE, PictureMemory
from studio.worker.insist import Insistence
from studio.worker.loading import Loaded
from studio.worker.now import Now
from studio.worker.outbox import Outbox
from studio.worker.previews import Previews, put
from studio.worker.printed import Printed
from studio.worker.reports import PictorialOutputs, RunReport
from studio.worker.shown import show
from studio.worker.steps import StepPictures
from studio.worker.warm import IDLE, Warmth


class Jobs:
    """Takes messages from the reader's thread; `work` runs on the main thread until `Shutdown`.

    `leave` ends the process in an orderly way; for where the main thread is at something that nobody needs any more.
    """

    def __init__(
        self,
        loaded: Loaded,
        outbox: Outbox,
        now: Now,
        printed: Printed,
        pictures: PictureMemory,
        leave: Callable[[], None],
    ) -> None:
        self._engine = loaded.engine
        self._device = loaded.device
        self._out = loaded.out
        self._pictorial = PictorialOutputs(loaded.catalog.catalog)
        self._outbox = outbox
        self._now = now
        self._printed = printed
        self._pictures = pictures
        self._insistence = Insistence()
        self._warmth = Warmth(with_torch=loaded.with_torch)
        self._warming = False
        self._leave = leave
        self._runs: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._fetches: queue.SimpleQueue[Fetch | FetchStep | FetchSteps] = queue.SimpleQueue()
        self._steps = StepPictures(loaded.engine, pictures)
        self._lock = threading.Lock()
        self._waiting: set[RunId] = set()
        self._current: RunId | None = None
        self._graph = Graph()
        self._revision = 0
        threading.Thread(target=self._fetch, name="fetch", daemon=True).start()

    def take(self, message: Message) -> None:
        """Called with each message in its turn; never waits."""
        match message:
            case Run():
                with self._lock:
                    self._waiting.add(message.run)
                self._runs.put(message)
            case Cancel():
                self._cancel(message.run)
            case Pause():
                if message.run == self._current:
                    self._engine.pause(message.run)
            case Resume():
                if message.run == self._current:
                    self._engine.resume(message.run)
            case Fetch() | FetchStep() | FetchSteps():
                self._fetches.put(message)
            case Shutdown():
                self.stop()
            case Configure():
                pass

    def stop(self) -> None:
        """End the run that is on, and then `work`."""
        with self._lock:
            self._waiting.clear()
            current = self._current
        self._runs.put(None)
        if current is not None:
            self._cancel(current)
        elif self._warming:
            self._leave()

    def work(self) -> None:
        """Run what is asked for."""
        while (asked := self._next()) is not None:
            graph = self._changed(asked)
            with self._lock:
                begins = graph is not None and asked.run in self._waiting
                self._waiting.discard(asked.run)
                if begins:
                    self._current = asked.run
                    self._engine.announce(asked.run)
            if begins and graph is not None:
                self._run(asked, graph)

    def _next(self) -> Run | None:
        while not self._warmth.complete:
            try:
                return self._runs.get(timeout=IDLE)
            except queue.Empty:
                self._warming = True
                self._warmth.more()
                self._warming = False
        return self._runs.get()

    def _cancel(self, run: RunId) -> None:
        with self._lock:
            if run == self._current:
                self._engine.cancel(run)
                self._insistence.begin()
            elif run in self._waiting:
                self._waiting.discard(run)
                self._outbox.put(RunFinished(run, RunState.CANCELLED.value, 0.0))

    def _changed(self, asked: Run) -> Graph | None:
        """The graph to run, made of the one that is here. None where that is refused."""
        change = asked.graph
        try:
            self._graph = self._apply(change)
            self._revision = change.revision
        except WirelightError as error:
            self._graph, self._revision = Graph(), 0
            with self._lock:
                self._waiting.discard(asked.run)
            problem = Problem(Kind.UNKNOWN_NODE, NodeId(error.where), error.what, error.mend)
            self._outbox.put(RunRefused(asked.run, (problem,)))
            return None
        return self._graph

    def _apply(self, change: GraphChange) -> Graph:
        if change.base not in (0, self._revision):
            raise DocumentError(f"The graph of revision {change.base} is not here; {self._revision} is.")
        base = self._graph if change.base else Graph()
        return change.edit.apply(base)[0] if change.revision != change.base else base

    def _run(self, asked: Run, graph: Graph) -> None:
        began = time.monotonic()
        previews = Previews(self._pictures, every=asked.every_preview) if asked.previews else None
        report = RunReport(
            asked.run, self._outbox, self._now, self._printed, previews, self._pictorial, self._engine.value
        )
        pause_at = (asked.pause_node, asked.pause_step) if asked.pause_node is not None else None
        options = RunOptions(Path(asked.out) if asked.out else self._out, asked.workflow, self._device, pause_at)
        self._now.begin(asked.run)
        try:
            self._engine.run(graph, asked.wanted, options, report, asked.run)
        except Cancelled:  # by insistence, just as the run ended
            pass
        finally:
            with self._lock:
                self._current = None
                self._insistence.end()
        if not report.over:
            report.run_finished(RunState.CANCELLED, time.monotonic() - began)

    def _fetch(self) -> None:
        while True:
            match self._fetches.get():
                case Fetch() as asked:
                    self._outbox.put(self._answer(asked))
                case FetchSteps() as asked:
                    self._outbox.put(self._steps.all(asked))
                case FetchStep() as asked:
                    self._outbox.put(self._steps.one(asked))

    def _answer(self, asked: Fetch) -> Fetched:
        try:
            largest = min(max(asked.largest, 1), LARGEST_SIDE)
            shown = show(self._engine.value(asked.node, asked.output), asked.index, largest)
        except WirelightError as error:
            return Fetched(asked.request, asked.node, asked.output, text=str(error), count=0)
        except Exception as error:  # noqa: BLE001 - a plugin's value may raise anything when it is described
            text = f"This cannot be shown: {type(error).__name__}: {error}"
            return Fetched(asked.request, asked.node, asked.output, text=text, count=0)
        picture = put(self._pictures, shown.pixels) if shown.pixels is not None else None
        return Fetched(
            asked.request,
            asked.node,
            asked.output,
            shown.type,
            picture,
            shown.text,
            shown.count,
            shown.width,
            shown.height,
        )
