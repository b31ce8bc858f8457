"""A Cancel that a node does not heed: after a while the error is raised inside of it."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Final

from studio.graph.errors import Cancelled

_AFTER: Final = 2.0
_AGAIN: Final = 0.5
_OURS: Final = (
    "studio.engine",
    "studio.worker",
    "studio.protocol",
    "studio.graph",
    "threading",
    "concurrent",
    "logging",
    "queue",
)
"""Code that must not be interrupted half way. Its calls are short; the next try finds the node's own code."""


class Insistence:
    """Raises `Cancelled` in the main thread, which runs the nodes, until the run is over.

    A signal does it, since one also wakes a thread that sleeps or waits for the system. Only native code that never asks Python stays
    deaf to it. To be made on the main thread.
    """

    def __init__(self) -> None:
        self._main = threading.main_thread().ident or 0
        self._on = False
        self._over = threading.Event()
        signal.signal(signal.SIGUSR1, self._interrupt)

    def begin(self) -> None:
        """Count from now. Nothing happens where it counts already."""
        if not self._on:
            self._on = True
            self._over.clear()
            threading.Thread(target=self._insist, name="insist", daemon=True).start()

    def end(self) -> None:
        """The run is over."""
        self._on = False
        self._over.set()

    def _insist(self) -> None:
        wait = _AFTER
        while not self._over.wait(wait):
            signal.pthread_kill(self._main, signal.SIGUSR1)
            wait = _AGAIN

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        name = frame.f_globals.get("__name__", "") if frame is not None else ""
        if self._on and not name.startswith(_OURS):
            raise Cancelled
