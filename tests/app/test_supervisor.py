"""The supervisor's rules, on workers that answer as told. Real workers are in `tests/worker`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from studio.app.supervisor import (
    Busy,
    Report,
    State,
    Supervisor,
    Timing,
    WorkerDied,
    WorkerSilent,
    WorkerStarting,
)
from studio.graph.edits import SetParameter
from studio.graph.errors import Misuse, WorkerLost
from studio.graph.graph import Graph, Node, NodeId, Subgraph, SubgraphId
from studio.protocol.fake import FakeChannel
from studio.protocol.messages import (
    VERSION,
    Cancel,
    Fetch,
    Fetched,
    FetchStep,
    FetchSteps,
    GraphChange,
    Heartbeat,
    NodeFailed,
    NodeStarted,
    Pause,
    Picture,
    Ready,
    Resume,
    Run,
    RunFinished,
    RunId,
    RunPaused,
    RunRefused,
    RunResumed,
    RunStarted,
    StepFetched,
    StepsFetched,
)

READY = Ready(VERSION, 1, "abc")
QUICK = Timing(tick=0.005, hung=0.6, starting=5.0, quiet=5, cancel=0.1, early=0.0, waits=(0.0, 0.0, 0.01))
BLUR = NodeId("blur")
GRAPH = Graph({BLUR: Node("image/Blur", {"radius": 1.0}), NodeId("save"): Node("image/Save")})
ONE = RunId("one")
TWO = RunId("two")


class House:
    """A supervisor, the workers it was given, and what it told."""

    def __init__(self, timing: Timing = QUICK) -> None:
        self.workers: list[FakeChannel] = []
        self.told: list[Report] = []
        self.ready = True
        self.supervisor = Supervisor(self._open, self.told.append, timing)

    def _open(self) -> FakeChannel:
        worker = FakeChannel(*[READY] if self.ready else [])
        self.workers.append(worker)
        return worker

    @property
    def worker(self) -> FakeChannel:
        return self.workers[-1]

    def runs(self, worker: int = -1) -> list[Run]:
        return [one for one in self.workers[worker].sent if isinstance(one, Run)]

    def begin(self, run: RunId = ONE, node: NodeId = BLUR) -> None:
        """The worker is at a node."""
        self.worker.node = node
        self.worker.answers += [RunStarted(run, 2), NodeStarted(run, node)]
        until(lambda: NodeStarted(run, node) in self.told)

    def die(self, what: str = "It crashed.") -> None:
        workers = len(self.workers)
        self.worker.answers.append(WorkerLost(what, self.worker.node or ""))
        until(lambda: len(self.workers) > workers)


def until(true: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


@pytest.fixture
def house() -> Iterator[House]:
    threads = set(threading.enumerate())
    one = House()
    one.supervisor.start()
    until(lambda: READY in one.told)
    yield one
    one.supervisor.stop()
    assert set(threading.enumerate()) <= threads
    assert all(worker.closed for worker in one.workers)


def test_a_run_crosses_with_all_it_was_asked_with(house: House) -> None:
    house.supervisor.run(GRAPH, [BLUR], out="/pictures", workflow="{}", previews=False, every_preview=True, run_id=ONE)
    (run,) = house.runs()
    assert (run.run, run.wanted, run.out, run.workflow) == (ONE, (BLUR,), "/pictures", "{}")
    assert not run.previews
    assert run.every_preview
    assert run.graph.edit.apply(Graph())[0] == GRAPH


def test_only_what_changed_is_sent(house: House) -> None:
    changed, _ = SetParameter(BLUR, "radius", 2.0).apply(GRAPH)
    for graph in (GRAPH, GRAPH, replace(GRAPH, nodes=dict(GRAPH.nodes)), changed, GRAPH):
        house.supervisor.run(graph)
    first, same, equal, other, back = (run.graph for run in house.runs())
    assert (first.base, first.revision) == (0, 1)
    assert same == equal == GraphChange(1, 1)
    assert (other.base, other.revision) == (1, 2)
    assert other.edit.apply(GRAPH)[0] == changed
    assert back.edit.apply(changed)[0] == GRAPH


def test_a_new_worker_gets_the_whole_graph(house: House) -> None:
    house.supervisor.run(GRAPH, run_id=ONE)
    house.begin()
    house.die()
    house.supervisor.run(GRAPH, run_id=TWO)
    (run,) = house.runs()
    assert run.graph.edit.apply(Graph())[0] == GRAPH


def test_a_death_names_the_node_and_fails_its_run_only(house: House) -> None:
    house.supervisor.run(GRAPH, run_id=ONE)
    house.supervisor.run(GRAPH, run_id=TWO)
    house.begin()
    house.die("It was killed.")
    died = next(one for one in house.told if isinstance(one, WorkerDied))
    assert (died.what, died.node, died.run) == ("It was killed.", BLUR, ONE)
    assert NodeFailed(ONE, BLUR, "image/Blur", "It was killed.") in house.told
    assert RunFinished(ONE, "failed", 0.0) in house.told
    until(lambda: house.runs())
    assert [run.run for run in house.runs()] == [TWO], "the queue goes on"


def test_the_node_may_lie_in_a_subgraph(house: House) -> None:
    inside = Subgraph("Soften", Graph({BLUR: Node("image/Blur")}))
    graph = Graph({NodeId("soften"): Node("subgraph:s")}, subgraphs={SubgraphId("s"): inside})
    house.supervisor.run(graph, run_id=ONE)
    house.begin(node=NodeId("soften/blur"))
    house.die()
    assert NodeFailed(ONE, NodeId("soften/blur"), "image/Blur", "It crashed.") in house.told


def test_a_run_that_had_not_begun_is_given_to_the_next_worker(house: House) -> None:
    house.supervisor.run(GRAPH, run_id=ONE)
    house.die()
    until(lambda: house.runs())
    assert [run.run for run in house.runs()] == [ONE]
    assert not any(isinstance(one, RunFinished) for one in house.told)


def test_but_not_for_ever(house: House) -> None:
    house.supervisor.run(GRAPH, run_id=ONE)
    for _ in range(3):
        assert RunFinished(ONE, "failed", 0.0) not in house.told
        house.die()
    assert RunFinished(ONE, "failed", 0.0) in house.told


def test_a_worker_that_never_gets_ready_fails_the_runs_and_is_tried_more_and_more_slowly() -> None:
    house = House(replace(QUICK, waits=(0.0, 0.0, 0.0, 3600.0)))
    house.ready = False
    house.supervisor.start()
    until(lambda: house.workers)
    house.supervisor.run(GRAPH, run_id=ONE)
    for _ in range(2):
        house.die("There is no torch.")
    house.worker.answers.append(WorkerLost("There is no torch."))
    until(lambda: house.supervisor.state is State.WAITING)
    assert RunFinished(ONE, "failed", 0.0) in house.told
    assert [one.attempt for one in house.told if isinstance(one, WorkerStarting)] == [1, 2, 3]
    house.supervisor.run(GRAPH, run_id=TWO)
    until(lambda: len(house.workers) == 4)
    house.supervisor.stop()
    assert house.supervisor.state is State.STOPPED


def test_a_worker_that_cannot_be_started_is_reported() -> None:
    told: list[Report] = []

    def refuse() -> FakeChannel:
        raise WorkerLost("No process can be started.")

    supervisor = Supervisor(refuse, told.append, QUICK)
    supervisor.start()
    until(lambda: any(isinstance(one, WorkerDied) for one in told))
    supervisor.stop()


def test_a_worker_of_another_version_is_not_used(house: House) -> None:
    house.ready = False
    house.die()
    house.worker.answers.append(Ready(VERSION + 1, 1, ""))
    until(lambda: len(house.workers) == 3)
    assert any(isinstance(one, WorkerDied) and "version" in one.what for one in house.told)


def test_cancel_pause_and_resume_cross(house: House) -> None:
    run = house.supervisor.run(GRAPH)
    for call in (house.supervisor.pause, house.supervisor.resume, house.supervisor.cancel, house.supervisor.cancel):
        call(run)
        call(RunId("over"))
    assert house.worker.sent[1:] == [Pause(run), Resume(run), Cancel(run)]


def test_a_cancel_that_is_not_obeyed_ends_the_worker(house: House) -> None:
    house.supervisor.run(GRAPH, run_id=ONE)
    house.begin()
    stubborn = house.worker
    house.supervisor.cancel(ONE)
    until(lambda: RunFinished(ONE, "cancelled", 0.0) in house.told)
    assert stubborn.killed
    died = next(one for one in house.told if isinstance(one, WorkerDied))
    assert died.node == BLUR
    assert "Cancel" in died.what
    assert not any(isinstance(one, NodeFailed) for one in house.told)


def test_a_cancel_that_is_obeyed_ends_nothing_else(house: House) -> None:
    house.supervisor.run(GRAPH, run_id=ONE)
    house.begin()
    house.supervisor.cancel(ONE)
    house.worker.answers.append(RunFinished(ONE, "cancelled", 1.0))
    until(lambda: house.supervisor.state is State.IDLE)
    time.sleep(0.2)
    assert not house.worker.killed


def test_a_hung_worker_is_told_from_a_busy_one(house: House) -> None:
    house.supervisor.run(GRAPH, run_id=ONE)
    house.begin()
    assert house.supervisor.state is State.WORKING
    house.worker.answers.append(Heartbeat(1.0, 100, ONE, BLUR, 60.0))
    until(lambda: house.supervisor.state is State.QUIET)
    assert house.supervisor.busy_with == Busy(ONE, BLUR, 60.0)
    until(lambda: house.supervisor.state is State.HUNG)
    until(lambda: any(isinstance(one, WorkerSilent) for one in house.told))
    silent = next(one for one in house.told if isinstance(one, WorkerSilent))
    assert silent.node == BLUR
    assert silent.seconds >= QUICK.hung
    house.worker.answers.append(Heartbeat(9.0, 100, ONE, BLUR, 0.0))
    until(lambda: house.supervisor.state is State.WORKING)
    assert not house.worker.killed


def test_its_state_follows_the_run(house: House) -> None:
    assert house.supervisor.state is State.IDLE
    assert house.supervisor.busy_with is None
    house.supervisor.run(GRAPH, run_id=ONE)
    house.begin()
    house.worker.answers.append(RunPaused(ONE, BLUR, 3))
    until(lambda: house.supervisor.state is State.PAUSED)
    house.worker.answers.append(RunResumed(ONE))
    until(lambda: house.supervisor.state is State.WORKING)
    house.worker.answers.append(RunFinished(ONE, "done", 1.0))
    until(lambda: house.supervisor.state is State.IDLE)


def test_after_a_refusal_the_graph_is_sent_whole(house: House) -> None:
    house.supervisor.run(GRAPH, run_id=ONE)
    house.worker.answers.append(RunRefused(ONE, ()))
    until(lambda: house.supervisor.state is State.IDLE)
    house.supervisor.run(GRAPH, run_id=TWO)
    assert house.runs()[1].graph.edit.apply(Graph())[0] == GRAPH


def test_every_request_is_answered_even_by_a_dead_worker(house: House) -> None:
    first = house.supervisor.fetch(BLUR, "image")
    second = house.supervisor.fetch(BLUR, "image", 2)
    assert first != second
    assert house.worker.sent == [Fetch(first, BLUR, "image"), Fetch(second, BLUR, "image", 2)]
    house.worker.answers.append(Fetched(first, BLUR, "image", "Image"))
    until(lambda: Fetched(first, BLUR, "image", "Image") in house.told)
    steps, step = house.supervisor.fetch_steps(BLUR, first=4), house.supervisor.fetch_step(BLUR, 8, decoded=True)
    assert house.worker.sent[-2:] == [FetchSteps(steps, BLUR, first=4), FetchStep(step, BLUR, 8, decoded=True)]
    house.die()
    assert Fetched(second, BLUR, "image") in house.told
    assert StepsFetched(steps, BLUR) in house.told
    assert StepFetched(step, BLUR, 8) in house.told


def test_pictures_come_from_the_worker_that_is_there(house: House) -> None:
    picture = Picture(3, 8, 1, 1)
    house.worker.pictures[3] = b"abc"
    assert house.supervisor.picture(picture) == b"abc"
    house.die()
    assert house.supervisor.picture(picture) is None


def test_a_restart_that_was_asked_for_is_no_early_death(house: House) -> None:
    house.supervisor.restart()
    until(lambda: len(house.workers) == 2)
    assert not any(isinstance(one, WorkerDied) for one in house.told)
    house.supervisor.run(GRAPH, run_id=ONE)
    until(lambda: house.supervisor.state is State.WORKING)
    house.begin()
    house.supervisor.restart()
    until(lambda: len(house.workers) == 3)
    assert RunFinished(ONE, "failed", 0.0) in house.told
    assert {one.attempt for one in house.told if isinstance(one, WorkerStarting)} == {1}


def test_a_restart_for_new_settings_waits_for_the_runs(house: House) -> None:
    house.supervisor.run(GRAPH, run_id=ONE)
    house.begin()
    house.supervisor.restart(when_idle=True)
    time.sleep(0.05)
    assert len(house.workers) == 1
    house.worker.answers.append(RunFinished(ONE, "done", 1.0))
    until(lambda: len(house.workers) == 2)
    assert not house.workers[0].killed


def test_what_cannot_be_obeyed_is_refused(house: House) -> None:
    house.supervisor.run(GRAPH, run_id=ONE)
    with pytest.raises(Misuse, match="one"):
        house.supervisor.run(GRAPH, run_id=ONE)
    with pytest.raises(Misuse):
        Supervisor(house._open, house.told.append).run(GRAPH)


def test_it_can_be_started_again() -> None:
    house = House()
    for workers in (1, 2):
        house.supervisor.start()
        house.supervisor.start()
        until(lambda workers=workers: len(house.workers) == workers)  # type: ignore[misc]
        house.supervisor.stop()
        house.supervisor.stop()
