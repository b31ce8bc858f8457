"""Cancelling, pausing and resuming a run from another thread."""

from __future__ import annotations

import threading
import time

from studio.graph.errors import Cancelled


class RunControl:
    """Two wishes that a run looks at whenever it can stop: at every step of a node, and between nodes.

    `asked` is True while either stands; it is read without a lock, so that looking costs next to nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self.cancelled = False
        self.paused = False
        self.waited = 0.0
        """Seconds spent in pauses."""
        self._changed = threading.Condition()

    def cancel(self) -> None:
        """The next `obey` raises `Cancelled`, and so does every one after it."""
        self._set(cancelled=True, paused=False)

    def pause(self) -> None:
        """The next `hold` waits."""
        self._set(cancelled=self.cancelled, paused=not self.cancelled)

    def resume(self) -> None:
        """Those who wait go on."""
        self._set(cancelled=self.cancelled, paused=False)

    def obey(self) -> None:
        """Raises `Cancelled` where that was asked for; pays no heed to a pause."""
        if self.cancelled:
            raise Cancelled

    def hold(self) -> None:
        """Wait while paused. Raises `Cancelled`."""
        before = time.perf_counter()
        with self._changed:
            self._changed.wait_for(lambda: not self.paused)
        self.waited += time.perf_counter() - before
        self.obey()

    def _set(self, *, cancelled: bool, paused: bool) -> None:
        with self._changed:
            self.cancelled, self.paused = cancelled, paused
            self.asked = cancelled or paused
            self._changed.notify_all()
