"""What the worker is at, for its heartbeat, for its log lines, and for the time after its death."""

from __future__ import annotations

import time

from studio.graph.graph import NodeId
from studio.protocol.messages import RunId
from studio.protocol.pictures import PictureMemory


class Now:
    """The run, the nodes that are running, and when one last reported anything."""

    def __init__(self, pictures: PictureMemory) -> None:
        self._pictures = pictures
        self._running: dict[NodeId, None] = {}
        self._told = time.monotonic()
        self.run: RunId | None = None

    @property
    def node(self) -> NodeId | None:
        """The node that started last, of those that are running."""
        return next(reversed(self._running), None)

    @property
    def silent(self) -> float:
        """Seconds since the running node reported anything; 0 between runs."""
        return time.monotonic() - self._told if self.run is not None else 0.0

    def begin(self, run: RunId) -> None:
        self.told()
        self.run = run

    def end(self) -> None:
        self._running.clear()
        self._pictures.set_node(None)
        self.run = None

    def started(self, node: NodeId) -> None:
        self.told()
        self._running[node] = None
        self._pictures.set_node(node)

    def told(self) -> None:
        self._told = time.monotonic()

    def finished(self, node: NodeId) -> None:
        """The shared memory goes on naming the last node until another starts: its result is still being kept."""
        self.told()
        self._running.pop(node, None)
        if (other := self.node) is not None:
            self._pictures.set_node(other)
