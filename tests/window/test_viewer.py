"""The viewer: pictures compared, and the strip of steps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from studio.graph.graph import NodeId
from studio.window.panels.steps import StepsPanel
from studio.window.panels.viewer import Slot, Viewer
from studio.window.theme import load_theme
from studio.window.viewers.comparison import Comparing
from studio.window.viewers.strip import SIDE, StepRow

LEFT = Qt.MouseButton.LeftButton


def plain(color: str, side: int = 40) -> QImage:
    image = QImage(side, side, QImage.Format.Format_RGB32)
    image.fill(QColor(color))
    return image


def seen(widget: Viewer, at: QPoint) -> QColor:
    """What stands at a place of the picture."""
    return QColor(widget.picture.grab().toImage().pixel(at))


@pytest.fixture
def viewer(qtbot: QtBot) -> Iterator[Viewer]:
    made = Viewer(load_theme("dark"))
    qtbot.addWidget(made)
    made.resize(400, 500)
    made.show()
    qtbot.waitExposed(made)
    made.put(1, Slot("d", NodeId("a"), "image", "A", plain("red")))
    made.put(2, Slot("d", NodeId("b"), "image", "B", plain("blue")))
    made.show_slot(1)
    yield made
    made.close()


def middle(viewer: Viewer, across: float) -> QPoint:
    picture = viewer.picture
    side = 40 * picture.zoom
    return QPoint(round(picture.width() / 2 + (across - 0.5) * side), picture.height() // 2)


def test_a_wipe_shows_one_picture_left_and_the_other_right_of_its_line(viewer: Viewer, qtbot: QtBot) -> None:
    viewer.compare_with(2)
    assert seen(viewer, middle(viewer, 0.25)) == QColor("red")
    assert seen(viewer, middle(viewer, 0.75)) == QColor("blue")
    qtbot.mousePress(viewer.picture, LEFT, pos=middle(viewer, 0.5))
    qtbot.mouseMove(viewer.picture, middle(viewer, 0.9))
    qtbot.mouseRelease(viewer.picture, LEFT, pos=middle(viewer, 0.9))
    assert seen(viewer, middle(viewer, 0.75)) == QColor("red")
    assert seen(viewer, middle(viewer, 0.95)) == QColor("blue")
    viewer.picture.setFocus()
    for _ in range(12):
        qtbot.keyClick(viewer.picture, Qt.Key.Key_Left)
    assert seen(viewer, middle(viewer, 0.75)) == QColor("blue")
    viewer.compare_with(None)
    assert seen(viewer, middle(viewer, 0.75)) == QColor("red")


def test_pictures_stand_side_by_side_or_as_their_difference(viewer: Viewer) -> None:
    viewer.compare_with(2)
    viewer.picture.compare(Comparing.SIDE)
    width, height = viewer.picture.width(), viewer.picture.height()
    assert seen(viewer, QPoint(width // 4, height // 2)) == QColor("red")
    assert seen(viewer, QPoint(3 * width // 4, height // 2)) == QColor("blue")
    viewer.picture.compare(Comparing.DIFFERENCE)
    assert seen(viewer, QPoint(width // 2, height // 2)) == QColor("magenta")
    viewer.put(2, Slot("d", NodeId("b"), "image", "B", plain("red", 20)))
    viewer.show_slot(1)
    assert seen(viewer, QPoint(width // 2, height // 2)) == QColor("black")


def test_comparing_ends_when_the_other_document_closes(viewer: Viewer) -> None:
    viewer.put(3, Slot("other", NodeId("c"), "image", "C", plain("green")))
    viewer.show_slot(1)
    viewer.compare_with(3)
    viewer.forget("other")
    assert viewer.against is None
    assert seen(viewer, middle(viewer, 0.75)) == QColor("red")


def row(count: int, color: str = "red") -> StepRow:
    pictures = {step: plain(color) for step in range(1, count + 1)}
    return StepRow("Sample", count, pictures, {step: 1.0 / step for step in pictures})


@pytest.fixture
def steps(qtbot: QtBot) -> Iterator[StepsPanel]:
    made = StepsPanel(load_theme("dark"))
    qtbot.addWidget(made)
    made.resize(320, 220)
    made.show_rows(row(20), step=20)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close()


def test_the_strip_is_dragged_along_and_every_step_can_be_reached(steps: StepsPanel, qtbot: QtBot) -> None:
    chosen: list[int] = []
    steps.chosen.connect(chosen.append)
    strip = steps.strip
    for step in range(1, 21):
        pos = strip.place(step).toRect().topLeft() + QPoint(3, 20)
        qtbot.mousePress(strip, LEFT, pos=pos)
        qtbot.mouseRelease(strip, LEFT, pos=pos)
        assert strip.value() == step
        assert strip.rect().contains(strip.place(step).toRect())
    qtbot.mousePress(strip, LEFT, pos=QPoint(3, 20))
    qtbot.mouseMove(strip, QPoint(strip.width() - 4, 20))
    qtbot.mouseRelease(strip, LEFT, pos=QPoint(strip.width() - 4, 20))
    assert chosen[-1] == 20
    assert "step 20 of 20" in steps.words.text()
    assert "sigma 0.05" in steps.words.text()


def test_keys_go_along_the_strip_and_a_reader_hears_the_step(steps: StepsPanel, qtbot: QtBot) -> None:
    steps.strip.setFocus()
    qtbot.keyClick(steps.strip, Qt.Key.Key_Home)
    qtbot.keyClick(steps.strip, Qt.Key.Key_Right)
    assert steps.strip.value() == 2
    assert steps.strip.accessibleDescription() == "Step 2 of 20"


def test_steps_play_to_the_end_and_stop(steps: StepsPanel, qtbot: QtBot) -> None:
    steps.strip.setValue(17)
    seen: list[int] = []
    steps.chosen.connect(seen.append)
    steps.play.click()
    qtbot.waitUntil(lambda: seen == [18, 19, 20], timeout=3000)
    qtbot.wait(300)
    assert seen == [18, 19, 20]
    steps.play.click()
    qtbot.waitUntil(lambda: seen[3:5] == [1, 2], timeout=3000)
    steps.play.click()


def test_the_last_step_offers_no_branch(steps: StepsPanel, qtbot: QtBot) -> None:
    asked: list[int] = []
    steps.branch_asked.connect(asked.append)
    assert not steps.branch.isEnabled()
    steps.strip.setValue(8)
    assert steps.branch.text() == "Branch at step 8"
    steps.branch.click()
    assert asked == [8]


def test_another_runs_steps_lie_below(steps: StepsPanel, qtbot: QtBot) -> None:
    other = row(10, "blue")
    steps.show_rows(steps.row, other, step=5)
    qtbot.wait(20)
    picture = steps.strip.grab().toImage()
    above, below = (steps.strip.place(5, at).center().toPoint() for at in (0, 1))
    assert QColor(picture.pixel(above)) == QColor("red")
    assert QColor(picture.pixel(below)) == QColor("blue")
    assert steps.strip.height() >= 2 * SIDE


def test_nothing_is_shown_where_there_are_no_steps(steps: StepsPanel) -> None:
    steps.show_rows(None)
    assert not steps.isVisible()
