"""What is painted, near and far, and that references to None stay balanced while Qt is called."""

from __future__ import annotations

import gc
import sys

import pytest
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from PySide6.QtWidgets import QGraphicsRectItem, QGraphicsScene, QGraphicsView
from pytestqt.qtbot import QtBot

from studio.graph.edits import Batch, InSubgraph, MoveNodes, RemoveNodes, SetLinks, SetNode, SetParameter, SetSubgraph
from studio.graph.graph import Graph, Mode, Node, NodeId, Port, Subgraph, SubgraphId
from studio.window.canvas.status import State, Status, duration
from tests.window.conftest import Canvas
from tests.window.graphs import end
from tests.window.scenes import assert_shows

SAMPLER = NodeId("sampler")


def pixel(canvas: Canvas, place: QPointF) -> QColor:
    return QColor(canvas.view.viewport().grab().toImage().pixel(canvas.on_view(place)))


def test_a_node_has_its_band_its_body_and_its_sockets_in_their_colours(canvas: Canvas) -> None:
    canvas.view.set_zoom(1.0, None)
    canvas.view.center(canvas.band("sampler"))
    theme = canvas.scene.theme
    item = canvas.scene.nodes[SAMPLER]
    assert pixel(canvas, item.pos() + QPointF(200, 4)) == theme.band("sample")
    assert pixel(canvas, item.pos() + QPointF(4, item.layout.height - 5)) == theme["raised"]
    assert pixel(canvas, canvas.socket("sampler", "model")) == theme.socket(item.layout.inputs["model"].type).color
    assert pixel(canvas, item.pos() + QPointF(item.layout.width + 30, item.layout.height + 20)) in (
        theme["canvas"],
        theme["dots"],
    )


def test_a_wire_is_seen_and_gone_when_it_is_cut(canvas: Canvas) -> None:
    canvas.view.set_zoom(1.0, None)
    wire = canvas.scene.wires.wires[end("sampler", "latent")]
    middle = wire.drawn().pointAtPercent(0.5)
    canvas.view.center(middle)

    def colors() -> set[int]:
        image = canvas.view.viewport().grab().toImage()
        at = canvas.on_view(middle)
        return {image.pixel(at.x() + x, at.y() + y) for x in (-1, 0, 1) for y in (-1, 0, 1)}

    with_wire = colors()
    canvas.history.apply(SetLinks({end("sampler", "latent"): None}))
    assert colors() != with_wire
    assert colors() <= {canvas.scene.theme[token].rgb() for token in ("canvas", "dots")}


@pytest.mark.parametrize("zoom", [2.0, 1.0, 0.45, 0.2])
def test_every_regime_shows_the_node(canvas: Canvas, zoom: float) -> None:
    canvas.view.set_zoom(zoom, None)
    canvas.view.center(canvas.band("sampler"))
    seen = pixel(canvas, canvas.scene.nodes[SAMPLER].pos() + QPointF(200, 8))
    assert seen not in (canvas.scene.theme["canvas"], canvas.scene.theme["dots"])


def test_running_failed_and_muted_nodes_look_different(canvas: Canvas) -> None:
    canvas.view.set_zoom(1.0, None)
    canvas.view.center(canvas.band("sampler"))
    looks = set()
    for status in (Status(), Status(State.RUNNING, 10, 20), Status(State.FAILED, what="No."), Status(State.CACHED)):
        canvas.scene.show_status(SAMPLER, status)
        looks.add(canvas.view.viewport().grab().toImage().constBits().tobytes())
    canvas.scene.show_status(SAMPLER, Status())
    canvas.history.apply(SetNode(SAMPLER, Node("sample/Sample", position=(616, 0), mode=Mode.MUTED)))
    looks.add(canvas.view.viewport().grab().toImage().constBits().tobytes())
    assert len(looks) == 5


def test_a_node_keeps_its_status_through_its_removal_and_return(canvas: Canvas) -> None:
    canvas.scene.show_status(SAMPLER, Status(State.DONE, seconds=2.0))
    canvas.history.apply(RemoveNodes((SAMPLER,)))
    assert_shows(canvas.scene)
    canvas.history.undo()
    assert canvas.scene.nodes[SAMPLER].band_words(short=False) == "2.0 s"
    assert_shows(canvas.scene)


def test_a_batch_that_removes_and_brings_back_is_shown_as_it_ends(canvas: Canvas) -> None:
    removed = RemoveNodes((SAMPLER,))
    _, back = removed.apply(canvas.graph)
    canvas.history.apply(Batch((removed, back, MoveNodes({SAMPLER: (640, 80)}))))
    assert_shows(canvas.scene)
    canvas.history.undo()
    assert_shows(canvas.scene)


def test_instances_of_a_subgraph_change_with_its_definition(canvas: Canvas) -> None:
    id = SubgraphId("two")
    inner = Graph({NodeId("decode"): Node("latent/Decode")})
    definition = Subgraph(
        "Two", inner, (Port("latent", (end("decode", "latent"),)),), (Port("image", (end("decode", "image"),)),)
    )
    canvas.history.apply(SetSubgraph(id, definition))
    canvas.history.apply(SetNode(NodeId("decode"), Node("subgraph:two", position=(960, 0))))
    item = canvas.scene.nodes[NodeId("decode")]
    assert set(item.layout.inputs) == {"latent"}
    assert item.title == "Two"
    both = Subgraph("Both", inner, (*definition.inputs, Port("vae", (end("decode", "vae"),))), definition.outputs)
    canvas.history.apply(SetSubgraph(id, both))
    assert set(canvas.scene.nodes[NodeId("decode")].layout.inputs) == {"latent", "vae"}
    canvas.history.apply(InSubgraph(id, SetParameter(NodeId("decode"), "x", 1)))
    canvas.history.undo()
    canvas.history.undo()
    assert set(canvas.scene.nodes[NodeId("decode")].layout.inputs) == {"latent"}


def test_the_view_comes_back_where_it_was(canvas: Canvas) -> None:
    canvas.view.set_zoom(1.3, None)
    canvas.view.center(QPointF(700, 90))
    kept = canvas.view.looking_at()
    canvas.view.fit(QRectF(0, 0, 5000, 5000))
    canvas.view.show_scene(canvas.scene, kept)
    again = canvas.view.looking_at()
    assert again.zoom == kept.zoom
    assert again.center == pytest.approx(kept.center, abs=1.5)


def test_long_wires_are_painted_in_pieces_that_lie_on_the_curve(canvas: Canvas) -> None:
    canvas.history.apply(MoveNodes({NodeId("save"): (9000, 7000)}))
    wire = canvas.scene.wires.wires[end("save", "image")]
    assert wire.cells is None
    whole = wire.drawn()
    middle = whole.pointAtPercent(0.5)
    piece = wire.part(middle.x() - 400, middle.y() - 300, middle.x() + 400, middle.y() + 300)
    assert piece is not None
    for share in (0.0, 0.3, 0.6, 1.0):
        at = piece.pointAtPercent(share)
        near = min((whole.pointAtPercent(step / 2000) - at).manhattanLength() for step in range(2001))
        assert near < 12
    assert piece.length() < whole.length() / 3
    assert wire.part(-5000, 5000, -4000, 6000) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.001, "0 s"),
        (0.344, "0.34 s"),
        (5.21, "5.2 s"),
        (59, "59 s"),
        (65, "1 min 5 s"),
        (120, "2 min"),
        (3900, "1 h 5 min"),
    ],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_references_to_none_stay_balanced(qtbot: QtBot) -> None:
    """PySide6 6.12.0 on Python 3.11 dropped one in most calls that return nothing, until the process aborted."""
    scene = QGraphicsScene()
    view = QGraphicsView(scene)
    qtbot.addWidget(view)
    image = QImage(16, 16, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    item = QGraphicsRectItem(0, 0, 4, 4)
    scene.addItem(item)
    pen = QPen(QColor("red"))

    def calls() -> None:
        for at in range(300):
            painter.save()
            painter.setPen(pen)
            painter.drawRect(0, 0, 3, 3)
            painter.restore()
            item.setPos(at, 0)
            item.setVisible(True)
            item.update()
            view.setVisible(False)
            scene.update()

    calls()
    gc.collect()
    before = sys.getrefcount(None)
    calls()
    gc.collect()
    lost = before - sys.getrefcount(None)
    painter.end()
    assert abs(lost) < 50, f"{lost} references to None were lost in 2,700 calls"
