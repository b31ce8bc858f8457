"""Real workers, as few as possible."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.app.supervisor import Report, State, Supervisor, Timing
from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.protocol.messages import Configure, RunFinished, RunId, RunRefused
from studio.protocol.process import ProcessChannel

NODES = "--nodes=tests.worker.trivial_nodes"


class Room:
    """A supervisor with real workers of trivial nodes, and all that it told."""

    def __init__(self, folder: Path, timing: Timing | None = None, **settings: Any) -> None:  # noqa: ANN401
        self.told: list[Report] = []
        self.channels: list[ProcessChannel] = []
        configure = Configure(
            out=str(folder / "outputs"), disk=0, store=str(folder / "results"), **{"catalog": "", **settings}
        )

        def open_channel() -> ProcessChannel:
            self.channels.append(ProcessChannel(configure, [NODES]))
            return self.channels[-1]

        self.supervisor = Supervisor(open_channel, self._hear, timing)
        self.on_event: Callable[[Report], None] = lambda report: None

    def _hear(self, report: Report) -> None:
        self.told.append(report)
        self.on_event(report)

    @property
    def pid(self) -> int:
        return self.channels[-1].pid

    def start(self) -> Room:
        self.supervisor.start()
        self.until(lambda: self.supervisor.state is State.IDLE)
        return self

    def until(self, true: Callable[[], object], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"it did not happen; told: {self.told[-20:]}"
            time.sleep(0.005)

    def of(self, kind: type, run: RunId | None = None) -> list[Any]:
        """Reports of one kind, of one run."""
        return [one for one in self.told if isinstance(one, kind) and (run is None or getattr(one, "run", None) == run)]

    def end_of(self, run: RunId, seconds: float = 20.0) -> str:
        """Wait for a run's end; how it ended."""
        self.until(lambda: self.of(RunFinished, run) or self.of(RunRefused, run), seconds)
        finished = self.of(RunFinished, run)
        return str(finished[0].state) if finished else "refused"

    def go(self, graph: Graph, **options: Any) -> RunId:  # noqa: ANN401
        """Run a graph to its end, which must be good."""
        run = self.supervisor.run(graph, **options)
        assert self.end_of(run) == "done", self.told
        return run


def chain(*types: str, **parameters: Any) -> Graph:  # noqa: ANN401
    """Nodes `n0`, `n1` ... of these types, each fed by the one before; `parameters` are for all that have them, as `n0_steps=3`."""
    nodes, links = {}, {}
    for at, type in enumerate(types):
        own = {name.partition("_")[2]: value for name, value in parameters.items() if name.startswith(f"n{at}_")}
        nodes[NodeId(f"n{at}")] = Node(type, own)
        if at:
            name = "a" if type == "test/Add" else "value"
            links[Socket(NodeId(f"n{at}"), name)] = Socket(NodeId(f"n{at - 1}"), "number")
    return Graph(nodes, links)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """One worker for all tests that leave it as it was."""
    room = Room(tmp_path_factory.mktemp("worker")).start()
    yield room
    room.supervisor.stop()


@pytest.fixture
def room(shared: Room) -> Room:
    """The shared worker, idle, with nothing told yet."""
    shared.until(lambda: shared.supervisor.state is State.IDLE)
    shared.told.clear()
    shared.on_event = lambda report: None
    return shared


@pytest.fixture
def own_room(tmp_path: Path) -> Iterator[Room]:
    """A worker that this test may end."""
    threads = set(threading.enumerate())
    room = Room(tmp_path, Timing(tick=0.05, hung=2.0, cancel=3.0)).start()
    yield room
    room.supervisor.stop()
    assert set(threading.enumerate()) <= threads
