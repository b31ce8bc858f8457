"""The worker behind a window: the process, the queue of runs, and the bridge by which its reports come over."""

from __future__ import annotations

from collections.abc import Callable

from studio.app.runs import Runs
from studio.app.settings import load_settings
from studio.app.supervisor import Supervisor
from studio.app.worker_setup import configure
from studio.library.database import library
from studio.library.places import Places
from studio.library.queue import RunQueue
from studio.protocol.channel import Channel
from studio.window.bridge import Bridge
from studio.window.desk import Desk

OpenChannel = Callable[[], Channel]


class WorkerLink:
    """A worker for a desk. Goes on with the runs that were left from the last time. Raises `FileProblem` for a broken library."""

    def __init__(self, desk: Desk, places: Places, open_channel: OpenChannel | None = None) -> None:
        self._places = places
        queue = RunQueue(library())
        self.bridge = Bridge(desk)
        self.supervisor = Supervisor(open_channel or self._process, self.bridge.post)
        self.queue = Runs(queue, self.supervisor)
        self.bridge.arrived.connect(desk.connect_worker(self.supervisor, self.queue).take)
        self.supervisor.start()
        self.queue.go_on()

    def close(self) -> None:
        """End the worker; runs that were on or waited go on at the next start."""
        self.bridge.close()
        self.supervisor.stop()
        self.queue.close()

    def _process(self) -> Channel:
        from studio.protocol.process import (
            ProcessChannel,
        )  # POSIX only; a window that was given another channel does without

        return ProcessChannel(configure(load_settings(self._places.config).settings, self._places))
