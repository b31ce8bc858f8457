"""The worker's process, from its first line to its last. The window starts it; see `studio.protocol.process`."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, NoReturn

from studio.graph.errors import ProtocolError, WirelightError
from studio.protocol.codec import check_version, read_frame, unpack_messages
from studio.protocol.messages import VERSION, Configure, Log, Message, Ready, Shutdown
from studio.protocol.pictures import PictureMemory
from studio.worker.heart import beat
from studio.worker.lines import Lines, LinesHandler
from studio.worker.now import Now
from studio.worker.outbox import Outbox
from studio.worker.printed import Printed, take_over

_ORPHANED: Final = 1.0
"""Seconds to finish what is being written once the window is gone."""
_LAST_WORDS: Final = 0.5
_PATIENCE: Final = "2000"
"""Turns that a thread of torch waits for the others before it sleeps; by default 300,000, which is most of a time slice.

Where other programs compute as well, one thread of ours is often without a core while the rest turn, and use up their own
time: 20 steps of the picture starter took over 15 s beside two busy processes on two cores, and take 1.5 s with this. On an idle
machine they take 0.9 s for 0.7; networks of an artist's size lose 2 %. Fewer threads under load would change the last bits of
pictures."""
_YOUNG: Final = 20_000
"""New objects before the collector looks at them; by default 700."""
_FAULT: Final = 1
_BAD_MESSAGE: Final = 3
_CANNOT_WORK: Final = 4
_THREADS: Final = frozenset({"to-window", "from-window", "printed", "heart", "fetch"})


def main() -> None:
    """Work until `Shutdown`, or until the window is gone."""
    arguments = _arguments()
    if "OMP_WAIT_POLICY" not in os.environ:
        # Read when torch loads libgomp.
        os.environ.setdefault("GOMP_SPINCOUNT", _PATIENCE)
    # Ctrl-C in a terminal reaches whoever reads it; that process then tells us what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pictures = PictureMemory(arguments.pictures)
    messages_in, messages_out = take_over(sys.stderr.fileno())
    faulthandler.enable()
    outbox = Outbox(messages_out)
    now = Now(pictures)
    lines = Lines(outbox, now)
    printed = Printed(arguments.log, lines.say)
    logging.getLogger().addHandler(LinesHandler(lines))
    logging.captureWarnings(True)
    beat(outbox, now, pictures)
    _end_at_faults_of_ours(outbox, printed)
    inbox = _Inbox(messages_in, outbox)
    try:
        _work(inbox, outbox, now, printed, pictures, arguments.nodes)
    except WirelightError as error:
        outbox.put(Log(str(error), "ERROR"))
        _leave(outbox, _CANNOT_WORK)


def _work(
    inbox: _Inbox, outbox: Outbox, now: Now, printed: Printed, pictures: PictureMemory, modules: list[str]
) -> None:
    configure = inbox.configuration()
    # Not before the heart beats: this imports torch.
    from studio.worker.jobs import Jobs
    from studio.worker.loading import load

    # What is loaded now stays to the end: the collector shall not go through it, neither now nor ever after.
    gc.disable()
    loaded = load(configure, modules)
    gc.freeze()
    gc.enable()
    # A run of 10,000 nodes makes ten times as many objects, and keeps them.
    gc.set_threshold(_YOUNG)

    def leave() -> None:
        loaded.engine.close()
        printed.settle()
        _leave(outbox, 0)

    jobs = Jobs(loaded, outbox, now, printed, pictures, leave)
    outbox.put(Ready(VERSION, os.getpid(), loaded.catalog.catalog.fingerprint, loaded.devices))
    outbox.put(loaded.catalog)
    inbox.deliver(jobs.take, jobs.stop)
    jobs.work()
    leave()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="studio.worker", description="Runs graphs for a window or a command, which starts it. Of no use by itself."
    )
    parser.add_argument("--pictures", type=int, required=True, metavar="FD", help="shared memory for pictures")
    parser.add_argument("--log", type=int, required=True, metavar="FD", help="other end of the pipe that is its stderr")
    parser.add_argument(
        "--nodes",
        action="append",
        default=[],
        metavar="MODULE",
        help="take the nodes of this module, not those that come with the program",
    )
    return parser.parse_args()


def _leave(outbox: Outbox, status: int) -> NoReturn:
    outbox.close(_LAST_WORDS)
    # Not by way of the interpreter's end: native libraries take their time there, and some crash.
    os._exit(status)


def _end_at_faults_of_ours(outbox: Outbox, printed: Printed) -> None:
    """An error that nobody caught, on a thread that the worker cannot do without, ends it; the window starts another."""

    def tell(error: BaseException) -> NoReturn:
        printed.settle()
        outbox.put(Log(f"{type(error).__name__}: {error}", "ERROR"))
        _leave(outbox, _FAULT)

    def on_main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        tell(error)

    def elsewhere(fault: threading.ExceptHookArgs) -> None:
        threading.__excepthook__(fault)
        if fault.thread is not None and fault.thread.name in _THREADS and fault.exc_value is not None:
            tell(fault.exc_value)

    sys.excepthook = on_main
    threading.excepthook = elsewhere


class _Inbox:
    """Reads messages on a thread of its own, and hands them on as soon as somebody takes them."""

    def __init__(self, pipe: int, outbox: Outbox) -> None:
        self._pipe = pipe
        self._outbox = outbox
        self._lock = threading.Lock()
        self._early: list[Message] = []
        self._configure: Configure | None = None
        self._configured = threading.Event()
        self._take: Callable[[Message], None] | None = None
        self._stop: Callable[[], None] | None = None
        threading.Thread(target=self._read, name="from-window", daemon=True).start()

    def configuration(self) -> Configure:
        """The first message. Raises `ProtocolError` where it is another, or of another version."""
        self._configured.wait()
        if self._configure is None:
            raise ProtocolError("The first message is not Configure.")
        check_version(self._configure.version)
        return self._configure

    def deliver(self, take: Callable[[Message], None], stop: Callable[[], None]) -> None:
        """Give every message to `take`, those that came before as well; `stop` where no more can come."""
        with self._lock:
            self._take, self._stop = take, stop
            for message in self._early:
                take(message)

    def _read(self) -> None:
        with os.fdopen(self._pipe, "rb") as pipe:
            try:
                while (body := read_frame(pipe)) is not None:
                    for message in unpack_messages(body):
                        self._one(message)
            except ProtocolError as error:
                self._outbox.put(Log(str(error), "ERROR"))
                _leave(self._outbox, _BAD_MESSAGE)
        self._alone()

    def _one(self, message: Message) -> None:
        with self._lock:
            if not self._configured.is_set():
                self._configure = message if isinstance(message, Configure) else None
                self._configured.set()
            elif self._take is not None:
                self._take(message)
            elif isinstance(message, Shutdown):
                os._exit(0)  # in the middle of loading: there is nothing to finish yet
            else:
                self._early.append(message)

    def _alone(self) -> None:
        """The window is gone. Nobody must be left behind, whatever the main thread is at."""
        if self._stop is None:
            os._exit(0)
        threading.Timer(_ORPHANED, os._exit, [0]).start()
        self._stop()
