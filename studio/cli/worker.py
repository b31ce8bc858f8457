"""A worker for one command, without a window."""

from __future__ import annotations

import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final, TypeVar

from studio.app.catalog import code_stamp, fresh_catalog, keep_stamp
from studio.app.settings import Settings, load_settings
from studio.app.supervisor import Report, State, Supervisor, WorkerDied
from studio.app.worker_setup import configure
from studio.graph.errors import Cancelled, WorkerLost
from studio.graph.spec import Catalog
from studio.library.places import places
from studio.protocol.messages import CatalogSent, Log, Stepped
from studio.protocol.process import ProcessChannel

_R = TypeVar("_R")
_TICK: Final = 0.5
_LOUD: Final = ("WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, slots=True)
class Received:
    """A report of the worker; with the pixels of a step's preview, taken out of the shared memory before they were overwritten."""

    report: Report
    pixels: bytes | None = None


class Worker:
    """A supervised worker whose reports are taken one by one, in the order they came. Made by `worker`."""

    def __init__(self, settings: Settings, device: str, out: str) -> None:
        self._stamp = code_stamp(settings, places())
        self._configuration = configure(settings, places(), device=device, out=out)
        self._received: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._channel: ProcessChannel | None = None
        self._last_words = ""
        self.interruptions = 0
        """How often Ctrl-C was pressed."""
        self.supervisor = Supervisor(self._open, self._take)

    def next(self) -> Received | None:
        """The next report, or None after a moment without one."""
        try:
            return self._received.get(timeout=_TICK)
        except queue.Empty:
            return None

    def wait_for(self, kind: type[_R]) -> _R:
        """Wait for the first report of a kind. Raises `WorkerLost` where the worker cannot be started, `Cancelled` on Ctrl-C."""
        while True:
            received = self.next()
            if self.interruptions:
                self.kill()
                raise Cancelled
            if received is None:
                continue
            report = received.report
            if isinstance(report, CatalogSent):
                for name, why in report.broken:
                    print(f"plugin {name}: {why}", file=sys.stderr)
            if isinstance(report, kind):
                return report
            if isinstance(report, WorkerDied):
                words = self._last_words
                raise WorkerLost(words or report.what, report.node or "", "" if words else report.mend)
            if isinstance(report, Log) and report.level == "ERROR":
                self._last_words = report.text
            elif isinstance(report, Log):
                show_log(report)

    def catalog(self) -> Catalog:
        """The node types as this worker tells them, kept for later commands. Raises as `wait_for`."""
        sent = self.wait_for(CatalogSent)
        keep_stamp(self._stamp, places())
        return sent.catalog

    def end(self) -> None:
        """End the worker: politely, or by force where it is not ready yet and has nothing to lose."""
        if self.supervisor.state is State.STARTING:
            self.kill()
        self.supervisor.stop()

    def kill(self) -> None:
        """End the worker by force, for one that has nothing to lose or no time."""
        if self._channel is not None:
            self._channel.kill()

    def _open(self) -> ProcessChannel:
        self._channel = ProcessChannel(self._configuration)
        return self._channel

    def _take(self, report: Report) -> None:
        preview = report.preview if isinstance(report, Stepped) else None
        pixels = self.supervisor.picture(preview) if preview is not None else None
        self._received.put(Received(report, pixels))

    def interrupted(self, number: int, frame: FrameType | None) -> None:
        """A handler for signals that ask to end: only counts."""
        self.interruptions += 1


@contextmanager
def worker(device: str = "", out: str = "") -> Iterator[Worker]:
    """A worker for the block, gone after it. Meanwhile Ctrl-C only counts up `interruptions`: the block decides what to do."""
    one = Worker(_settings(), device, out)
    before = {number: signal.signal(number, one.interrupted) for number in _signals()}
    try:
        one.supervisor.start()
        yield one
    finally:
        one.end()
        for number, handler in before.items():
            signal.signal(number, handler)


def ready_catalog() -> Catalog | None:
    """The node types without a worker's help: None where code has changed since one told them."""
    return fresh_catalog(_settings(), places())


def catalog() -> Catalog:
    """The node types: as a worker told them some time, where no code has changed since; else as one tells them now."""
    ready = ready_catalog()
    if ready is not None:
        return ready
    with worker() as one:
        return one.catalog()


def _settings() -> Settings:
    loaded = load_settings(places().config)
    if loaded.message:
        print(f"wirelight: {loaded.message}", file=sys.stderr)
    return loaded.settings


def show_log(line: Log) -> None:
    """A line of node code, or a warning of the worker itself, to whoever watches the terminal."""
    if line.node or line.level in _LOUD:
        print(f"{line.node}: {line.text}" if line.node else line.text, file=sys.stderr)


def _signals() -> tuple[signal.Signals, ...]:
    """Those that ask a program to end. Handlers can only be set in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return ()
    return signal.SIGINT, signal.SIGTERM
