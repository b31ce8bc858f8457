"""The strip of steps beside a run: what the worker tells, what is asked of it, and what the viewer shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.app.actions import Command
from studio.graph.graph import NodeId
from studio.graph.spec import Catalog, Input, NodeSpec, Number, Output
from studio.graph.types import LATENT, SocketType
from studio.protocol.messages import (
    FetchStep,
    FetchSteps,
    KeptStep,
    NodeFinished,
    NodeStarted,
    Picture,
    Run,
    RunFinished,
    RunId,
    RunStarted,
    StepFetched,
    Stepped,
    StepsFetched,
)
from studio.window.panels.steps import StepsPanel
from tests.window.conftest import Room, close_library
from tests.window.graphs import CATALOG, SPECS, picture_graph

SAMPLER = NodeId("sampler")
RED, BLUE, GREEN = (bytes(color) * 64 for color in ((200, 30, 40), (30, 40, 200), (20, 180, 60)))
TRAIL = SocketType("Trail")


def catalog() -> Catalog:
    """As the other tests' one, but the sampler hands out its trail."""
    made = []
    for spec in SPECS:
        if spec.type == "sample/Sample":
            start = Input("start", TRAIL, optional=True)
            step = Input("start_step", spec.inputs_by_name["steps"].type, control=Number(0, 100), default=0)
            spec = replace(
                spec, inputs=(*spec.inputs, start, step), outputs=(Output("latent", LATENT), Output("trail", TRAIL))
            )
        made.append(spec)
    return Catalog.of([*made, NodeSpec("test/Nothing", "Nothing")], CATALOG.fingerprint)


@pytest.fixture
def room(qtbot: QtBot, qapp: QApplication, home: Path) -> Iterator[Room]:
    made = Room(qtbot, qapp, picture_graph(), catalog())
    yield made
    made.close()
    close_library()


def panel(room: Room) -> StepsPanel:
    return room.desk.viewer.steps


def started(room: Room) -> RunId:
    before = len([one for one in room.channel.sent if isinstance(one, Run)])
    room.desk.commands.refresh()
    room.desk.commands[Command.RUN].trigger()
    room.until(lambda: len([one for one in room.channel.sent if isinstance(one, Run)]) > before)
    run = [one for one in room.channel.sent if isinstance(one, Run)][-1].run
    room.say(RunStarted(run, 3), NodeStarted(run, SAMPLER))
    return run


def step(room: Room, run: RunId, index: int, pixels: bytes, of: int = 4) -> None:
    room.channel.pictures[index] = pixels
    room.say(Stepped(run, SAMPLER, index, of, 1.0 / index, preview=Picture(index, index, 8, 8)))


def finish(room: Room, run: RunId) -> None:
    room.say(NodeFinished(run, SAMPLER, "sample/Sample", 1.0), RunFinished(run, "done", 1.0))


def asked(room: Room, kind: type) -> list[FetchStep | FetchSteps]:
    return [one for one in room.channel.sent if isinstance(one, kind)]


def shown(room: Room) -> QColor:
    image = room.desk.viewer.picture.image
    assert image is not None
    return QColor(image.pixel(image.width() // 2, image.height() // 2))


def test_the_strip_grows_with_the_run_and_is_scrubbed_while_it_goes_on(room: Room) -> None:
    assert not panel(room).isVisible()
    run = started(room)
    step(room, run, 1, RED)
    step(room, run, 2, BLUE)
    assert panel(room).isVisible()
    assert panel(room).strip.value() == 2
    assert "step 2 of 4" in panel(room).words.text()
    room.qtbot.mouseClick(
        panel(room).strip, Qt.MouseButton.LeftButton, pos=panel(room).strip.place(1).center().toPoint()
    )
    assert shown(room) == QColor(200, 30, 40)
    step(room, run, 3, GREEN)
    assert shown(room) == QColor(200, 30, 40), "what is looked at stays"
    assert panel(room).strip.value() == 1
    finish(room, run)


def test_a_step_that_is_looked_at_comes_large(room: Room) -> None:
    run = started(room)
    for index in (1, 2, 3, 4):
        step(room, run, index, RED)
    finish(room, run)
    panel(room).strip.setValue(2)
    room.until(lambda: asked(room, FetchStep))
    (question,) = asked(room, FetchStep)
    assert isinstance(question, FetchStep)
    assert (question.node, question.step, question.decoded) == (SAMPLER, 2, True)
    room.channel.pictures[9] = GREEN
    room.say(StepFetched(question.request, SAMPLER, 2, 0.5, Picture(9, 9, 8, 8), True, 8, 8))
    assert shown(room) == QColor(20, 180, 60)
    panel(room).strip.setValue(3)
    assert shown(room) == QColor(200, 30, 40)
    panel(room).strip.setValue(2)
    assert shown(room) == QColor(20, 180, 60), "it is not asked for twice"


def test_steps_that_were_not_seen_are_fetched_page_by_page(room: Room) -> None:
    run = started(room)
    step(room, run, 4, RED)
    finish(room, run)
    room.until(lambda: asked(room, FetchSteps))
    first = asked(room, FetchSteps)[0]
    room.channel.pictures.update({11: BLUE, 12: BLUE})
    page = (KeptStep(0, 9.0), KeptStep(1, 5.0, Picture(11, 11, 8, 8)), KeptStep(2, 2.0, Picture(12, 12, 8, 8)))
    room.say(StepsFetched(first.request, SAMPLER, 0, 4, 1, page))
    room.until(lambda: len(asked(room, FetchSteps)) == 2)
    second = asked(room, FetchSteps)[1]
    assert isinstance(second, FetchSteps)
    assert second.first == 3
    room.say(StepsFetched(second.request, SAMPLER, 0, 4, 1, (KeptStep(3, 1.0), KeptStep(4, 0.0))))
    row = panel(room).row
    assert row is not None
    assert sorted(row.pictures) == [1, 2, 4]
    assert row.sigmas[1] == 5.0


def test_a_kept_result_has_its_steps_too(room: Room) -> None:
    run = started(room)
    room.say(NodeFinished(run, SAMPLER, "sample/Sample", 0.0, cached=True), RunFinished(run, "done", 0.1))
    room.until(lambda: asked(room, FetchSteps))
    question = asked(room, FetchSteps)[0]
    room.channel.pictures[5] = GREEN
    room.say(
        StepsFetched(question.request, SAMPLER, 0, 1, 1, (KeptStep(0, 3.0), KeptStep(1, 0.0, Picture(5, 5, 8, 8))))
    )
    assert panel(room).isVisible()
    row = panel(room).row
    assert row is not None
    assert row.count == 1


def test_an_earlier_run_is_compared_step_by_step(room: Room) -> None:
    first = started(room)
    for index in (1, 2, 3, 4):
        step(room, first, index, RED)
    finish(room, first)
    second = started(room)
    for index in (1, 2, 3, 4):
        step(room, second, index, BLUE)
    finish(room, second)
    (earlier,) = panel(room).others()
    assert earlier.title.startswith("Sample ")
    panel(room).compare_asked.emit(earlier)
    panel(room).strip.setValue(2)
    picture = room.desk.viewer.picture
    assert shown(room) == QColor(30, 40, 200)
    assert picture.other is not None
    assert QColor(picture.other.pixel(4, 4)) == QColor(200, 30, 40)


def test_branching_makes_a_copy_that_begins_at_the_step_in_one_undo(room: Room) -> None:
    run = started(room)
    for index in (1, 2, 3, 4):
        step(room, run, index, RED)
    finish(room, run)
    before = room.scene.graph
    panel(room).strip.setValue(2)
    panel(room).branch.click()
    new = [id for id, node in room.scene.graph.nodes.items() if node.type == "sample/Sample" and id != SAMPLER]
    assert len(new) == 1
    fed = room.scene.wiring.fed(new[0])
    assert (fed["start"].node, fed["start"].name) == (SAMPLER, "trail")
    assert room.scene.graph.nodes[new[0]].parameters["start_step"] == 2
    assert new[0] in room.scene.selected_nodes
    room.scene.history.undo()
    assert room.scene.graph == before


def test_a_closed_document_takes_its_strip_along(room: Room) -> None:
    run = started(room)
    step(room, run, 1, RED)
    room.say(RunFinished(run, "cancelled", 0.1))
    room.desk.files.close_one(room.window.document)
    assert not panel(room).isVisible()
