"""The queue: runs go one after the other, survive the program, and a run that takes the worker along stops nobody else."""

from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.app.runs import Runs
from studio.app.supervisor import Report
from studio.graph.graph import Graph, Node, NodeId
from studio.graph.workflow import Workflow
from studio.library.database import Database
from studio.library.queue import RunQueue, RunState
from studio.protocol.messages import NodeStarted, RunId, RunStarted, Stepped
from tests.worker.conftest import Room, chain


class Desk:
    """The queue with a real worker, as the window has it: reports are heard on the thread that adds runs."""

    def __init__(self, folder: Path, room: Room) -> None:
        self.room = room
        self.reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self.heard: list[Report] = []
        room.on_event = self.reports.put
        self.database = Database(folder / "library.db")
        self.queue = RunQueue(self.database)
        self.runs = Runs(self.queue, room.supervisor)

    def until(self, true: Callable[[], object], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, self.heard[-20:]
            try:
                report = self.reports.get(timeout=0.02)
            except queue.Empty:
                continue
            self.heard.append(report)
            self.runs.heard(report)

    def finish(self) -> list[tuple[str, RunState]]:
        """Let everything run; titles and how they ended, in their order."""
        self.until(lambda: self.runs.current is None and not self.runs.waiting())
        return [(one.title, one.state) for one in self.runs.ended()]

    def close(self) -> None:
        self.runs.close()
        self.database.close()


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    room = Room(tmp_path_factory.mktemp("worker")).start()
    yield room
    room.supervisor.stop()


@pytest.fixture
def desk(worker: Room, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, worker)
    yield desk
    desk.close()


def steps(title: str, number: int = 2) -> Workflow:
    return Workflow(chain("test/Steps", n0_steps=number, n0_seconds=0.01, n0_value=float(number)), title)


def is_on(desk: Desk, run: RunId) -> bool:
    return any(isinstance(report, (Stepped, NodeStarted)) and report.run == run for report in desk.heard)


def test_runs_go_one_after_the_other_in_the_order_of_asking(desk: Desk) -> None:
    ids = [desk.runs.add(steps(title)) for title in ("one", "two", "three")]
    assert desk.runs.current is not None
    assert desk.runs.current.run == ids[0]
    assert [one.title for one in desk.runs.waiting()] == ["two", "three"]
    assert desk.finish() == [(title, RunState.FINISHED) for title in ("one", "two", "three")]
    assert [report.run for report in desk.heard if isinstance(report, RunStarted)] == ids


def test_the_current_run_tells_its_document_and_workflow(desk: Desk) -> None:
    desk.runs.add(steps("one"), [NodeId("n0")], document="abc")
    order = desk.runs.current
    assert order is not None
    assert (order.document, order.title, order.wanted) == ("abc", "one", ("n0",))
    assert '"test/Steps"' in order.workflow
    desk.finish()


def test_waiting_runs_can_be_moved_and_removed(desk: Desk) -> None:
    desk.runs.add(steps("long", 400))
    for title in ("b", "c", "d"):
        desk.runs.add(steps(title))
    b, c, d = (one.id for one in desk.runs.waiting())
    desk.runs.reorder(d, b)
    assert desk.runs.remove(c)
    assert not desk.runs.remove(c)
    desk.runs.cancel()
    assert desk.finish() == [
        ("long", RunState.CANCELLED),
        ("d", RunState.FINISHED),
        ("b", RunState.FINISHED),
    ]


def test_cancelling_everything_leaves_nothing(desk: Desk) -> None:
    for title in ("one", "two"):
        desk.runs.add(steps(title, 400))
    desk.runs.cancel_all()
    assert desk.finish() == [("one", RunState.CANCELLED)]


def test_a_failed_and_a_refused_run_say_why_and_the_next_goes_on(desk: Desk) -> None:
    desk.runs.add(Workflow(chain("test/Fails"), "fails"))
    desk.runs.add(Workflow(Graph({NodeId("x"): Node("gone/Node")}), "unknown"))
    desk.runs.add(steps("good"))
    assert [state for _, state in desk.finish()] == [RunState.FAILED, RunState.FAILED, RunState.FINISHED]
    fails, unknown, _ = desk.runs.ended()
    assert fails.message.startswith("n0: ")
    assert "not to my taste" in fails.message
    assert "x: " in unknown.message
    assert "gone/Node" in unknown.message


def test_a_run_that_kills_the_worker_has_failed_with_its_node_and_the_next_goes_on(desk: Desk) -> None:
    desk.runs.add(Workflow(chain("test/Add", "test/Dies"), "deadly"))
    desk.runs.add(steps("good"))
    assert desk.finish() == [("deadly", RunState.FAILED), ("good", RunState.FINISHED)]
    assert desk.runs.ended()[0].message.startswith("n1: The worker was killed")


def test_kill_9_of_the_worker_in_a_run_stops_nobody_else(desk: Desk) -> None:
    first = desk.runs.add(steps("first", 2_000))
    desk.runs.add(steps("second"))
    desk.until(lambda: is_on(desk, first))
    os.kill(desk.room.pid, signal.SIGKILL)
    assert desk.finish() == [("first", RunState.FAILED), ("second", RunState.FINISHED)]


def test_what_was_on_or_waited_goes_on_at_the_next_start(desk: Desk, tmp_path: Path) -> None:
    run = desk.runs.add(steps("was on", 2_000), document="abc")
    desk.runs.add(steps("waited"))
    desk.until(lambda: is_on(desk, run))
    desk.runs.close()
    desk.room.supervisor.cancel(run)
    desk.room.until(lambda: desk.room.supervisor.busy_with is None)
    again = Desk(tmp_path, desk.room)
    assert [one.title for one in again.runs.waiting()] == ["was on", "waited"]
    again.runs.go_on()
    assert again.runs.current is not None
    assert again.runs.current.document == "abc"
    again.runs.cancel()
    assert again.finish() == [("was on", RunState.CANCELLED), ("waited", RunState.FINISHED)]
    again.close()


def test_a_queue_entry_that_cannot_be_read_fails_alone(desk: Desk) -> None:
    for text in ("no JSON", "{}", '{"workflow": "no workflow"}'):
        desk.queue.put(text, (), "broken")
    desk.runs.add(steps("good"))
    assert [state for _, state in desk.finish()] == [RunState.FAILED] * 3 + [RunState.FINISHED]
    assert all(one.message for one in desk.runs.ended()[:3])
