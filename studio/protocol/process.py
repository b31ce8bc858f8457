"""The line to a worker that runs as a child process: pipes for messages, shared memory for pictures, and what it prints last."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final, cast

from studio.graph.check import Kind, Problem
from studio.graph.errors import ProtocolError, WirelightError, WorkerLost
from studio.graph.graph import NodeId
from studio.protocol.codec import pack, read_frame, unpack_events
from studio.protocol.messages import Configure, Event, Log, Message, Picture, Run, RunRefused, Shutdown
from studio.protocol.pictures import PictureMemory

_PATIENCE: Final = 5.0
"""Seconds that a worker has to finish what it writes after `Shutdown`."""
_LAST_BREATH: Final = 2.0
"""Seconds between the end of the messages and the end of the process."""
_HALF_DEAD: Final = 0.2
"""Seconds that a worker has to end by itself after it sent what is no message."""
_SILENCE: Final = 1.5
"""Without a frame for so long, the worker does not read its own log pipe either; a full one would block it for good."""
_LOG_PIPE: Final = 2**20


class ProcessChannel:
    """A worker process of our own. Nobody else can reach it: there is no socket, no port and no name in a folder."""

    def __init__(self, configure: Configure, arguments: Sequence[str] = ()) -> None:
        """Start it. Raises `WorkerLost` where the system cannot start a process."""
        try:
            self._log, log_in = os.pipe()
        except OSError as error:
            raise _cannot_start(error) from error
        try:
            self._pictures = PictureMemory.create()
        except OSError as error:
            os.close(self._log)
            os.close(log_in)
            raise _cannot_start(error) from error
        os.set_blocking(self._log, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):  # beyond the user's limit: the usual size does as well
                fcntl.fcntl(self._log, fcntl.F_SETPIPE_SZ, _LOG_PIPE)
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "studio.worker",
                    f"--pictures={self._pictures.file}",
                    f"--log={self._log}",
                    *arguments,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_in,
                pass_fds=(self._pictures.file, self._log),
                env=_environment(),
                # A session of its own: Ctrl-C in a terminal is ours to handle, and what the worker starts can be ended with it.
                start_new_session=True,
            )
        except OSError as error:
            self._pictures.close()
            os.close(self._log)
            raise _cannot_start(error) from error
        finally:
            os.close(log_in)
        self._outgoing: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._incoming: queue.SimpleQueue[list[Event] | WirelightError] = queue.SimpleQueue()
        self._ready: deque[Event] = deque()
        self._heard = time.monotonic()
        self._over: WirelightError | None = None
        self._closing = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._write, name="to-worker", daemon=True),
            threading.Thread(target=self._read, name="from-worker", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self.send(configure)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: Message) -> None:
        self._outgoing.put(message)

    def receive(self, timeout: float) -> Event | None:
        if self._ready:
            return self._ready.popleft()
        deadline = time.monotonic() + timeout
        while not self._ready:
            if self._over is not None:
                raise self._over
            try:
                came = self._incoming.get(timeout=max(0.0, min(deadline - time.monotonic(), 1.0)))
            except queue.Empty:
                self._look_after_the_silent()
                if time.monotonic() >= deadline and not self._ready:
                    return None
                continue
            self._heard = time.monotonic()
            if isinstance(came, WirelightError):
                self._over = came
            else:
                self._ready.extend(came)
        return self._ready.popleft()

    def picture(self, picture: Picture) -> bytes | None:
        return self._pictures.read(picture)

    def node_now(self) -> NodeId | None:
        return self._pictures.node()

    def kill(self) -> None:
        _kill_group(self._process.pid, only_while=self._process)

    def close(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self.send(Shutdown())
            self._outgoing.put(None)
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
                self._process.wait()
            _kill_group(self._process.pid)
            for thread in self._threads:
                thread.join()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):  # what could not be written to a dead worker
                    cast("BinaryIO", pipe).close()
            os.close(self._log)
            self._pictures.close()

    def _write(self) -> None:
        pipe = cast("BinaryIO", self._process.stdin)
        with contextlib.suppress(BrokenPipeError):  # the reader tells why
            while (message := self._outgoing.get()) is not None:
                try:
                    frame = pack([message])
                except ProtocolError as error:
                    if isinstance(message, Run):
                        problem = Problem(Kind.NOT_FINITE, NodeId(""), error.what, error.mend)
                        self._incoming.put([RunRefused(message.run, (problem,))])
                    continue
                pipe.write(frame)
                pipe.flush()

    def _read(self) -> None:
        pipe = cast("BinaryIO", self._process.stdout)
        broken: WirelightError | None = None
        by_us = False
        last_error = ""
        try:
            while (body := read_frame(pipe)) is not None:
                events = unpack_events(body)
                errors = [one.text for one in events if isinstance(one, Log) and one.level == "ERROR"]
                last_error = errors[-1] if errors else last_error
                self._incoming.put(events)
        except ProtocolError as error:
            broken = error
            # Half a message is also what a killed worker leaves behind.
            by_us = not self._wait(_HALF_DEAD)
            if by_us:
                self.kill()
        if not self._wait(_LAST_BREATH):
            self.kill()
            self._process.wait()
        node = self._pictures.node()
        _kill_group(self._process.pid)
        words = _lines(self._log, node)
        self._incoming.put([*words])
        last_error = words[-1].text if words else last_error
        self._outgoing.put(None)
        status = self._process.returncode
        if broken is None or (status < 0 and not by_us):
            broken = WorkerLost(_how_it_ended(status, last_error), node or "", mend=_mend(status))
        self._incoming.put(broken)

    def _wait(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _look_after_the_silent(self) -> None:
        if time.monotonic() - self._heard < _SILENCE or self._closed:
            return
        if self._process.poll() is not None and self._threads[1].is_alive():
            # Dead, and yet its pipe is open: a process that it started holds the other end.
            _kill_group(self._process.pid)
        self._ready.extend(_lines(self._log, self._pictures.node()))


def _cannot_start(error: OSError) -> WorkerLost:
    return WorkerLost(
        f"The worker cannot be started: {error.strerror}.", mend="End other programs, or install this one again."
    )


def _environment() -> dict[str, str]:
    """Ours, with the place of this very `studio` first: the worker is never of another installation."""
    root = str(Path(__file__).resolve().parents[2])
    rest = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in (root, rest) if part)}


def _kill_group(group: int, *, only_while: subprocess.Popen[bytes] | None = None) -> None:
    if only_while is not None and only_while.returncode is not None:
        return
    with contextlib.suppress(
        ProcessLookupError, PermissionError
    ):  # nobody is left; macOS refuses for a group of dead ones
        os.killpg(group, signal.SIGKILL)


def _lines(log: int, node: NodeId | None) -> list[Log]:
    """What lies in the log pipe unread."""
    parts = []
    with contextlib.suppress(BlockingIOError):
        while part := os.read(log, _LOG_PIPE):
            parts.append(part)
    text = b"".join(parts).decode("utf-8", "replace")
    return [Log(line, "ERROR", node) for line in re.split(r"[\r\n]+", text) if line.strip()]


def _how_it_ended(status: int, last_error: str) -> str:
    if status >= 0:
        return f"The worker ended by itself (exit status {status}){f': {last_error}' if last_error else '.'}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if name == "SIGKILL":
        return "The worker was killed (SIGKILL)."
    return f"The worker crashed ({name})."


def _mend(status: int) -> str:
    if status == -signal.SIGKILL:
        return "Where you did not do it yourself, the system ran out of memory: make the picture or the batch smaller."
    return "The log holds its last words."
