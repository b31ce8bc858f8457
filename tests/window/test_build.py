"""What rebuilds a graph around its wires, and where nodes stand: by mouse, by key, undone and redone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from studio.app.actions import Command
from studio.graph.edits import AddNodes
from studio.graph.graph import Node, NodeId
from tests.window.conftest import Canvas, Room
from tests.window.graphs import end
from tests.window.scenes import assert_shows

CONTROL = Qt.KeyboardModifier.ControlModifier.value
RIGHT = Qt.MouseButton.RightButton


def choose(room: Room, *nodes: str) -> None:
    room.scene.select({("node", id) for id in nodes})


def do(room: Room, command: Command) -> None:
    """As from a menu, which asks first what makes sense now. Done, undone and done again it leaves the same graph."""
    room.desk.commands.refresh()
    action = room.desk.commands[command]
    assert action.isEnabled(), command
    before = room.scene.graph
    action.trigger()
    after = room.scene.graph
    if after != before:
        room.scene.history.undo()
        assert room.scene.graph == before
        room.scene.history.redo()
        assert room.scene.graph == after
    assert_shows(room.scene)


def test_a_stroke_cuts_the_wires_that_it_crosses(canvas: Canvas) -> None:
    start, stop = canvas.socket("decode", "latent"), canvas.socket("sampler", "latent", is_output=True)
    middle = (start + stop) / 2
    before = canvas.graph
    canvas.drag(middle + QPointF(0, -300), middle + QPointF(0, 300), RIGHT, CONTROL)
    gone = set(before.links) - set(canvas.graph.links)
    assert end("decode", "latent") in gone
    assert end("save", "image") not in gone
    assert_shows(canvas.scene)
    canvas.history.undo()
    assert canvas.graph == before
    assert not canvas.history.can_undo


def test_a_stroke_through_nothing_cuts_nothing(canvas: Canvas) -> None:
    canvas.drag(QPointF(0, 420), QPointF(300, 480), RIGHT, CONTROL)
    assert not canvas.history.can_undo


def test_a_node_dropped_on_a_wire_goes_between_and_the_rest_makes_room(canvas: Canvas) -> None:
    canvas.history.apply(AddNodes({NodeId("mix"): Node("image/Mix", position=(400, 500))}))
    wire = (canvas.socket("decode", "image", is_output=True) + canvas.socket("save", "image")) / 2
    away = wire - canvas.band("mix")
    canvas.drag(canvas.band("mix"), canvas.band("mix") + away)
    links = canvas.graph.links
    assert links[end("mix", "image")] == end("decode", "image")
    assert links[end("save", "image")] == end("mix", "image")
    mix, save = canvas.graph.nodes[NodeId("mix")], canvas.graph.nodes[NodeId("save")]
    assert save.position[0] >= mix.position[0] + canvas.scene.nodes[NodeId("mix")].layout.width
    assert_shows(canvas.scene)
    canvas.history.undo()
    assert canvas.graph.links[end("save", "image")] == end("decode", "image")


def test_a_node_that_has_links_is_only_moved(canvas: Canvas) -> None:
    links = dict(canvas.graph.links)
    canvas.drag(canvas.band("prompt"), canvas.band("prompt") + QPointF(330, 20))
    assert canvas.graph.links == links


def test_deleting_heals_a_wire_by_key(room: Room, qtbot: QtBot) -> None:
    room.scene.history.apply(
        AddNodes(
            {NodeId("mix"): Node("image/Mix", position=(1200, 0))},
            {end("mix", "image"): end("decode", "image"), end("save", "image"): end("mix", "image")},
        )
    )
    choose(room, "mix")
    room.desk.commands.refresh()
    room.window.view.setFocus()
    qtbot.keyClick(room.window.view, Qt.Key.Key_Delete, Qt.KeyboardModifier.ControlModifier)
    room.until(lambda: "mix" not in room.scene.graph.nodes)
    assert room.scene.graph.links[end("save", "image")] == end("decode", "image")


def test_a_node_comes_out_of_its_wires(room: Room) -> None:
    room.scene.history.apply(
        AddNodes(
            {NodeId("mix"): Node("image/Mix", position=(1200, 0))},
            {end("mix", "image"): end("decode", "image"), end("save", "image"): end("mix", "image")},
        )
    )
    choose(room, "mix")
    do(room, Command.EXTRACT)
    assert room.scene.graph.links[end("save", "image")] == end("decode", "image")
    assert not room.scene.wiring.touching(NodeId("mix"))


def test_copies_are_fed_by_what_feeds_the_originals(room: Room) -> None:
    choose(room, "sampler")
    do(room, Command.DUPLICATE_CONNECTED)
    (copy,) = [id for id, node in room.scene.graph.nodes.items() if node.type == "sample/Sample" and id != "sampler"]
    for name in ("model", "positive", "latent"):
        assert room.scene.wiring.fed(copy)[name] == room.scene.wiring.fed(NodeId("sampler"))[name]


def test_a_node_becomes_one_of_another_type_and_keeps_what_fits(room: Room, qtbot: QtBot) -> None:
    choose(room, "save")
    room.desk.commands.refresh()
    room.desk.commands[Command.CHANGE_TYPE].trigger()
    field = QApplication.focusWidget()
    assert isinstance(field, QLineEdit)
    qtbot.keyClicks(field, "mix")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    room.until(lambda: room.scene.graph.nodes[NodeId("save")].type == "image/Mix")
    assert room.scene.graph.links[end("save", "image")] == end("decode", "image")
    room.scene.history.undo()
    assert room.scene.graph.nodes[NodeId("save")].type == "image/Save"


def test_links_are_followed_up_and_down(room: Room) -> None:
    choose(room, "sampler")
    do(room, Command.SELECT_UPSTREAM)
    assert set(room.scene.selected_nodes) == {"sampler", "prompt", "latent", "checkpoint"}
    choose(room, "sampler")
    do(room, Command.SELECT_DOWNSTREAM)
    assert set(room.scene.selected_nodes) == {"sampler", "decode", "save"}


@pytest.mark.parametrize(
    ("command", "axis", "share"),
    [
        (Command.ALIGN_LEFT, 0, 0.0), (Command.ALIGN_CENTER, 0, 0.5), (Command.ALIGN_RIGHT, 0, 1.0),
        (Command.ALIGN_TOP, 1, 0.0), (Command.ALIGN_MIDDLE, 1, 0.5), (Command.ALIGN_BOTTOM, 1, 1.0),
    ],
)  # fmt: skip
def test_nodes_line_up_as_they_are_shown(room: Room, command: Command, axis: int, share: float) -> None:
    choose(room, "sampler", "prompt", "save")
    do(room, command)
    lines = set()
    for id in room.scene.selected_nodes:
        item = room.scene.nodes[id]
        size = (item.layout.width, item.layout.height)
        lines.add(round(room.scene.graph.nodes[id].position[axis] + share * size[axis], 3))
    assert len(lines) == 1


def test_gaps_become_equal(room: Room) -> None:
    choose(room, "checkpoint", "prompt", "sampler", "decode")
    do(room, Command.DISTRIBUTE_ACROSS)
    items = sorted((room.scene.nodes[id] for id in room.scene.selected_nodes), key=lambda item: item.pos().x())
    gaps = {round(after.pos().x() - before.pos().x() - before.layout.width, 3) for before, after in pairwise(items)}
    assert len(gaps) == 1


def test_tidying_puts_every_node_right_of_what_feeds_it(room: Room) -> None:
    room.scene.select(())
    do(room, Command.TIDY)
    for input, output in room.scene.graph.links.items():
        source, target = room.scene.nodes[output.node], room.scene.nodes[input.node]
        assert target.pos().x() >= source.pos().x() + source.layout.width


def test_a_pinned_node_stays_where_it_is(room: Room) -> None:
    choose(room, "sampler")
    do(room, Command.PIN)
    assert room.scene.graph.nodes[NodeId("sampler")].pinned
    before = room.scene.graph.nodes[NodeId("sampler")].position
    do(room, Command.TIDY)
    assert room.scene.graph.nodes[NodeId("sampler")].position == before
    do(room, Command.PIN)
    assert not room.scene.graph.nodes[NodeId("sampler")].pinned


def test_two_inputs_change_places(room: Room) -> None:
    room.scene.history.apply(
        AddNodes({NodeId("mix"): Node("image/Mix")}, {end("mix", "image"): end("decode", "image")})
    )
    choose(room, "decode")
    before = room.scene.graph
    do(room, Command.SWAP_INPUTS)
    assert room.scene.graph == before, "a latent and a VAE cannot change places"
