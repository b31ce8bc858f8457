"""What the application asks of a worker's line, whatever is at its other end."""

from __future__ import annotations

from typing import Protocol

from studio.graph.graph import NodeId
from studio.protocol.messages import Event, Message, Picture


class Channel(Protocol):
    """A line to one worker, from its start to its end. Any thread may call; only `receive` and `close` wait for anything."""

    def send(self, message: Message) -> None:
        """Give the worker a message. Where it is gone already, nothing happens; `receive` tells."""

    def receive(self, timeout: float) -> Event | None:
        """The next event, or None after `timeout` seconds. Raises `WorkerLost` or `ProtocolError` when nothing more can come."""

    def picture(self, picture: Picture) -> bytes | None:
        """A copy of the pixels: rows top down, without padding. None where they were overwritten since."""

    def node_now(self) -> NodeId | None:
        """The node that the worker is at, true to the moment even of a worker that was killed."""

    def kill(self) -> None:
        """End the worker by force, with all processes that it started."""

    def close(self) -> None:
        """End the worker: politely, then by force. It has a few seconds to finish what it writes."""
