"""Curves and plots: what is painted, and what a hand does with a curve."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.graph.edits import AddNodes, SetParameter
from studio.graph.graph import Node, NodeId
from studio.graph.spec import CurveField, Input
from studio.graph.types import CURVE
from studio.protocol.messages import NodeFinished, RunFinished
from studio.window.canvas.curve import spot
from studio.window.canvas.plot import heights
from studio.window.canvas.status import Status
from studio.window.controls.curve_drawing import CurveDrawing
from studio.window.controls.plot_view import PlotView
from studio.window.theme import load_theme
from tests.window.conftest import Canvas, Room
from tests.window.test_window import started_run

SHAPE = Input("shape", CURVE, control=CurveField(), default="0 1, 1 0")
DRAWN = NodeId("drawn")


@pytest.fixture
def drawing(qtbot: QtBot) -> Iterator[CurveDrawing]:
    made = CurveDrawing(SHAPE, "0 1, 0.5 0.5, 1 0", load_theme("dark"))
    made.resize(328, 246)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close()


def place(drawing: CurveDrawing, x: float, y: float) -> QPoint:
    return spot(drawing.area, (x, y)).toPoint()


def drag(drawing: CurveDrawing, start: QPoint, end: QPoint) -> None:
    left = Qt.MouseButton.LeftButton
    QTest.mousePress(drawing, left, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(drawing, (start + end) / 2)
    QTest.mouseMove(drawing, end)
    QTest.mouseRelease(drawing, left, Qt.KeyboardModifier.NoModifier, end)


def test_a_point_is_dragged_and_told_as_one_move(drawing: CurveDrawing) -> None:
    told: list[object] = []
    settled: list[bool] = []
    drawing.changed.connect(lambda value, more: told.append(value))
    drawing.settled.connect(lambda: settled.append(True))
    drag(drawing, place(drawing, 0.5, 0.5), place(drawing, 0.25, 0.75))
    assert drawing.points[1] == pytest.approx((0.25, 0.75), abs=0.01)
    assert settled == [True]
    assert told[-1] == f"0 1, {drawing.points[1][0]:g} {drawing.points[1][1]:g}, 1 0"


def test_a_press_beside_the_points_adds_one_and_a_right_press_takes_it_away(drawing: CurveDrawing) -> None:
    drag(drawing, place(drawing, 0.8, 0.1), place(drawing, 0.7, 0.2))
    assert [point[0] for point in drawing.points] == pytest.approx([0, 0.5, 0.7, 1], abs=0.01)
    QTest.mouseClick(drawing, Qt.MouseButton.RightButton, Qt.KeyboardModifier.NoModifier, place(drawing, 0.7, 0.2))
    assert len(drawing.points) == 3
    QTest.mouseClick(drawing, Qt.MouseButton.RightButton, Qt.KeyboardModifier.NoModifier, place(drawing, 0, 1))
    assert len(drawing.points) == 3, "the ends stay"


def test_no_point_passes_another_and_the_ends_keep_their_places(drawing: CurveDrawing) -> None:
    drag(drawing, place(drawing, 0.5, 0.5), place(drawing, 1.0, 0.5) + QPoint(40, 150))
    assert 0.98 < drawing.points[1][0] < 1
    assert drawing.points[1][1] == 0, "below the ground is the ground"
    drag(drawing, place(drawing, 0, 1), place(drawing, 0.4, 0.6))
    assert drawing.points[0] == pytest.approx((0, 0.6), abs=0.01)


def test_all_of_it_by_keys(drawing: CurveDrawing, qtbot: QtBot) -> None:
    for key in (Qt.Key.Key_PageDown, Qt.Key.Key_Up, Qt.Key.Key_Right):
        qtbot.keyClick(drawing, key)
    assert drawing.points[1] == (0.51, 0.51)
    assert "point 2 of 3 at 0.51, height 0.51" in drawing.accessibleName()
    qtbot.keyClick(drawing, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert drawing.points[1] == (0.51, 0.41)
    qtbot.keyClick(drawing, Qt.Key.Key_Insert)
    assert drawing.points[2] == pytest.approx((0.755, 0.205))
    qtbot.keyClick(drawing, Qt.Key.Key_Delete)
    assert len(drawing.points) == 3


def test_a_text_that_is_no_curve_is_a_line_until_it_is_changed(drawing: CurveDrawing) -> None:
    drawing.show_value("nonsense")
    assert drawing.points == ((0, 0), (1, 1))


@pytest.fixture
def drawn(canvas: Canvas) -> Canvas:
    canvas.view.apply(AddNodes({DRAWN: Node("sample/Drawn", position=(300, 400))}))
    canvas.view.set_zoom(1.0, None)
    canvas.view.center(canvas.scene.nodes[DRAWN].sceneBoundingRect().center())
    return canvas


def test_a_click_on_a_curve_in_a_node_opens_its_editor_and_escape_gives_up(drawn: Canvas, qtbot: QtBot) -> None:
    item = drawn.scene.nodes[DRAWN]
    field = item.layout.control("shape")
    assert field is not None
    seen = drawn.view.grab().toImage()
    middle = item.pos() + QPointF(field.x + field.width / 2, field.y + field.height / 2)
    on_line = drawn.on_view(middle)
    accent = load_theme("dark")["accent"]
    colors = [QColor(seen.pixel(on_line + QPoint(0, away))) for away in (-1, 0, 1)]
    assert min(abs(one.red() - accent.red()) + abs(one.green() - accent.green()) for one in colors) < 40, "the line"
    drawn.click(middle)
    editor = drawn.editing.editor
    assert isinstance(editor, CurveDrawing)
    assert drawn.view.viewport().rect().contains(editor.geometry())
    drag(editor, place(editor, 0.5, 0.8), place(editor, 0.5, 0.9))
    assert drawn.graph.nodes[DRAWN].parameters["shape"].startswith("0 1, 0.5 0.")
    qtbot.keyClick(editor, Qt.Key.Key_Escape)
    assert drawn.editing.editor is None
    assert drawn.graph.nodes[DRAWN].parameters.get("shape", "0 1, 1 0") == "0 1, 1 0"


def test_what_was_drawn_in_a_node_is_one_undo(drawn: Canvas, qtbot: QtBot) -> None:
    item = drawn.scene.nodes[DRAWN]
    drawn.editing.open(item, item.spec.inputs_by_name["shape"])
    editor = drawn.editing.editor
    assert isinstance(editor, CurveDrawing)
    drag(editor, place(editor, 0, 1), place(editor, 0, 0.5))
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert drawn.graph.nodes[DRAWN].parameters["shape"] == "0 0.5, 1 0"
    drawn.history.undo()
    assert drawn.graph.nodes[DRAWN].parameters.get("shape", "0 1, 1 0") == "0 1, 1 0"


def test_a_scale_shows_small_numbers_beside_large_ones() -> None:
    assert heights((1.0, 0.5, 0.0)) == [1, 0.5, 0]
    assert heights((100.0, 1.0, 0.01)) == pytest.approx([1, 0.5, 0])
    assert heights((100.0, 1.0, 0.01, 0.0)) == pytest.approx([1, 0.55, 0.1, 0])
    assert heights((3.0, 3.0)) == [1, 1]
    assert heights((0.0, 0.0)) == [0.5, 0.5]


def test_a_node_plots_its_numbers(drawn: Canvas) -> None:
    item = drawn.scene.nodes[DRAWN]
    before = item.layout.height
    item.show_status(Status(preview=(1.0, 0.5, 0.0)))
    plot = item.layout.preview
    assert plot is not None
    assert item.layout.height > before
    seen = drawn.view.grab().toImage()
    theme = load_theme("dark")
    low = item.pos() + QPointF(plot.x + plot.width / 4, plot.y + plot.height - 12)
    high = item.pos() + QPointF(plot.x + plot.width * 0.85, plot.y + plot.height - 12 - plot.height * 0.35)
    assert QColor(seen.pixel(drawn.on_view(low))) != theme["field"], "under the line"
    assert QColor(seen.pixel(drawn.on_view(high))) == theme["field"], "over it"


def test_the_inspector_edits_curves_and_shows_plots(room: Room) -> None:
    room.window.view.apply(AddNodes({DRAWN: Node("sample/Drawn", position=(300, 400))}))
    room.scene.select({("node", DRAWN)})
    field = room.desk.inspector._fields["shape"]
    assert isinstance(field, CurveDrawing)
    room.qtbot.keyClick(field, Qt.Key.Key_Down)
    assert room.scene.graph.nodes[DRAWN].parameters["shape"] == "0 0.99, 1 0"
    room.window.view.apply(SetParameter(DRAWN, "shape", "0 0.5, 1 0"))
    assert field.points == ((0, 0.5), (1, 0))
    for height in (0.6, 0.7):
        drag(field, place(field, 0, field.points[0][1]), place(field, 0, height))
    room.window.view.history.undo()
    assert field.points[0] == pytest.approx((0, 0.6), abs=0.02), "each drag is an undo"
    (plot,) = room.desk.inspector.findChildren(PlotView)
    assert not plot.isVisible()
    run = started_run(room)
    room.say(
        NodeFinished(run, DRAWN, "sample/Drawn", 0.1, plot=(14.6, 3.0, 0.0)),
        RunFinished(run, "done", 1.0),
    )
    assert plot.numbers == (14.6, 3.0, 0.0)
    assert plot.isVisible()
    room.window.view.apply(SetParameter(DRAWN, "shape", "0 0.4, 1 0"))
    assert plot.numbers == (14.6, 3.0, 0.0), "as pictures do, it stays until the next run"
