"""All that the first frame does not need: commands, editors, panels, and what a run shows in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, QPoint
from PySide6.QtGui import QCursor, QPixmapCache
from PySide6.QtWidgets import QApplication, QMenu

from studio.app.actions import Command, Menu, State
from studio.app.clipboard import paste
from studio.app.document import Document
from studio.app.keymap import Keymap
from studio.app.runs import Runs
from studio.app.search import Match
from studio.app.session import Session
from studio.app.settings import Settings, change_settings
from studio.app.settings import Theme as ThemeChoice
from studio.app.supervisor import Supervisor
from studio.graph.edits import AnyEdit
from studio.graph.errors import WirelightError
from studio.graph.graph import Graph, NodeId, Point, subgraph_of
from studio.library.models import find_models
from studio.library.places import Places
from studio.protocol.messages import CatalogSent
from studio.window.actions import Actions
from studio.window.canvas.minimap import Minimap
from studio.window.canvas.scene import CanvasScene
from studio.window.canvas.view import CanvasView
from studio.window.commands.arrange import ArrangeCommands
from studio.window.commands.build import BuildCommands
from studio.window.commands.edit import EditCommands
from studio.window.commands.file import FileCommands
from studio.window.commands.graph import GraphCommands
from studio.window.commands.run import RunCommands
from studio.window.commands.subgraphs import SubgraphCommands
from studio.window.commands.view import ViewCommands
from studio.window.controls.editing import Editing
from studio.window.dialogs.pages import show_error
from studio.window.gestures.choice import Gestures
from studio.window.icons import window_icon
from studio.window.main_window import MainWindow, theme_name
from studio.window.panels.inspector import Inspector
from studio.window.panels.log import LogPanel
from studio.window.panels.notices import Notices
from studio.window.panels.queue import QueuePanel
from studio.window.panels.viewer import Viewer
from studio.window.picker import Row
from studio.window.progress import Progress, touched
from studio.window.run_display import RunDisplay
from studio.window.slots import Slots
from studio.window.steps import Steps
from studio.window.templates import templates
from studio.window.theme import Theme

_PIXMAPS_KB: Final = 64 * 1024
_DOCK_COMMANDS: Final = {
    "viewer": Command.SHOW_VIEWER,
    "inspector": Command.SHOW_INSPECTOR,
    "log": Command.SHOW_LOG,
    "queue": Command.SHOW_QUEUE,
}


class Desk(QObject):
    """Furnishes a window. `connect_worker` gives it a worker; until then it edits and saves."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window = window
        window.setWindowIcon(window_icon())
        self.supervisor: Supervisor | None = None
        self.queue: Runs | None = None
        self.progress: Progress | None = None
        self._clip = False
        self._can_reopen = window.session.can_reopen
        self.run_display: RunDisplay | None = None
        self._brought_forward: dict[str, tuple[str, ...]] = {}
        self._stop_listening: Callable[[], None] = lambda: None
        # Painted nodes are kept as pixmaps; Qt's own limit is a little below what a large screen shows.
        QPixmapCache.setCacheLimit(_PIXMAPS_KB)
        self.editing = Editing(self.view, self._models)
        self._gestures = Gestures(self.view)
        self.minimap = Minimap(self.view)
        self.files = FileCommands(self)
        self._graph = GraphCommands(self)
        self.command_sets = (
            self.files,
            EditCommands(self),
            self._graph,
            BuildCommands(self),
            SubgraphCommands(self),
            ArrangeCommands(self),
            RunCommands(self),
            ViewCommands(self),
        )
        self.commands = Actions(window, self.view, Keymap.of(window.settings), self.command_sets, self.state)
        self.commands.show_theme(self.theme)
        self.commands.fill(window.top.menus, self._extend_menu)
        window.top.bind(*(self.commands[one] for one in (Command.RUN, Command.CANCEL, Command.PAUSE, Command.RESUME)))
        self.viewer = Viewer(self.theme)
        self._slots = Slots(self)
        self._steps = Steps(self)
        self.inspector = Inspector(self.editing)
        self.log = LogPanel(self.theme)
        self.queue_panel = QueuePanel(self.theme)
        window.docks["viewer"].fill(self.viewer, self.viewer.header)
        window.docks["inspector"].fill(self.inspector)
        window.docks["log"].fill(self.log, self.log.header)
        window.docks["queue"].fill(self.queue_panel)
        self._connect()
        self._show_document()
        self._look_at_clipboard()
        self._refresh()

    # What it stands on

    @property
    def view(self) -> CanvasView:
        return self.window.view

    @property
    def scene(self) -> CanvasScene:
        """That of the document that is shown."""
        return self.window.scene

    @property
    def document(self) -> Document:
        return self.window.document

    @property
    def session(self) -> Session:
        return self.window.session

    @property
    def notices(self) -> Notices:
        return self.window.notices

    @property
    def places(self) -> Places:
        return self.window.places

    @property
    def theme(self) -> Theme:
        return self.window.theme

    @property
    def settings(self) -> Settings:
        return self.window.settings

    def change_settings(self, **changes: object) -> None:
        """Keep these for this and the next start."""
        try:
            self.window.settings = change_settings(self.places.config, **changes)
        except WirelightError as error:
            self.complain(error)

    def complain(self, error: WirelightError) -> None:
        """What went wrong, as a notice."""
        self.window.complain(error)

    def _connect(self) -> None:
        window, view = self.window, self.view
        view.search_asked.connect(
            lambda at, screen, socket, out: self._graph.search_at(at, screen, socket, is_output=out)
        )
        view.menu_asked.connect(self._graph.menu_at)
        view.refused.connect(self._graph.explain)
        view.error_asked.connect(self._show_error)
        view.shown_asked.connect(lambda node: self._slots.put(NodeId(node), self.viewer.shown or 1))
        view.rename_asked.connect(self._graph.rename_thing)
        view.enter_asked.connect(lambda node: window.enter((*window.path, NodeId(node))))
        view.split_asked.connect(self._graph.split_wire)
        view.files_dropped.connect(self.files.open_paths)
        view.slot_asked.connect(self._slots.press)
        window.tabs.currentChanged.connect(self._choose_tab)
        window.tabs.tabCloseRequested.connect(self._close_tab)
        window.shown.connect(self._show_document)
        window.changed.connect(self._refresh)
        window.dressed.connect(self._show_theme)
        window.forgotten.connect(self._forget)
        window.closing.connect(self.close)
        QApplication.clipboard().dataChanged.connect(self._look_at_clipboard)

    def close(self) -> None:
        """The window closes: what is being typed is taken."""
        self.editing.close()
        self._stop_listening()
        self.inspector.close_scene()
        QApplication.clipboard().dataChanged.disconnect(self._look_at_clipboard)

    def _look_at_clipboard(self) -> None:
        """Only when it changes: on X11 it costs a question to another program."""
        self._clip = bool(QApplication.clipboard().text())
        self.window.refresh_soon()

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
            entry.triggered.connect(lambda _=False, name=name: self.files.new_from(name))

    def _list_recent(self, menu: QMenu) -> None:
        menu.clear()
        for path in self.settings.recent_files:
            menu.addAction(Path(path).name).triggered.connect(lambda _=False, path=path: self.files.open_paths([path]))
        menu.setDisabled(not self.settings.recent_files)

    # Documents

    def _show_document(self) -> None:
        """Another document is looked at."""
        self.editing.close()
        self._bring_forward()
        self.minimap.show_scene(self.scene)
        self.inspector.show_scene(self.scene)
        self._stop_listening()
        self._stop_listening = self.document.history.listen(self._outdate)
        if self.progress is not None:
            for node, status in self.progress.statuses(self.document.id).items():
                *path, id = map(NodeId, node.split("/"))
                if tuple(path) == self.window.path:
                    self.scene.show_status(id, status)

    def _bring_forward(self) -> None:
        """Nodes that were saved by an earlier version of their plugin become those that are here. An undo takes it back."""
        notes = self.document.bring_forward(self.window.catalog)
        if notes and notes != self._brought_forward.get(self.document.id):
            self._brought_forward[self.document.id] = notes
            more = f" So it was with {len(notes) - 1} more." if len(notes) > 1 else ""
            self.notices.tell(f"{notes[0]}{more}", topic=f"migrated:{self.document.id}")

    def _outdate(self, graph: Graph, edit: AnyEdit) -> None:
        """What an edit changes, and all that hangs on it, is no longer what the last run made of it."""
        if self.progress is None or not self.progress.statuses(self.document.id):
            return
        whole = self.window.scene_by_id(self.document.id)
        if whole is not None:
            changed = touched(edit, graph)
            self.progress.outdate(self.document.id, whole.wiring.reachable(changed, upstream=False))

    def note_closed(self) -> None:
        """Look whether a closed document can still come back."""
        self._can_reopen = self.session.can_reopen

    def _forget(self, document: str) -> None:
        self.note_closed()
        self.viewer.forget(document)
        self._steps.forget(document)
        if self.progress is not None:
            self.progress.forget(document)

    def _choose_tab(self, at: int) -> None:
        if 0 <= at < len(self.session.documents):
            self.window.show_document(self.session.documents[at])

    def _close_tab(self, at: int) -> None:
        if 0 <= at < len(self.session.documents):
            self.files.close_one(self.session.documents[at])

    # Runs

    def connect_worker(self, supervisor: Supervisor, queue: Runs) -> Progress:
        """From now on there is a worker."""
        self.supervisor, self.queue = supervisor, queue
        self.progress = Progress(supervisor, queue, self)
        self.progress.catalog_sent.connect(self._show_catalog)
        self.run_display = RunDisplay(self, self.progress, queue)
        self._slots.connect_worker(self.progress)
        self._steps.connect_worker(self.progress)
        return self.progress

    def _show_catalog(self, sent: CatalogSent) -> None:
        self.window.show_catalog(sent.catalog)
        self._bring_forward()
        self.inspector.show_scene(self.scene)
        for plugin, why in sent.broken:
            self.notices.tell(f"The plugin {plugin} was left out. {why}", topic=f"plugin:{plugin}")
        self.window.refresh_soon()

    # What the commands ask for

    def search_node(self, hint: str, screen: QPoint, take: Callable[[Match], None]) -> None:
        """Let a node type be searched for, whatever it takes or gives."""
        self._graph.search(hint, screen, take)

    def show_node(self, document: str, node: str) -> None:
        """Look at a node, of whichever document and subgraph."""
        held = next((one for one in self.session.documents if one.id == document), None)
        if held is not None and held is not self.document:
            self.window.show_document(held)
        *path, id = map(NodeId, node.split("/"))
        if tuple(path) != self.window.path:
            self.window.enter(tuple(path))
        key = ("node", id)
        self.scene.select({key})
        self.view.fit(self.scene.bounds_of({key}))

    def path_to(self, node: NodeId) -> NodeId:
        """How a run calls a node of what is shown: by its path."""
        return NodeId("/".join((*self.window.path, node)))

    def refresh_slots(self, document: str) -> None:
        """Fetch anew what the viewer shows of a document."""
        self._slots.refresh(document)

    def show_progress(self) -> None:
        """How far the run is, everywhere that tells it."""
        if self.run_display is not None:
            self.run_display.show_progress()

    def _show_error(self, node: str) -> None:
        item = self.scene.nodes.get(NodeId(node))
        if item is not None:
            show_error(self.window, item.title, item.status)

    def state(self) -> State:
        """What the actions want to know."""
        scene, queue = self.scene, self.queue
        current = queue.current if queue is not None else None
        return State(
            documents=len(self.session.documents),
            nodes=len(scene.nodes),
            selected=len(scene.selected),
            selected_nodes=len(scene.selected_nodes),
            selected_subgraphs=sum(subgraph_of(scene.nodes[id].node.type) is not None for id in scene.selected_nodes),
            inside=bool(self.window.path),
            can_undo=scene.history.can_undo,
            can_redo=scene.history.can_redo,
            clipboard=self._clip,
            closed=self._can_reopen,
            running=current is not None,
            paused=self.progress is not None and self.progress.paused,
            queued=len(queue.waiting()) if queue is not None else 0,
            worker=self.supervisor is not None,
        )

    def paste_place(self) -> Point:
        """Under the mouse, else in the middle of what is seen."""
        viewport = self.view.viewport()
        at: QPoint = viewport.mapFromGlobal(QCursor.pos())
        if not viewport.rect().contains(at):
            at = viewport.rect().center()
        point = self.view.mapToScene(at)
        return round(point.x() / 8) * 8.0, round(point.y() / 8) * 8.0

    def paste(self, text: str, at: Point | None, *, connected: bool = False) -> None:
        """Put in what was copied; see `clipboard.paste`."""
        scene = self.scene
        try:
            pasted = paste(text, scene.graph, at, connected=connected)
        except WirelightError as error:
            self.complain(error)
            return
        if self.view.apply(pasted.edit):
            scene.select(
                [("node", id) for id in pasted.nodes]
                + [("frame", id) for id in pasted.frames]
                + [("note", id) for id in pasted.notes]
            )

    def toggle_dock(self, name: str) -> None:
        dock = self.window.docks[name]
        dock.setVisible(not dock.isVisible())
        self.show_progress()
        self.window.refresh_soon()

    def choose_theme(self, choice: ThemeChoice) -> None:
        """Other colours, now and at the next start."""
        self.change_settings(theme=choice)
        self.window.show_theme(theme_name(choice))

    def _show_theme(self) -> None:
        self.view.cancel_gesture()
        self.commands.show_theme(self.theme)
        for part in (self.viewer, self.log, self.queue_panel):
            part.show_theme(self.theme)
        self.minimap.show_scene(self.scene)
        self.inspector.show_scene(self.scene)
        self.show_progress()

    # Keeping up

    def _refresh(self) -> None:
        self.commands.refresh()
        self._steps.show_selected()
        for name, command in (
            ("viewer", Command.SHOW_VIEWER),
            ("log", Command.SHOW_LOG),
            ("queue", Command.SHOW_QUEUE),
        ):
            self.commands[command].setChecked(self.window.docks[name].isVisible())
        self.window.bottom.show_hints(self._hints())

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

    def _models(self, kind: str) -> list[Row]:
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
