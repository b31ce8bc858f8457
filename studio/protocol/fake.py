"""A worker that answers as a test tells it to."""

from __future__ import annotations

from collections import deque
from time import sleep

from studio.graph.errors import WirelightError, WorkerLost
from studio.graph.graph import NodeId
from studio.protocol.messages import Event, Message, Picture


class FakeChannel:
    """Gives out `answers` in order, raising those that are errors; keeps what was `sent`. `pictures` are pixels by slot."""

    def __init__(self, *answers: Event | WirelightError) -> None:
        self.answers = deque(answers)
        self.sent: list[Message] = []
        self.pictures: dict[int, bytes] = {}
        self.node: NodeId | None = None
        self.killed = self.closed = False

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def receive(self, timeout: float) -> Event | None:
        if self.killed:
            raise WorkerLost("The worker was killed.", self.node or "")
        if not self.answers:
            sleep(min(timeout, 0.001))
            return None
        answer = self.answers.popleft()
        if isinstance(answer, WirelightError):
            raise answer
        return answer

    def picture(self, picture: Picture) -> bytes | None:
        return self.pictures.get(picture.slot)

    def node_now(self) -> NodeId | None:
        return self.node

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        self.closed = True
