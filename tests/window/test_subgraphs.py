"""Subgraphs by mouse and key: made, entered, changed inside, left, taken apart."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QInputDialog, QLabel, QToolButton
from pytestqt.qtbot import QtBot

from studio.app.actions import Command
from studio.graph.edits import SetParameter, connect
from studio.graph.graph import NodeId, Socket, subgraph_type
from studio.protocol.messages import NodeStarted, Run, RunFinished, RunStarted, Stepped
from studio.window.canvas.status import State
from tests.window.conftest import Room
from tests.window.graphs import end
from tests.window.scenes import assert_shows

SAMPLER, PROMPT = NodeId("sampler"), NodeId("prompt")
STUDY = NodeId("study")


def do(room: Room, command: Command) -> None:
    room.desk.commands.refresh()
    assert room.desk.commands[command].isEnabled(), command
    room.desk.commands[command].trigger()


def make(room: Room, *nodes: str, title: str = "Study") -> None:
    room.scene.select({("node", id) for id in nodes})
    count = len(room.window.document.graph.subgraphs)
    do(room, Command.MAKE_SUBGRAPH)
    (dialog,) = [one for one in room.window.findChildren(QInputDialog) if one.isVisible()]
    dialog.setTextValue(title)
    dialog.accept()
    room.until(lambda: len(room.window.document.graph.subgraphs) == count + 1)


def test_nodes_become_one_and_come_out_again(room: Room) -> None:
    before = room.scene.graph
    make(room, "sampler", "prompt")
    assert set(room.scene.graph.nodes) == {"checkpoint", "latent", "study", "decode", "save"}
    item = room.scene.nodes[STUDY]
    assert item.title == "Study"
    assert {"text_encoder", "model", "latent"} <= set(item.layout.inputs)
    assert_shows(room.scene)
    do(room, Command.UNPACK_SUBGRAPH)
    assert set(room.scene.graph.nodes) == set(before.nodes)
    assert room.scene.graph.links == before.links
    assert_shows(room.scene)
    room.scene.history.undo()
    room.scene.history.undo()
    assert room.scene.graph == before


def test_a_double_click_enters_and_the_way_back_is_shown(room: Room, qtbot: QtBot) -> None:
    make(room, "sampler", "prompt")
    outer, view = room.scene, room.window.view
    at = view.mapFromScene(outer.nodes[STUDY].pos() + QPointF(60, 14))
    qtbot.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert room.scene is not outer
    assert {"sampler", "prompt", ":inputs", ":outputs"} == set(room.scene.nodes)
    assert_shows(room.scene)
    crumbs = room.window.crumbs
    assert crumbs.isVisible()
    assert crumbs.titles == (room.window.document.title, "Study")
    next(one for one in crumbs.findChildren(QToolButton) if one.text() == crumbs.titles[0] and one.isVisible()).click()
    assert room.scene is outer
    assert not crumbs.isVisible()


def test_a_value_changed_inside_changes_every_instance(room: Room) -> None:
    make(room, "sampler", "prompt")
    do(room, Command.DUPLICATE)
    do(room, Command.ENTER_SUBGRAPH)
    assert any("2 linked instances" in one.text() for one in room.window.crumbs.findChildren(QLabel))
    room.window.view.apply(SetParameter(SAMPLER, "steps", 9))
    assert room.scene.nodes[SAMPLER].node.parameters["steps"] == 9
    (definition,) = room.window.document.graph.subgraphs.values()
    assert definition.graph.nodes[SAMPLER].parameters["steps"] == 9
    room.scene.history.undo()
    assert "steps" not in room.scene.nodes[SAMPLER].node.parameters
    assert_shows(room.scene)


def test_a_wire_to_the_inputs_promotes_a_control(room: Room) -> None:
    make(room, "sampler", "prompt")
    do(room, Command.ENTER_SUBGRAPH)
    inputs = NodeId(":inputs")
    room.window.view.apply(connect(end("sampler", "steps"), Socket(inputs, "+")))
    room.until(lambda: "steps" in room.scene.nodes[inputs].spec.outputs_by_name)
    assert_shows(room.scene)
    do(room, Command.LEAVE_SUBGRAPH)
    assert room.scene.selected_nodes == (STUDY,)
    assert "steps" in room.scene.nodes[STUDY].spec.inputs_by_name
    room.window.view.apply(SetParameter(STUDY, "steps", 4))
    assert room.scene.nodes[STUDY].node.parameters["steps"] == 4


def test_a_copy_leaves_the_ends_where_they_are(room: Room) -> None:
    make(room, "sampler", "prompt")
    do(room, Command.ENTER_SUBGRAPH)
    do(room, Command.SELECT_ALL)
    do(room, Command.COPY)
    do(room, Command.LEAVE_SUBGRAPH)
    do(room, Command.PASTE)
    assert sorted(node.type for id, node in room.scene.graph.nodes.items() if id not in ("study", "decode", "save")) == [
        "latent/Empty", "model/Load", "sample/Sample", "text/Encode",
    ]  # fmt: skip


def test_an_undo_that_takes_the_subgraph_away_leads_out_of_it(room: Room) -> None:
    make(room, "sampler", "prompt")
    do(room, Command.ENTER_SUBGRAPH)
    room.scene.history.undo()
    room.until(lambda: room.window.path == ())
    assert "sampler" in room.scene.nodes
    assert_shows(room.scene)


def test_an_independent_instance_no_longer_follows(room: Room) -> None:
    make(room, "sampler", "prompt")
    do(room, Command.DUPLICATE)
    (copy,) = room.scene.selected_nodes
    do(room, Command.SEPARATE_SUBGRAPH)
    types = {room.scene.graph.nodes[id].type for id in (STUDY, copy)}
    assert types == {subgraph_type(id) for id in room.scene.graph.subgraphs}
    assert len(types) == 2


def test_a_run_shows_its_steps_inside_and_on_the_instance(room: Room) -> None:
    make(room, "sampler", "prompt")
    do(room, Command.RUN)
    room.until(lambda: any(isinstance(one, Run) for one in room.channel.sent))
    run = next(one for one in room.channel.sent if isinstance(one, Run)).run
    inner = NodeId("study/sampler")
    room.say(RunStarted(run, 3), NodeStarted(run, inner), Stepped(run, inner, 2, 8))
    assert room.scene.nodes[STUDY].status.step == 2
    room.window.enter((STUDY,))
    assert room.scene.nodes[SAMPLER].status.step == 2
    room.say(Stepped(run, inner, 3, 8))
    assert room.scene.nodes[SAMPLER].status.step == 3
    room.say(RunFinished(run, "done", 1.0))
    assert room.scene.nodes[SAMPLER].status.state is State.IDLE
    room.scene.select({("node", "sampler")})
    do(room, Command.RUN_TO_HERE)
    room.until(lambda: len([one for one in room.channel.sent if isinstance(one, Run)]) == 2)
    assert [one for one in room.channel.sent if isinstance(one, Run)][-1].wanted == ("study/sampler",)


def test_nested_subgraphs_are_made_and_entered(room: Room) -> None:
    make(room, "sampler", "prompt")
    do(room, Command.ENTER_SUBGRAPH)
    make_inner = room.scene
    make(room, "sampler", title="Core")
    assert "core" in make_inner.nodes
    assert_shows(room.scene)
    do(room, Command.ENTER_SUBGRAPH)
    assert room.window.crumbs.titles == (room.window.document.title, "Study", "Core")
    assert "sampler" in room.scene.nodes
    do(room, Command.LEAVE_SUBGRAPH)
    do(room, Command.UNPACK_SUBGRAPH)
    assert "sampler" in room.scene.nodes
    assert len(room.window.document.graph.subgraphs) == 1
