"""Ctrl-C in the terminal, or a polite kill, closes the window like its own button."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QSocketNotifier


class Signals:
    """Python runs signal handlers only between its own instructions; a socket wakes Qt's loop for them, without a timer."""

    def __init__(self, act: Callable[[], object], numbers: Sequence[signal.Signals], parent: QObject) -> None:
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)
        self._before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._notifier = QSocketNotifier(self._reader.fileno(), QSocketNotifier.Type.Read, parent)
        self._notifier.activated.connect(lambda: self._reader.recv(64))
        self._handlers = {number: signal.signal(number, lambda number, frame: act()) for number in numbers}

    def close(self) -> None:
        """As it was before."""
        self._notifier.setEnabled(False)
        signal.set_wakeup_fd(self._before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()
