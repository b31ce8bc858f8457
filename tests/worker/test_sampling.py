"""The worker with everything it has: torch, the nodes of the program, a starter model."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.app.supervisor import Report, State, Supervisor, WorkerDied
from studio.files.workflow_file import read_workflow
from studio.graph.edits import SetParameter
from studio.graph.graph import Graph, NodeId
from studio.protocol.messages import Configure, NodeFailed, OutputWritten, Ready, StepFetched, Stepped, StepsFetched
from studio.protocol.process import ProcessChannel
from studio.resources import resource
from studio.worker.warm import IDLE
from tests.worker.conftest import Room

STEPS = 3
SAMPLER = NodeId("sampler")


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """A supervisor as the window has it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the model is so small that threads only wait for each other
    room = Room(tmp_path)
    configure = Configure(out=str(tmp_path / "outputs"), disk=0)

    def open_channel() -> ProcessChannel:
        room.channels.append(ProcessChannel(configure))
        return room.channels[-1]

    room.supervisor = Supervisor(open_channel, room._hear)
    room.supervisor.start()
    yield room
    room.supervisor.stop()


def text_to_image() -> Graph:
    graph = read_workflow(resource("templates", "text-to-image.json")).workflow.graph
    return SetParameter(SAMPLER, "steps", STEPS).apply(graph)[0]


def test_a_worker_killed_while_it_samples(studio: Room, tmp_path: Path) -> None:
    graph = text_to_image()
    killed = studio.supervisor.run(graph, out=str(tmp_path / "killed"))
    studio.until(lambda: studio.of(Stepped, killed), 120)
    os.kill(studio.pid, signal.SIGKILL)
    assert studio.end_of(killed) == "failed"
    (failed,) = studio.of(NodeFailed, killed)
    assert (failed.node, failed.type) == (SAMPLER, "sample/Sample")
    assert studio.of(WorkerDied)[0].node == SAMPLER
    assert not list((tmp_path / "killed").glob("*.png"))

    run = studio.supervisor.run(graph, out=str(tmp_path / "next"), every_preview=True)
    assert studio.end_of(run, 120) == "done"
    assert [one.index for one in studio.of(Stepped, run)] == list(range(1, STEPS + 1))
    assert all(one.preview is not None for one in studio.of(Stepped, run))
    (written,) = studio.of(OutputWritten, run)
    assert Path(written.path).stat().st_size > 1000
    assert Path(written.path).parent == tmp_path / "next"
    assert all(one.devices[-1].name == "cpu" for one in studio.of(Ready))


def test_the_steps_of_a_sampler_are_shown_small_and_large(studio: Room, tmp_path: Path) -> None:
    ask, pixels = studio.supervisor, []

    def take(report: Report) -> None:
        """As the window does it: pictures are taken out of the shared memory as they come."""
        if isinstance(report, StepsFetched):
            pixels.extend(ask.picture(one.picture) for one in report.steps if one.picture is not None)

    def answer(number: int, kind: type[StepsFetched | StepFetched]) -> StepsFetched | StepFetched:
        studio.until(lambda: any(one.request == number for one in studio.of(kind)))
        (found,) = [one for one in studio.of(kind) if one.request == number]
        return found

    studio.on_event = take
    run = ask.run(text_to_image(), out=str(tmp_path / "out"))
    assert studio.end_of(run, 120) == "done"
    page = answer(ask.fetch_steps(SAMPLER, first=1, count=2), StepsFetched)
    assert isinstance(page, StepsFetched)
    assert (page.of, page.items, [one.step for one in page.steps]) == (STEPS, 1, [1, 2])
    rest = answer(ask.fetch_steps(SAMPLER, first=3), StepsFetched)
    assert isinstance(rest, StepsFetched)
    assert [(one.step, one.sigma) for one in rest.steps] == [(3, 0.0)]
    assert page.steps[0].sigma > page.steps[1].sigma > 0
    assert len(pixels) == 3
    assert len({bytes(one) for one in pixels if one is not None}) == 3, "every step has a picture of its own"

    preview = answer(ask.fetch_step(SAMPLER, 2), StepFetched)
    large = answer(ask.fetch_step(SAMPLER, 2, decoded=True), StepFetched)
    assert isinstance(preview, StepFetched)
    assert isinstance(large, StepFetched)
    assert (preview.decoded, large.decoded) == (False, True)
    assert large.width == preview.width * 8, "through the VAE of the graph"
    assert large.picture is not None
    assert answer(ask.fetch_step(SAMPLER, 9), StepFetched).text
    assert answer(ask.fetch_steps(NodeId("prompt")), StepsFetched).text
    assert answer(ask.fetch_steps(NodeId("nobody")), StepsFetched).text


def test_a_worker_that_still_loads_or_warms_itself_ends_without_force(studio: Room) -> None:
    studio.supervisor.stop()
    studio.supervisor.start()
    studio.until(lambda: studio.supervisor.state is State.IDLE, 60)
    time.sleep(IDLE + 0.3)
    studio.supervisor.stop()
    assert [channel._process.returncode for channel in studio.channels] == [0, 0]
