"""From the supervisor's thread to the window's, at most once a frame, and with nothing that a later report makes stale."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QImage

from studio.app.supervisor import Report
from studio.protocol.messages import Heartbeat, Picture, Stepped

FRAME_MS: Final = 16


class Bridge(QObject):
    """`post` may be called from any thread; `arrived` comes on the window's, with the reports since the last time, in order."""

    arrived = Signal(list)
    _woken = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._waiting: list[Report] = []
        self._asleep = True
        self._closed = False
        self._last = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._deliver)
        self._woken.connect(self._wake, Qt.ConnectionType.QueuedConnection)

    def post(self, report: Report) -> None:
        """Something happened. Returns at once."""
        with self._lock:
            if self._closed:
                return
            self._waiting.append(report)
            wake, self._asleep = self._asleep, False
            if wake:
                self._woken.emit()

    def close(self) -> None:
        """From now on nothing arrives."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
        self._timer.stop()

    def _wake(self) -> None:
        if not self._closed:
            since = (time.monotonic() - self._last) * 1000
            self._timer.start(max(0, round(FRAME_MS - since)))

    def _deliver(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._asleep = True
        self._last = time.monotonic()
        if waiting:
            self.arrived.emit(without_stale(waiting))


def without_stale(reports: Iterable[Report]) -> list[Report]:
    """The reports in order, without steps that a later step of the same node replaces, and all but the last heartbeat.

    A step without a picture does not replace one with a picture: the picture would be lost.
    """
    kept: list[Report] = []
    latest: set[object] = set()
    for report in reversed(list(reports)):
        if isinstance(report, Heartbeat):
            key: object = Heartbeat
        elif isinstance(report, Stepped):
            key = (report.run, report.node, report.preview is not None)
            if report.preview is None and (report.run, report.node, True) in latest:
                continue
        else:
            kept.append(report)
            continue
        if key not in latest:
            latest.add(key)
            kept.append(report)
    kept.reverse()
    return kept


def image_of(picture: Picture | None, read: Callable[[Picture], bytes | None]) -> QImage | None:
    """The pixels of a picture in the shared memory, copied; None where they were overwritten since, or there is no picture."""
    data = read(picture) if picture is not None else None
    if picture is None or data is None:
        return None
    formats = {1: QImage.Format.Format_Grayscale8, 3: QImage.Format.Format_RGB888, 4: QImage.Format.Format_RGBA8888}
    if picture.channels not in formats or len(data) < picture.width * picture.height * picture.channels:
        return None
    image = QImage(data, picture.width, picture.height, picture.width * picture.channels, formats[picture.channels])
    # A copy, in the format that is painted fastest: the bytes of `data` are not kept by the image.
    return image.convertToFormat(
        QImage.Format.Format_ARGB32_Premultiplied if picture.channels == 4 else QImage.Format.Format_RGB32
    )
