"""Events on their way to the window: many in a frame, at most one frame in a few milliseconds, and never a wait for the sender."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import Final

from studio.protocol.codec import pack
from studio.protocol.messages import Event, Log, Progressed, Stepped

_INTERVAL: Final = 0.005
_MOST_IN_FRAME: Final = 10_000
_MOST_WAITING: Final = 50_000
"""Beyond, the window does not read: what it can miss is left out."""


class Outbox:
    """Writes events to a pipe, on a thread of its own."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._events: deque[Event] = deque()
        self._some = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="to-window", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Send an event soon. Steps and log lines are left out where the window has not read for long."""
        if len(self._events) > _MOST_WAITING and isinstance(event, (Stepped, Progressed, Log)):
            return
        self._events.append(event)
        if not self._some.is_set():
            self._some.set()

    def close(self, patience: float) -> None:
        """Write what is left, for at most `patience` seconds."""
        self._closing = True
        self._some.set()
        if self._thread is not threading.current_thread():
            self._thread.join(patience)

    def _work(self) -> None:
        while True:
            self._some.wait()
            self._some.clear()
            events: list[Event] = []
            while self._events and len(events) < _MOST_IN_FRAME:
                events.append(self._events.popleft())
            if self._events:
                self._some.set()
            if events and not self._write(pack(events)):
                return
            if self._closing and not self._events:
                return
            if not self._closing:
                time.sleep(_INTERVAL)

    def _write(self, frame: bytes) -> bool:
        """False where the window is gone."""
        rest = memoryview(frame)
        while rest:
            try:
                rest = rest[os.write(self._pipe, rest) :]
            except BrokenPipeError:
                return False
        return True
