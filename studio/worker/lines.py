"""Lines for the window's log: each with its node, and no more of them than anybody could read."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from studio.protocol.messages import Log
from studio.worker.now import Now
from studio.worker.outbox import Outbox

_BURST: Final = 20_000
_PER_SECOND: Final = 2_000


class Lines:
    """Sends lines, as long as they are not too many: a node that prints in an endless loop must not keep the window busy."""

    def __init__(self, outbox: Outbox, now: Now) -> None:
        self._outbox = outbox
        self._now = now
        self._lock = threading.Lock()
        self._allowed = float(_BURST)
        self._counted = time.monotonic()
        self._left_out = 0

    def say(self, text: str, level: str = "INFO") -> None:
        """Send a line of the node that is running."""
        with self._lock:
            moment = time.monotonic()
            self._allowed = min(_BURST, self._allowed + (moment - self._counted) * _PER_SECOND)
            self._counted = moment
            if self._allowed < 1:
                self._left_out += 1
                return
            self._allowed -= 1
            left_out, self._left_out = self._left_out, 0
        if left_out:
            self._outbox.put(Log(f"{left_out} lines were left out here.", "WARNING", self._now.node))
        self._outbox.put(Log(text, level, self._now.node))


class LinesHandler(logging.Handler):
    """Sends the records of `logging`, with their level."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.say(self.format(record), record.levelname)
