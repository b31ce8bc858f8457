"""What the mouse does, by real events, and that each of it is undone and redone."""

from __future__ import annotations

import random

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.graph.edits import Batch, RemoveNodes, SetFrame, SetNote, disconnect
from studio.graph.graph import Frame, FrameId, NodeId, Note, NoteId
from studio.window.controls.fields import AreaField, LineField
from tests.window.conftest import Canvas
from tests.window.graphs import end
from tests.window.scenes import assert_shows

SHIFT = Qt.KeyboardModifier.ShiftModifier.value
CONTROL = Qt.KeyboardModifier.ControlModifier.value
ALT = Qt.KeyboardModifier.AltModifier.value


def test_a_node_follows_the_mouse_and_the_whole_drag_is_one_step(canvas: Canvas) -> None:
    before = canvas.graph
    canvas.drag(canvas.band("decode"), canvas.band("decode") + QPointF(80, 40))
    assert canvas.graph.nodes[NodeId("decode")].position == (1040, 40)
    assert_shows(canvas.scene)
    canvas.history.undo()
    assert canvas.graph == before
    assert not canvas.history.can_undo
    canvas.history.redo()
    assert canvas.graph.nodes[NodeId("decode")].position == (1040, 40)
    assert_shows(canvas.scene)


def test_places_are_multiples_of_eight_unless_alt_is_held(canvas: Canvas) -> None:
    canvas.drag(canvas.band("save"), canvas.band("save") + QPointF(21, 13))
    x, y = canvas.graph.nodes[NodeId("save")].position
    assert (x % 8, y % 8) == (0, 0)
    canvas.drag(canvas.band("save"), canvas.band("save") + QPointF(21, 13), keys=ALT)
    assert canvas.graph.nodes[NodeId("save")].position[0] - x == pytest.approx(21, abs=2)


def test_escape_gives_a_drag_up(canvas: Canvas, qtbot: QtBot) -> None:
    before = canvas.graph
    canvas.press(canvas.band("save"))
    canvas.move(canvas.band("save") + QPointF(100, 100))
    assert canvas.graph != before
    qtbot.keyClick(canvas.view, Qt.Key.Key_Escape)
    assert canvas.graph == before
    assert canvas.view.gesture is None
    assert_shows(canvas.scene)


def test_selected_nodes_move_together(canvas: Canvas) -> None:
    canvas.click(canvas.band("decode"))
    canvas.click(canvas.band("save"), keys=SHIFT)
    assert canvas.scene.selected_nodes == ("decode", "save")
    canvas.drag(canvas.band("save"), canvas.band("save") + QPointF(0, 80))
    assert canvas.graph.nodes[NodeId("decode")].position == (960, 80)
    assert canvas.graph.nodes[NodeId("save")].position == (960, 240)
    canvas.click(canvas.band("save"), keys=CONTROL)
    assert canvas.scene.selected_nodes == ("decode",)


def test_a_frame_carries_its_nodes_in_one_step(canvas: Canvas) -> None:
    frame = FrameId("f")
    canvas.history.apply(SetFrame(frame, Frame("Out", (930, -60), (320, 400))))
    canvas.history.apply(SetNote(NoteId("n"), Note("hello", (100, 400))))
    before = canvas.graph
    canvas.drag(QPointF(1100, -45), QPointF(1180, 35))
    assert canvas.graph.frames[frame].position == (1010, 20)
    assert canvas.graph.nodes[NodeId("save")].position == (1040, 240)
    assert canvas.graph.nodes[NodeId("sampler")].position == (616, 0)
    assert_shows(canvas.scene)
    canvas.history.undo()
    assert canvas.graph == before


def test_the_corner_of_a_selected_frame_sizes_it(canvas: Canvas) -> None:
    frame = FrameId("f")
    canvas.history.apply(SetFrame(frame, Frame("Out", (0, 400), (200, 120))))
    canvas.scene.select({("frame", "f")})
    canvas.drag(QPointF(196, 516), QPointF(276, 556))
    assert canvas.graph.frames[frame].size == (280, 160)


def test_a_rubber_band_selects_what_it_touches(canvas: Canvas) -> None:
    canvas.drag(QPointF(900, -60), QPointF(1250, 400))
    assert canvas.scene.selected_nodes == ("decode", "save")
    canvas.drag(QPointF(-40, -60), QPointF(100, 60), keys=SHIFT)
    assert canvas.scene.selected_nodes == ("checkpoint", "decode", "save")
    canvas.click(QPointF(560, 500))
    assert canvas.scene.selected_nodes == ()


def test_a_wire_joins_what_fits(canvas: Canvas) -> None:
    canvas.history.apply(disconnect(end("save", "image")))
    canvas.drag(canvas.socket("decode", "image", is_output=True), canvas.socket("save", "image"))
    assert canvas.graph.links[end("save", "image")] == end("decode", "image")
    assert_shows(canvas.scene)


def test_a_wire_may_be_drawn_from_an_input_and_dropped_on_a_node(canvas: Canvas) -> None:
    canvas.history.apply(disconnect(end("save", "image")))
    canvas.drag(canvas.socket("save", "image"), canvas.band("decode"))
    assert canvas.graph.links[end("save", "image")] == end("decode", "image")


def test_a_refusal_says_why_while_the_wire_is_in_the_hand_and_offers_the_converter(
    canvas: Canvas, qtbot: QtBot
) -> None:
    canvas.history.apply(disconnect(end("save", "image")))
    start, target = canvas.socket("sampler", "latent", is_output=True), canvas.socket("save", "image")
    canvas.press(start)
    canvas.move(start + QPointF(40, 40))
    canvas.move(target)
    assert "a VAE has to decode it" in canvas.view._say.text()
    with qtbot.waitSignal(canvas.view.refused) as told:
        canvas.release(target)
    refusal, output, input, _ = told.args
    assert refusal.converters == ("latent/Decode",)
    assert (output, input) == (end("sampler", "latent"), end("save", "image"))
    assert end("save", "image") not in canvas.graph.links
    assert_shows(canvas.scene)


def test_compatible_sockets_light_up_and_no_circle_can_be_closed(canvas: Canvas) -> None:
    start = canvas.socket("decode", "image", is_output=True)
    canvas.press(start)
    canvas.move(start + QPointF(30, 60))
    landing = canvas.scene.painter.landing
    assert landing is not None
    assert landing.fits(NodeId("save"), "image", False)
    assert not landing.fits(NodeId("sampler"), "latent", False)
    canvas.view.cancel_gesture()
    assert canvas.scene.painter.landing is None
    canvas.drag(canvas.socket("sampler", "latent", is_output=True), canvas.socket("sampler", "latent"))
    assert canvas.graph.links[end("sampler", "latent")] == end("latent", "latent")


def test_a_wire_taken_off_its_input_goes_elsewhere_or_away(canvas: Canvas) -> None:
    before = canvas.graph
    canvas.drag(canvas.socket("save", "image"), QPointF(700, 560))
    assert end("save", "image") not in canvas.graph.links
    canvas.history.undo()
    assert canvas.graph == before
    assert_shows(canvas.scene)


def test_a_wire_dropped_on_empty_canvas_asks_for_the_search(canvas: Canvas, qtbot: QtBot) -> None:
    with qtbot.waitSignal(canvas.view.search_asked) as asked:
        canvas.drag(canvas.socket("decode", "image", is_output=True), QPointF(700, 560))
    assert asked.args[2:] == [end("decode", "image"), True]


def test_a_slider_follows_the_mouse_within_its_range(canvas: Canvas) -> None:
    canvas.drag(canvas.field("sampler", "steps", 0.2), canvas.field("sampler", "steps", 0.5))
    assert canvas.graph.nodes[NodeId("sampler")].parameters["steps"] == pytest.approx(50, abs=2)
    canvas.drag(canvas.field("sampler", "steps", 0.5), canvas.field("sampler", "steps", 1.4))
    assert canvas.graph.nodes[NodeId("sampler")].parameters["steps"] == 100
    canvas.history.undo()
    canvas.history.undo()
    assert "steps" not in canvas.graph.nodes[NodeId("sampler")].parameters


def test_a_number_goes_by_its_steps(canvas: Canvas) -> None:
    canvas.drag(canvas.field("sampler", "guidance"), canvas.field("sampler", "guidance", 0.7))
    value = canvas.graph.nodes[NodeId("sampler")].parameters["guidance"]
    assert value > 6.5
    assert (value * 2) % 1 == 0


@pytest.mark.parametrize(("typed", "value"), [("12", 12), ("5*6+1", 31), ("1000", 100), ("-3", 1)])
def test_a_typed_number_lands_in_the_graph(canvas: Canvas, qtbot: QtBot, typed: str, value: int) -> None:
    canvas.click(canvas.field("sampler", "steps"))
    editor = canvas.editing.editor
    assert isinstance(editor, LineField)
    qtbot.keyClicks(editor, typed)
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert canvas.graph.nodes[NodeId("sampler")].parameters["steps"] == value
    assert canvas.editing.editor is None


def test_what_is_no_number_says_so_and_changes_nothing(canvas: Canvas, qtbot: QtBot) -> None:
    before = canvas.graph
    canvas.click(canvas.field("sampler", "steps"))
    editor = canvas.editing.editor
    assert isinstance(editor, LineField)
    qtbot.keyClicks(editor, "many")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert "'many' is not a number" in editor.toolTip()
    qtbot.keyClick(editor, Qt.Key.Key_Escape)
    assert canvas.graph == before


def test_each_letter_of_a_prompt_is_in_the_document_at_once(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.click(canvas.field("prompt", "text"))
    editor = canvas.editing.editor
    assert isinstance(editor, AreaField)
    qtbot.keyClicks(editor, " at night")
    assert canvas.graph.nodes[NodeId("prompt")].parameters["text"] == "a boat at night"
    qtbot.keyClick(editor, Qt.Key.Key_Escape)
    canvas.history.undo()
    assert canvas.graph.nodes[NodeId("prompt")].parameters["text"] == "a boat"


def test_a_switch_turns_over_and_shows_what_hangs_on_it(canvas: Canvas) -> None:
    assert canvas.scene.nodes[NodeId("sampler")].layout.control("overlap") is None
    canvas.click(canvas.field("sampler", "tile"))
    assert canvas.graph.nodes[NodeId("sampler")].parameters["tile"] is True
    assert canvas.scene.nodes[NodeId("sampler")].layout.control("overlap") is not None
    canvas.history.undo()
    assert canvas.scene.nodes[NodeId("sampler")].layout.control("overlap") is None


def test_the_dice_gives_another_seed(canvas: Canvas) -> None:
    canvas.click(canvas.field("sampler", "seed", 0.96))
    assert canvas.graph.nodes[NodeId("sampler")].parameters["seed"] != 7
    assert canvas.editing.editor is None


def test_a_choice_opens_a_list(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.click(canvas.field("sampler", "sampler"))
    picker = QApplication.activePopupWidget()
    assert picker is not None
    qtbot.keyClicks(picker.field, "heu")
    qtbot.keyClick(picker.field, Qt.Key.Key_Return)
    assert canvas.graph.nodes[NodeId("sampler")].parameters["sampler"] == "heun"


def test_the_wheel_keeps_what_lies_under_the_cursor(canvas: Canvas) -> None:
    place = canvas.band("save")
    at = QPointF(canvas.on_view(place))
    under = canvas.view._to_scene(at)
    canvas.view._zoomer.by(1.7, at)
    assert canvas.view.zoom > 1
    away = canvas.view._to_scene(at) - under
    assert abs(away.x()) < 1
    assert abs(away.y()) < 1


def test_the_middle_button_pushes_the_canvas(canvas: Canvas) -> None:
    middle = canvas.view.visible_area().center()
    start = QPointF(500, 560)
    canvas.press(start, Qt.MouseButton.MiddleButton)
    canvas.move(start + QPointF(40, 0), Qt.MouseButton.MiddleButton)
    canvas.release(start, Qt.MouseButton.MiddleButton)
    assert abs(canvas.view.visible_area().center().x() - middle.x()) < 60
    assert canvas.scene.selected == set()


def test_random_gestures_leave_scene_and_graph_equal(canvas: Canvas, qtbot: QtBot) -> None:
    draw = random.Random(11)
    canvas.history.apply(
        Batch((SetFrame(FrameId("f"), Frame("F", (-40, 420), (300, 200))), SetNote(NoteId("n"), Note("x", (320, 420)))))
    )
    start = canvas.graph
    area = canvas.scene.content().adjusted(-60, -60, 60, 60)

    def anywhere() -> QPointF:
        sockets = [
            item.pos() + QPointF(place.x, place.y)
            for item in canvas.scene.nodes.values()
            for place in (*item.layout.inputs.values(), *item.layout.outputs.values())
        ]
        if draw.random() < 0.5 and sockets:
            return draw.choice(sockets)
        return QPointF(draw.uniform(area.left(), area.right()), draw.uniform(area.top(), area.bottom()))

    for turn in range(250):
        roll = draw.random()
        if roll < 0.6:
            canvas.drag(anywhere(), anywhere(), keys=draw.choice((0, 0, SHIFT, ALT)))
        elif roll < 0.75:
            canvas.click(anywhere())
        elif roll < 0.85:
            canvas.history.undo()
        elif roll < 0.92:
            canvas.history.redo()
        else:
            nodes = canvas.scene.selected_nodes
            if nodes and len(canvas.scene.nodes) > 3:
                canvas.history.apply(RemoveNodes(nodes[:1]))
        popup = QApplication.activePopupWidget()
        if popup is not None:
            popup.close()
        canvas.editing.close()
        if turn % 10 == 0:
            assert_shows(canvas.scene)
    assert_shows(canvas.scene)
    while canvas.history.can_undo:
        canvas.history.undo()
    canvas.history.redo()
    assert canvas.graph == start
    assert_shows(canvas.scene)
