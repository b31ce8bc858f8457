"""The window: puts canvas, panels, documents and runs together. What each of them does is in its own file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QByteArray, QPoint, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QCursor, QImage
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu, QMenuBar, QTabBar, QVBoxLayout, QWidget

from studio.app.actions import Command, Menu, State
from studio.app.document import Document
from studio.app.keymap import Keymap
from studio.app.runs import Order, Runs
from studio.app.session import Session
from studio.app.settings import Settings, change_settings
from studio.app.settings import Theme as ThemeChoice
from studio.app.supervisor import Supervisor, WorkerDied
from studio.graph.check import Problem
from studio.graph.errors import Misuse, WirelightError
from studio.graph.graph import NodeId, Point
from studio.graph.spec import Catalog
from studio.library.places import Places
from studio.protocol.messages import CatalogSent, Fetched
from studio.window.actions import Actions
from studio.window.canvas.minimap import Minimap
from studio.window.canvas.scene import CanvasScene
from studio.window.canvas.status import State as NodeState
from studio.window.canvas.view import CanvasView
from studio.window.commands.edit import EditCommands
from studio.window.commands.file import FileCommands, templates
from studio.window.commands.graph import GraphCommands
from studio.window.commands.run import RunCommands
from studio.window.commands.view import ViewCommands
from studio.window.controls.editing import Editing
from studio.window.dialogs.pages import show_error
from studio.window.panels.bottom_line import BottomLine
from studio.window.panels.dock import PanelDock
from studio.window.panels.inspector import Inspector
from studio.window.panels.log import LogPanel
from studio.window.panels.notices import Notices
from studio.window.panels.queue import QueuePanel
from studio.window.panels.top_bar import TopBar
from studio.window.panels.viewer import Slot, Viewer
from studio.window.picker import Row
from studio.window.progress import Progress
from studio.window.theme import load_theme, palette, style_sheet

_SIDE_WIDTH: Final = 340
_KEEP_STATE_MS: Final = 2000


class MainWindow(QMainWindow):
    """One window over one session. `connect_worker` gives it a worker; until then it edits and saves."""

    def __init__(self, session: Session, settings: Settings, places: Places, catalog: Catalog | None) -> None:
        super().__init__()
        self.session = session
        self.settings = settings
        self.places = places
        self.catalog = catalog or Catalog.of(())
        self.theme = load_theme(theme_name(settings.theme))
        self.supervisor: Supervisor | None = None
        self.queue: Runs | None = None
        self.progress: Progress | None = None
        self._loading = catalog is None
        self._clip = self._closing = False
        self._can_reopen = session.can_reopen
        self._scenes: dict[str, CanvasScene] = {}
        self._asked: dict[int, int] = {}
        self._on_close: Callable[[], None] = lambda: None
        self.setWindowTitle("Wirelight")
        self.setAnimated(False)
        self.setDockNestingEnabled(True)
        self.document = session.active or next(iter(session.documents), None) or session.new()
        self.scene = self._scene_of(self.document)
        self.view = CanvasView(self.scene)
        self.minimap = Minimap(self.view)
        self.editing = Editing(self.view, self._models)
        self.notices = Notices()
        self._files = FileCommands(self)
        self._graph = GraphCommands(self)
        sets = (self._files, EditCommands(self), self._graph, RunCommands(self), ViewCommands(self))
        self.commands = Actions(self, self.view, Keymap.of(settings), sets, self.state)
        self._refresh_timer = self._single_shot(0, self._refresh)
        self._state_timer = self._single_shot(_KEEP_STATE_MS, self._keep_state)
        self._build()
        self._connect()
        self.show_document(self.document)
        self._restore()

    # Its parts

    def _build(self) -> None:
        menus = QMenuBar()
        self.top = TopBar(self.theme, menus)
        self.commands.fill(menus, self._extend_menu)
        self.top.bind(*(self.commands[one] for one in (Command.RUN, Command.CANCEL, Command.PAUSE, Command.RESUME)))
        self.setMenuWidget(self.top)
        self.tabs = QTabBar()
        self.tabs.setDocumentMode(True)
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setTabsClosable(True)
        self.tabs.setAccessibleName("Open workflows")
        self.bottom = BottomLine(self.theme)
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.tabs)
        column.addWidget(self.notices)
        column.addWidget(self.view, 1)
        column.addWidget(self.bottom)
        self.setCentralWidget(middle)
        self.viewer = Viewer(self.theme)
        self.inspector = Inspector(self.editing)
        self.log = LogPanel(self.theme)
        self.queue_panel = QueuePanel(self.theme)
        right, below = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.BottomDockWidgetArea
        self.docks = {
            "viewer": PanelDock("Viewer", self.viewer, self, name="viewer", header=self.viewer.header),
            "inspector": PanelDock("Inspector", self.inspector, self, name="inspector"),
            "log": PanelDock("Log", self.log, self, name="log", header=self.log.header),
            "queue": PanelDock("Queue", self.queue_panel, self, name="queue"),
        }
        for name, dock in self.docks.items():
            self.addDockWidget(below if name in ("log", "queue") else right, dock)
            dock.visibilityChanged.connect(self.refresh_soon)
        self.setCorner(Qt.Corner.BottomRightCorner, right)
        self._arrange()

    def _arrange(self) -> None:
        for name in ("log", "queue"):
            self.docks[name].hide()
        self.resizeDocks(
            [self.docks["viewer"], self.docks["inspector"]], [_SIDE_WIDTH, _SIDE_WIDTH], Qt.Orientation.Horizontal
        )
        self.resizeDocks([self.docks["viewer"], self.docks["inspector"]], [420, 400], Qt.Orientation.Vertical)
        self.resizeDocks([self.docks["log"], self.docks["queue"]], [180, 180], Qt.Orientation.Vertical)

    def _connect(self) -> None:
        view = self.view
        view.search_asked.connect(
            lambda at, screen, socket, out: self._graph.search_at(at, screen, socket, is_output=out)
        )
        view.menu_asked.connect(self._graph.menu_at)
        view.refused.connect(self._graph.explain)
        view.problem.connect(self.complain)
        view.error_asked.connect(self._show_error)
        view.shown_asked.connect(lambda node: self._to_slot(NodeId(node), self.viewer.shown or 1))
        view.rename_asked.connect(self._graph.rename_thing)
        view.split_asked.connect(self._graph.split_wire)
        view.files_dropped.connect(self._files.open_paths)
        view.slot_asked.connect(self._press_number)
        view.moved.connect(self._state_timer.start)
        self.tabs.currentChanged.connect(self._choose_tab)
        self.tabs.tabCloseRequested.connect(self._close_tab)
        self.viewer.wanted.connect(self._fetch)
        QApplication.clipboard().dataChanged.connect(self._look_at_clipboard)

    def _look_at_clipboard(self) -> None:
        """Only when it changes: on X11 it costs a question to another program."""
        self._clip = bool(QApplication.clipboard().text())
        self.refresh_soon()

    def _single_shot(self, milliseconds: int, act: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(act)
        return timer

    def _extend_menu(self, menu: Menu, shown: QMenu) -> None:
        if menu is Menu.FILE:
            before = shown.actions()[1]
            fresh = QMenu("New from template", shown)
            fresh.aboutToShow.connect(lambda: self._list_templates(fresh))
            recent = QMenu("Open recent", shown)
            recent.aboutToShow.connect(lambda: self._list_recent(recent))
            shown.insertMenu(before, fresh)
            shown.insertMenu(shown.actions()[3], recent)
        elif menu is Menu.VIEW:
            shown.addSeparator()
            look = shown.addMenu("Theme")
            for choice in ThemeChoice:
                entry = look.addAction(choice.replace("_", " ").capitalize())
                entry.triggered.connect(lambda _=False, choice=choice: self.choose_theme(choice))

    def _list_templates(self, menu: QMenu) -> None:
        menu.clear()
        for name in templates():
            entry = menu.addAction(name.replace("-", " ").capitalize())
            entry.triggered.connect(lambda _=False, name=name: self._files.new_from(name))

    def _list_recent(self, menu: QMenu) -> None:
        menu.clear()
        for path in self.settings.recent_files:
            menu.addAction(Path(path).name).triggered.connect(lambda _=False, path=path: self._files.open_paths([path]))
        menu.setDisabled(not self.settings.recent_files)

    # Documents

    @property
    def has_document(self) -> bool:
        return bool(self.session.documents)

    def show_document(self, document: Document) -> None:
        """Look at a document."""
        self.editing.close()
        self.keep_view()
        self.document = document
        self.session.activate(document)
        self.scene = self._scene_of(document)
        self.view.show_scene(self.scene, document.view)
        self.minimap.show_scene(self.scene)
        self.inspector.show_scene(self.scene)
        self.refresh_documents()
        self.refresh_soon()

    def close_scene(self, document: Document) -> None:
        """A document goes; another one is shown, a new one where there is none left."""
        self.editing.close()
        self.keep_view()
        self.session.close(document)
        self._can_reopen = True
        if self.session.active is None:
            self._files.new_document()
        else:
            self.show_document(self.session.active)
        scene = self._scenes.pop(document.id)
        scene.close()
        scene.deleteLater()
        self.viewer.forget(document.id)
        if self.progress is not None:
            self.progress.forget(document.id)

    def note_closed(self) -> None:
        """Look whether a closed document can still come back."""
        self._can_reopen = self.session.can_reopen

    def keep_view(self) -> None:
        """Note where the document is looked at."""
        if hasattr(self, "view") and self.view.canvas is self._scenes.get(self.document.id) and self.view.isVisible():
            self.document.view = self.view.looking_at()

    def refresh_documents(self) -> None:
        """Titles in tabs and bar."""
        documents = self.session.documents
        self.tabs.blockSignals(True)
        while self.tabs.count() > len(documents):
            self.tabs.removeTab(self.tabs.count() - 1)
        while self.tabs.count() < len(documents):
            self.tabs.addTab("")
        for at, document in enumerate(documents):
            self.tabs.setTabText(at, f"{document.title} \u2022" if document.dirty else document.title)
            self.tabs.setTabToolTip(at, str(document.path or "Not saved yet"))
            if document is self.document:
                self.tabs.setCurrentIndex(at)
        self.tabs.blockSignals(False)
        self.tabs.setVisible(len(documents) > 1)
        self.top.show_document(self.document.title, edited=self.document.dirty)
        self.setWindowTitle(f"{self.document.title}{' *' if self.document.dirty else ''} \u2013 Wirelight")

    def _scene_of(self, document: Document) -> CanvasScene:
        scene = self._scenes.get(document.id)
        if scene is None:
            scene = CanvasScene(document.history, self.catalog, self.theme, loading=self._loading)
            scene.selection_changed.connect(self.refresh_soon)
            scene.content_changed.connect(self.refresh_soon)
            if self.progress is not None:
                for node, status in self.progress.statuses(document.id).items():
                    scene.show_status(node, status)
            self._scenes[document.id] = scene
        return scene

    def _choose_tab(self, at: int) -> None:
        if 0 <= at < len(self.session.documents):
            self.show_document(self.session.documents[at])

    def _close_tab(self, at: int) -> None:
        if 0 <= at < len(self.session.documents):
            self._files.close_one(self.session.documents[at])

    # Runs

    def connect_worker(self, supervisor: Supervisor, queue: Runs) -> Progress:
        """From now on there is a worker."""
        self.supervisor, self.queue = supervisor, queue
        progress = self.progress = Progress(supervisor, queue, self)
        progress.changed.connect(self._show_progress)
        progress.status_changed.connect(self._show_status)
        progress.live.connect(self.viewer.show_live)
        progress.fetched.connect(self._show_fetched)
        progress.finished.connect(self._show_end)
        progress.refused.connect(self._show_refusal)
        progress.logged.connect(self.log.add)
        progress.catalog_sent.connect(self._show_catalog)
        progress.worker_died.connect(self._tell_death)
        self._show_progress()
        return progress

    def _show_status(self, document: str, node: str) -> None:
        scene = self._scenes.get(document)
        if scene is not None and self.progress is not None:
            scene.show_status(NodeId(node), self.progress.status(document, NodeId(node)))

    def _show_progress(self) -> None:
        progress, queue = self.progress, self.queue
        if progress is None or queue is None:
            return
        waiting = len(queue.waiting())
        parts = [progress.words, f"{waiting} waiting" if waiting else ""]
        self.top.words.setText(" \u00b7 ".join(part for part in parts if part))
        worker = progress.worker
        about = [f"Worker {worker.words}", worker.device, f"{worker.memory / 2**30:.1f} GB" if worker.memory else ""]
        self.bottom.show_worker(" \u00b7 ".join(part for part in about if part), worker.mood)
        if self.docks["queue"].isVisible():
            self.queue_panel.show_queue(queue, progress.words)
        self.refresh_soon()

    def _show_end(self, order: Order, state: str) -> None:
        if self.progress is None:
            return
        failed = [node for node, one in self.progress.statuses(order.document).items() if one.state is NodeState.FAILED]
        if state == "failed" and failed:
            status = self.progress.status(order.document, failed[0])
            self.notices.tell(
                f"{failed[0]}: {status.what} {status.mend}".strip(),
                grave=True,
                topic="run",
                actions=(("Show", lambda: self._show_node(order.document, failed[0])),),
            )
        elif state == "failed":
            self.notices.tell("The run failed. The log tells more.", grave=True, topic="run")
        else:
            self.notices.withdraw("run")
        for number, slot in list(self.viewer.slots.items()):
            if slot.document == order.document:
                self._fetch(number)

    def _show_refusal(self, order: Order, problems: tuple[object, ...]) -> None:
        first = next((one for one in problems if isinstance(one, Problem)), None)
        if first is None:
            return
        more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        self.notices.tell(
            f"The workflow cannot run yet. {first.where}: {first.what} {first.mend}{more}".strip(),
            grave=True,
            topic="run",
            actions=(("Show", lambda: self._show_node(order.document, first.node)),),
        )

    def _show_node(self, document: str, node: str) -> None:
        held = next((one for one in self.session.documents if one.id == document), None)
        if held is not None and held is not self.document:
            self.show_document(held)
        key = ("node", node.partition("/")[0])
        self.scene.select({key})
        self.view.fit(self.scene.bounds_of({key}))

    def _show_error(self, node: str) -> None:
        item = self.scene.nodes.get(NodeId(node))
        if item is not None:
            show_error(self, item.title, item.status)

    def _show_catalog(self, sent: CatalogSent) -> None:
        self._loading = False
        if sent.catalog.fingerprint != self.catalog.fingerprint or not self.catalog.fingerprint:
            self.catalog = sent.catalog
            for scene in self._scenes.values():
                scene.show_catalog(sent.catalog)
            self.inspector.show_scene(self.scene)
        for plugin, why in sent.broken:
            self.notices.tell(f"The plugin {plugin} was left out. {why}", topic=f"plugin:{plugin}")
        self.refresh_soon()

    def _tell_death(self, died: WorkerDied) -> None:
        where = f" while '{died.node}' was running" if died.node else ""
        self.notices.tell(
            f"The worker ended{where}: {died.what} {died.mend} Your workflow is safe; another worker is starting.".replace(
                "  ", " "
            ),
            grave=True,
            topic="worker",
            actions=(("Log", lambda: self.docks["log"].show()),),
            seconds=30,
        )

    # The viewer

    def _press_number(self, number: int) -> None:
        chosen = self.scene.selected_nodes
        if chosen:
            self._to_slot(chosen[0], number)
        else:
            self.viewer.show_slot(number)

    def _to_slot(self, node: NodeId, number: int) -> None:
        spec = self.scene.spec(node)
        if spec is None:
            return
        source = Slot(self.document.id, node, "", self.scene.nodes[node].title)
        pictorial = [one.name for one in spec.outputs if one.type.name in ("Image", "Mask", "Video", "Latent")]
        if pictorial or spec.outputs:
            source.output = pictorial[0] if pictorial else spec.outputs[0].name
        else:
            feeding = next(
                (out for one in spec.inputs if (out := self.scene.input_source(node, one.name)) is not None), None
            )
            if feeding is None:
                return
            source.node, source.output = feeding.node, feeding.name
        self.docks["viewer"].show()
        self.viewer.put(number, source)

    def _fetch(self, number: int) -> None:
        slot = self.viewer.slots.get(number)
        if slot is None:
            return
        if self.supervisor is None:
            slot.text = "The worker has not started yet."
            self.viewer.fill(number, slot)
            return
        self._asked[self.supervisor.fetch(slot.node, slot.output, slot.index)] = number

    def _show_fetched(self, request: int, answer: Fetched, image: object) -> None:
        number = self._asked.pop(request, None)
        slot = self.viewer.slots.get(number) if number is not None else None
        if number is None or slot is None or slot.node != answer.node:
            return
        slot.image = image if isinstance(image, QImage) else None
        slot.text = answer.text or f"'{slot.title}' has no result yet. Run the workflow."
        slot.count = answer.count
        self.viewer.fill(number, slot)

    # What the commands ask for

    def state(self) -> State:
        """What the actions want to know."""
        scene, queue = self.scene, self.queue
        current = queue.current if queue is not None else None
        return State(
            documents=len(self.session.documents),
            nodes=len(scene.nodes),
            selected=len(scene.selected),
            selected_nodes=len(scene.selected_nodes),
            can_undo=scene.history.can_undo,
            can_redo=scene.history.can_redo,
            clipboard=self._clip,
            closed=self._can_reopen,
            running=current is not None,
            paused=self.progress is not None and self.progress.paused,
            queued=len(queue.waiting()) if queue is not None else 0,
            worker=self.supervisor is not None,
        )

    def complain(self, error: WirelightError) -> None:
        """What went wrong, as a notice."""
        self.notices.tell(str(error), grave=True, topic=f"error:{error.what}", seconds=0 if error.where else 15)

    def paste_place(self) -> Point:
        """Under the mouse, else in the middle of what is seen."""
        viewport = self.view.viewport()
        at: QPoint = viewport.mapFromGlobal(QCursor.pos())
        if not viewport.rect().contains(at):
            at = viewport.rect().center()
        point = self.view.mapToScene(at)
        return round(point.x() / 8) * 8.0, round(point.y() / 8) * 8.0

    def toggle_dock(self, name: str) -> None:
        dock = self.docks[name]
        dock.setVisible(not dock.isVisible())
        if name == "queue" and dock.isVisible() and self.progress is not None:
            self.queue_panel.show_queue(self.queue, self.progress.words)
        self.refresh_soon()

    def reset_layout(self) -> None:
        """All panels back where they were at first."""
        for name, dock in self.docks.items():
            dock.setFloating(False)
            below = name in ("log", "queue")
            self.addDockWidget(
                Qt.DockWidgetArea.BottomDockWidgetArea if below else Qt.DockWidgetArea.RightDockWidgetArea, dock
            )
            dock.show()
        self._arrange()

    def choose_theme(self, choice: ThemeChoice) -> None:
        """Other colours, now and at the next start."""
        try:
            self.settings = change_settings(self.places.config, theme=choice)
        except WirelightError as error:
            self.complain(error)
        self.show_theme(theme_name(choice))

    def show_theme(self, name: str) -> None:
        theme = self.theme = load_theme(name)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.setPalette(palette(theme))
            application.setStyleSheet(style_sheet(theme))
        for scene in self._scenes.values():
            scene.show_theme(theme)
        for part in (self.view, self.top, self.bottom, self.viewer, self.log, self.queue_panel):
            part.show_theme(theme)
        self.inspector.show_scene(self.scene)
        self.minimap.show_scene(self.scene)
        self._refresh()
        self._show_progress()

    # Keeping up

    def refresh_soon(self) -> None:
        """Once for all changes of this turn of the event loop."""
        if not self._refresh_timer.isActive() and not self._closing:
            self._refresh_timer.start()

    def _refresh(self) -> None:
        self.commands.refresh()
        for name, command in (
            ("viewer", Command.SHOW_VIEWER),
            ("log", Command.SHOW_LOG),
            ("queue", Command.SHOW_QUEUE),
        ):
            self.commands[command].setChecked(self.docks[name].isVisible())
        self.refresh_documents()
        self.bottom.show_hints(self._hints())
        self._state_timer.start()

    def _hints(self) -> list[tuple[str, str]]:
        if self.progress is not None and self.queue is not None and self.queue.current is not None:
            return [("Ctrl+.", "cancel"), ("Ctrl+P", "pause"), ("1-9", "show a node in the viewer")]
        if len(self.scene.selected_nodes) == 1:
            return [
                ("1-9", "show in viewer"),
                ("B", "bypass"),
                ("M", "mute"),
                ("Ctrl+Shift+Return", "run to here"),
                ("Del", "delete"),
            ]
        if self.scene.selected:
            return [("Ctrl+G", "frame around"), ("Ctrl+D", "duplicate"), ("B", "bypass"), ("Del", "delete")]
        if not self.scene.nodes:
            return [("Tab", "add the first node"), ("Ctrl+N", "start from a template"), ("Ctrl+O", "open")]
        return [("Tab", "add a node"), ("Ctrl+Return", "run"), ("Ctrl+Shift+P", "every command")]

    def _keep_state(self) -> None:
        self.keep_view()
        self.session.save_state()

    def _models(self, kind: str) -> list[Row]:
        from studio.library.models import find_models

        try:
            return [
                Row(
                    one.name,
                    one.name,
                    "comes with Wirelight" if one.starter else f"{one.size / 2**30:.2f} GB",
                    str(one.path),
                )
                for one in find_models(kind)
            ]
        except WirelightError as error:
            self.complain(error)
            return []

    # Its own place on the screen

    def _restore(self) -> None:
        geometry, _, panels = self.settings.window.partition(" ")
        try:
            kept = geometry and self.restoreGeometry(QByteArray.fromBase64(geometry.encode("ascii")))
            if panels:
                self.restoreState(QByteArray.fromBase64(panels.encode("ascii")))
        except UnicodeEncodeError:
            kept = False
        if not kept:
            self.resize(1440, 900)

    def when_closed(self, act: Callable[[], None]) -> None:
        self._on_close = act

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Everything open comes back at the next start; nothing is asked."""
        self._closing = True
        self.editing.close()
        self._state_timer.stop()
        self._refresh_timer.stop()
        self.keep_view()
        window = f"{_base64(self.saveGeometry())} {_base64(self.saveState())}"
        try:
            change_settings(self.places.config, window=window)
        except (WirelightError, Misuse) as error:
            self.complain(error)
        self._on_close()
        event.accept()


def theme_name(choice: ThemeChoice) -> str:
    """The theme file that a setting means: the system's own choice of dark or light, or one of ours."""
    if choice is not ThemeChoice.SYSTEM:
        return str(choice)
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        return "dark"
    return "light" if application.styleHints().colorScheme() == Qt.ColorScheme.Light else "dark"


def _base64(data: QByteArray) -> str:
    return bytes(data.toBase64().data()).decode("ascii")
