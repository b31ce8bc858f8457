"""The canvas beside a plain QGraphicsScene (one painted item a node, one path item a wire), in turns, in processes of their own.

Prints one JSON line: `cases` and `reference` hold, for each number of nodes, milliseconds of the GUI thread's CPU time for `build`,
`first_paint`, `pan` (a forced whole repaint), `fit`, `drag` (a node with 50 wires) and `undo`, and `mb` of memory. Offscreen, 1600 x
1000, the view at the node with the most wires. `search_ms` is one key in the search over 1,000 node types, `pan_during_run_ratio` is a
pan while 20 previews a second arrive, through a pan without.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QApplication, QGraphicsItem, QGraphicsPathItem, QGraphicsScene, QGraphicsView, QWidget

from studio.app.search import Search
from studio.graph.edits import MoveNodes
from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.graph.history import History
from studio.graph.spec import Catalog, Input, NodeSpec, Number, Options, Output
from studio.graph.types import FLOAT, IMAGE, LATENT, TEXT
from studio.window.application import dress, make_application

PITCH = (300, 220)
HUB_WIRES = 50


def grid_graph(count: int) -> tuple[Graph, NodeId]:
    """Nodes on a grid, 1.3 wires a node, most to neighbours, and one node with 50 wires more."""
    draw = random.Random(7)
    across = max(1, round(count**0.5))
    ids = [NodeId(f"n{at}") for at in range(count)]
    nodes = {
        id: Node("bench/Node", position=(PITCH[0] * (at % across), PITCH[1] * (at // across)))
        for at, id in enumerate(ids)
    }
    links: dict[Socket, Socket] = {}
    for at in range(count):
        for name in ("a", "b")[: 1 + (draw.random() < 0.3)]:
            other = draw.randrange(count) if draw.random() < 0.05 else max(0, at - draw.choice((1, across)))
            if other != at:
                links[Socket(ids[at], name)] = Socket(ids[other], "out")
    middle = (across // 2) * across + across // 2
    hub = ids[min(middle, count - 1)]
    near = [ids[(middle + shift) % count] for shift in range(-300, 300) if shift]
    for id in draw.sample(near, HUB_WIRES) if len(near) >= HUB_WIRES else near:
        if id != hub:
            links[Socket(id, "c")] = Socket(hub, "out")
    return Graph(nodes, links), hub


def catalog() -> Catalog:
    inputs = (
        *(Input(name, IMAGE, optional=True) for name in ("a", "b")),
        Input("c", LATENT, optional=True),
        Input("steps", FLOAT, control=Number(0, 100, 1, slider=True), default=20.0),
        Input("sampler", TEXT, control=Options(("euler", "dpmpp_2m")), default="euler"),
        Input("seed", FLOAT, control=Number(), default=0.0),
    )
    outputs = (Output("out", IMAGE), Output("mask", IMAGE))
    return Catalog.of([NodeSpec("bench/Node", "A node of the grid", inputs=inputs, outputs=outputs)])


@contextmanager
def timed(into: list[float]) -> Iterator[None]:
    start = time.thread_time()
    yield
    into.append((time.thread_time() - start) * 1000)


def once(act: Callable[[], object]) -> float:
    taken: list[float] = []
    with timed(taken):
        act()
    return taken[0]


def median(act: Callable[[int], object], times: int = 9) -> float:
    taken: list[float] = []
    for at in range(times):
        with timed(taken):
            act(at)
    return statistics.median(taken)


def resident_mb() -> float:
    gc.collect()
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) / 1024
    return 0.0


def show(view: QGraphicsView) -> None:
    view.show()
    QApplication.processEvents()


def measure_ours(count: int) -> dict[str, float]:
    from studio.window.canvas.scene import CanvasScene
    from studio.window.canvas.status import State, Status
    from studio.window.canvas.view import CanvasView
    from studio.window.theme import load_theme

    graph, hub = grid_graph(count)
    specs = catalog()
    before = resident_mb()
    history = History(graph)
    made: list[CanvasScene] = []
    build = once(lambda: made.append(CanvasScene(history, specs, load_theme("dark"))))
    scene = made[0]
    view = CanvasView(scene)
    view.resize(1600, 1000)
    view.center(QPointF(*graph.nodes[hub].position))
    first = once(lambda: show(view))

    def pan(at: int) -> None:
        view.pan(37 if at % 2 else -41, 23 if at % 2 else -19)
        view.viewport().repaint()

    panned = median(pan)
    zoom, x, y = view.zoom, *graph.nodes[hub].position

    def drag(at: int) -> None:
        history.apply(MoveNodes({hub: (x + 8 * at, y + 5 * at)}), merge=True)
        QApplication.processEvents()

    drag(0)
    dragged = median(drag)
    history.seal()
    history.apply(MoveNodes({hub: (x, y)}))

    def undo(at: int) -> None:
        (history.undo if at % 2 == 0 else history.redo)()
        QApplication.processEvents()

    undone = median(undo)
    image = QImage(256, 256, QImage.Format.Format_RGB32)
    image.fill(QColor("#345678"))

    def pan_in_run(at: int) -> None:
        scene.show_status(hub, Status(State.RUNNING, at, 20, 1.0, preview=image))
        pan(at)

    pan_in_run(0)
    ratio = median(pan_in_run, 15) / median(pan, 15)
    view.set_zoom(zoom, None)

    def fit(at: int) -> None:
        view.fit(scene.content())
        view.viewport().repaint()

    fitted = median(fit)
    return {
        "nodes": count,
        "build": build,
        "first_paint": first,
        "pan": panned,
        "fit": fitted,
        "drag": dragged,
        "undo": undone,
        "mb": resident_mb() - before,
        "pan_during_run_ratio": ratio,
    }


class PlainNode(QGraphicsItem):
    """As simple as such an item gets: a box, a band, six ports, three lines of text."""

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        return QRectF(-6, -2, 212, 154)

    def paint(self, painter: QPainter, option: object, widget: QWidget | None = None) -> None:
        painter.setBrush(QColor("#24282f"))
        painter.drawRoundedRect(QRectF(0, 0, 200, 150), 8, 8)
        painter.fillRect(QRectF(0, 0, 200, 30), QColor("#2c3858"))
        painter.setPen(QColor("white"))
        painter.drawText(QPointF(10, 20), "A node of the grid")
        for row in range(3):
            painter.drawText(QPointF(12, 50 + 22 * row), "value")
            painter.drawEllipse(QPointF(0, 46 + 22 * row), 5, 5)
            painter.drawEllipse(QPointF(200, 46 + 22 * row), 5, 5)


def measure_plain(count: int) -> dict[str, float]:
    graph, hub = grid_graph(count)
    before = resident_mb()
    scene = QGraphicsScene()
    nodes: dict[NodeId, PlainNode] = {}
    wires: list[tuple[Socket, Socket, QGraphicsPathItem]] = []

    def path(output: Socket, input: Socket) -> QPainterPath:
        a = nodes[output.node].pos() + QPointF(200, 46)
        b = nodes[input.node].pos() + QPointF(0, 46)
        made = QPainterPath(a)
        made.cubicTo(a + QPointF(80, 0), b - QPointF(80, 0), b)
        return made

    def build() -> None:
        for id, node in graph.nodes.items():
            item = nodes[id] = PlainNode()
            item.setPos(*node.position)
            scene.addItem(item)
        for input, output in graph.links.items():
            wire = QGraphicsPathItem(path(output, input))
            wire.setPen(QPen(QColor("#62c0f0"), 2))
            wire.setZValue(-1)
            scene.addItem(wire)
            wires.append((input, output, wire))

    built = once(build)
    view = QGraphicsView(scene)
    view.setRenderHint(QPainter.RenderHint.Antialiasing)
    view.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.FullViewportUpdate)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.resize(1600, 1000)
    view.centerOn(nodes[hub])
    first = once(lambda: show(view))

    def pan(at: int) -> None:
        bar = view.horizontalScrollBar()
        bar.setValue(bar.value() + (37 if at % 2 else -41))
        view.viewport().repaint()

    panned = median(pan)
    mine = [one for one in wires if hub in (one[0].node, one[1].node)]

    def drag(at: int) -> None:
        nodes[hub].setPos(nodes[hub].pos() + QPointF(8, 5))
        for input, output, wire in mine:
            wire.setPath(path(output, input))
        QApplication.processEvents()

    dragged = median(drag)

    def fit(at: int) -> None:
        view.fitInView(scene.itemsBoundingRect(), Qt.AspectRatioMode.KeepAspectRatio)
        view.viewport().repaint()

    fitted = median(fit)
    return {
        "nodes": count,
        "build": built,
        "first_paint": first,
        "pan": panned,
        "fit": fitted,
        "drag": dragged,
        "mb": resident_mb() - before,
    }


def measure_search() -> float:
    """One key over 1,000 node types, the median over the keys of a few words."""
    words = ("blur", "sample", "decode", "mask", "noise", "blend", "load", "save", "resize", "color")
    specs = [
        NodeSpec(
            f"{words[at % 10]}/{words[at // 10 % 10].title()}{at}",
            f"{words[at // 10 % 10]} {words[at % 7]} {at}",
            "A node.",
        )
        for at in range(1000)
    ]
    search = Search(Catalog.of(specs))
    keys = [word[:length] for word in ("sample noise", "blend", "decode 4") for length in range(1, len(word) + 1)]
    return median(lambda at: search.find(keys[at % len(keys)]), len(keys))


def in_own_process(which: str, count: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", which, "--nodes", str(count)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--nodes", type=int, nargs="*", default=[1000, 10000])
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--one", choices=("ours", "plain", "search"))
    chosen = options.parse_args()
    if chosen.one:
        from studio.app.settings import Settings, Theme

        dress(make_application(), Settings(theme=Theme.DARK))
        if chosen.one == "search":
            print(json.dumps({"search_ms": measure_search()}))
        else:
            print(json.dumps((measure_ours if chosen.one == "ours" else measure_plain)(chosen.nodes[0])))
        return
    found: dict[str, list[dict[str, float]]] = {"ours": [], "plain": []}
    for count in chosen.nodes:
        taken: dict[str, list[dict[str, float]]] = {"ours": [], "plain": []}
        for _ in range(chosen.repeats):
            for which, results in taken.items():
                results.append(in_own_process(which, count))
        for which, results in taken.items():
            found[which].append({key: round(statistics.median(one[key] for one in results), 2) for key in results[0]})
    line = {
        "cases": found["ours"],
        "reference": found["plain"],
        "pan_during_run_ratio": found["ours"][0]["pan_during_run_ratio"],
        "search_ms": round(in_own_process("search", 0)["search_ms"], 2),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
