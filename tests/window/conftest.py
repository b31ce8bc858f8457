"""A window on a worker that a test plays itself, and a guard: no test leaves a thread, a timer or a process behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.app.settings import Settings, Theme
from studio.graph.graph import Graph, NodeId, Socket
from studio.graph.history import History
from studio.graph.spec import Catalog
from studio.graph.workflow import Workflow
from studio.library import database
from studio.library.places import places
from studio.protocol.fake import FakeChannel
from studio.protocol.messages import VERSION, CatalogSent, Device, Event, Ready
from studio.window.application import Studio, dress, make_application
from studio.window.canvas.scene import CanvasScene
from studio.window.canvas.view import CanvasView
from studio.window.controls.editing import Editing
from studio.window.desk import Desk
from studio.window.gestures.choice import Gestures
from studio.window.theme import load_theme
from tests.window.graphs import CATALOG, picture_graph


@pytest.fixture(scope="session")
def qapp_cls() -> type[QApplication]:
    return QApplication


@pytest.fixture(scope="session")
def qapp() -> QApplication:
    application = make_application()
    dress(application, Settings(theme=Theme.DARK))
    return application


@pytest.fixture(autouse=True)
def no_dangling(qapp: QApplication) -> Iterator[None]:
    """Every thread that a test starts has ended with it, and no window is left open."""
    before = set(threading.enumerate())
    yield
    qapp.processEvents()
    left = [thread.name for thread in threading.enumerate() if thread not in before and thread.is_alive()]
    assert not left, f"threads left behind: {left}"
    assert not [window for window in qapp.topLevelWidgets() if window.isVisible()]


class Canvas:
    """A view on a graph, and a hand with a mouse over it. Places are those of the scene."""

    def __init__(self, qtbot: QtBot, graph: Graph) -> None:
        self.qtbot = qtbot
        self.history = History(graph)
        self.scene = CanvasScene(self.history, CATALOG, load_theme("dark"))
        self.view = CanvasView(self.scene)
        self.view.resize(1200, 800)
        self.gestures = Gestures(self.view)
        self.editing = Editing(self.view, lambda kind: ())
        qtbot.addWidget(self.view)
        self.view.show_scene(self.scene, None)
        self.view.show()
        qtbot.waitExposed(self.view)
        self.view.set_zoom(0.75, None)
        self.view.center(self.scene.content().center())

    @property
    def graph(self) -> Graph:
        return self.history.graph

    def on_view(self, place: QPointF) -> QPoint:
        return self.view.viewportTransform().map(place).toPoint()

    def socket(self, node: str, name: str, *, is_output: bool = False) -> QPointF:
        point = self.scene.socket_point(Socket(NodeId(node), name), is_output=is_output)
        assert point is not None, f"{node} shows no socket '{name}'"
        return point

    def field(self, node: str, name: str, share: float = 0.5) -> QPointF:
        item = self.scene.nodes[NodeId(node)]
        place = item.layout.control(name)
        assert place is not None, f"{node} shows no field '{name}'"
        return item.pos() + QPointF(place.x + place.width * share, place.y + 12)

    def band(self, node: str) -> QPointF:
        return self.scene.nodes[NodeId(node)].pos() + QPointF(60, 14)

    def press(self, place: QPointF, button: Qt.MouseButton = Qt.MouseButton.LeftButton, keys: int = 0) -> None:
        self._send(QEvent.Type.MouseButtonPress, place, button, button, keys)

    def move(self, place: QPointF, button: Qt.MouseButton = Qt.MouseButton.LeftButton, keys: int = 0) -> None:
        self._send(QEvent.Type.MouseMove, place, Qt.MouseButton.NoButton, button, keys)

    def release(self, place: QPointF, button: Qt.MouseButton = Qt.MouseButton.LeftButton, keys: int = 0) -> None:
        self._send(QEvent.Type.MouseButtonRelease, place, button, Qt.MouseButton.NoButton, keys)

    def click(self, place: QPointF, button: Qt.MouseButton = Qt.MouseButton.LeftButton, keys: int = 0) -> None:
        self.press(place, button, keys)
        self.release(place, button, keys)

    def double_click(self, place: QPointF) -> None:
        left = Qt.MouseButton.LeftButton
        self.click(place)
        self._send(QEvent.Type.MouseButtonDblClick, place, left, left, 0)
        self.release(place)

    def drag(
        self, start: QPointF, end: QPointF, button: Qt.MouseButton = Qt.MouseButton.LeftButton, keys: int = 0
    ) -> None:
        self.press(start, button, keys)
        for step in (0.3, 0.7, 1.0):
            self.move(start + (end - start) * step, button, keys)
        self.release(end, button, keys)

    def _send(self, kind: QEvent.Type, place: QPointF, button: Qt.MouseButton, held: Qt.MouseButton, keys: int) -> None:
        at = QPointF(self.on_view(place))
        viewport = self.view.viewport()
        modifiers = Qt.KeyboardModifier(keys)
        event = QMouseEvent(kind, at, viewport.mapToGlobal(at), button, held, modifiers)
        QApplication.sendEvent(viewport, event)


@pytest.fixture
def canvas(qtbot: QtBot) -> Iterator[Canvas]:
    made = Canvas(qtbot, picture_graph())
    yield made
    made.editing.close()
    made.scene.close()


class Room:
    """A whole window whose worker the test plays: `say` is the worker's voice, `channel.sent` what it was told."""

    def __init__(
        self, qtbot: QtBot, application: QApplication, graph: Graph | None = None, catalog: Catalog = CATALOG
    ) -> None:
        self.qtbot = qtbot
        ready = Ready(VERSION, 1, catalog.fingerprint, (Device("cpu", "CPU"),))
        self.channel = FakeChannel(ready, CatalogSent(catalog))
        self.studio = Studio(application, places(), Settings(theme=Theme.DARK), (), lambda: self.channel)
        self.window = self.studio.window
        if graph is not None:
            self.window.show_document(self.studio.session.new(Workflow(graph, title="boat")))
        self.window.resize(1280, 800)
        self.studio.open()
        self.until(
            lambda: self.studio.desk is not None and self.desk.progress is not None and self.desk.progress.worker.ready
        )
        self.until(lambda: self.window.catalog.fingerprint == catalog.fingerprint)

    @property
    def desk(self) -> Desk:
        assert self.studio.desk is not None
        return self.studio.desk

    @property
    def scene(self) -> CanvasScene:
        return self.window.scene

    def until(self, true: Callable[[], object], seconds: float = 5.0) -> None:
        self.qtbot.waitUntil(lambda: bool(true()), timeout=round(seconds * 1000))

    def say(self, *events: Event) -> None:
        """The worker reports these, and the window has taken them."""
        self.channel.answers.extend(events)
        self.until(lambda: not self.channel.answers)
        self.qtbot.wait(60)

    def close(self) -> None:
        self.window.close()


@pytest.fixture
def room(qtbot: QtBot, qapp: QApplication, home: Path) -> Iterator[Room]:
    made = Room(qtbot, qapp, picture_graph())
    yield made
    made.close()
    close_library()


def close_library() -> None:
    """The next test has a home, and so a library, of its own."""
    for opened in database._open.values():
        opened.close()
    database._open.clear()
