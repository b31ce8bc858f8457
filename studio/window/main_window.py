"""The window as its first frame shows it: canvas, bars, and the frames of the panels. `Desk` does all the rest, after that frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QByteArray, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QTabBar, QVBoxLayout, QWidget

from studio.app.document import Document
from studio.app.session import Session
from studio.app.settings import Settings, change_settings
from studio.app.settings import Theme as ThemeChoice
from studio.graph.errors import WirelightError
from studio.graph.spec import Catalog
from studio.graph.workflow import View
from studio.library.places import Places
from studio.window.canvas.scene import CanvasScene
from studio.window.canvas.view import CanvasView
from studio.window.panels.bottom_line import BottomLine
from studio.window.panels.crumbs import Crumbs
from studio.window.panels.dock import PanelDock
from studio.window.panels.notices import Notices
from studio.window.panels.top_bar import TopBar
from studio.window.scenes import Path, Scenes, definition_at
from studio.window.theme import load_theme, palette, style_sheet

_SIDE_WIDTH: Final = 340
_KEEP_STATE_MS: Final = 2000
DOCKS: Final = {"viewer": "Viewer", "inspector": "Inspector", "log": "Log", "queue": "Queue"}
_BELOW: Final = ("log", "queue")


class MainWindow(QMainWindow):
    """One window over one session: its documents, what they look like, and where the window stands on the screen."""

    shown = Signal()
    """Another document is looked at."""
    changed = Signal()
    """Once for all that changed in a turn of the event loop: documents, selections, panels."""
    dressed = Signal()
    """The theme is another one."""
    closing = Signal()
    """The last moment for what is being typed."""
    forgotten = Signal(str)
    """A document was closed, its id."""

    def __init__(self, session: Session, settings: Settings, places: Places, catalog: Catalog | None) -> None:
        super().__init__()
        self.session = session
        self.settings = settings
        self.places = places
        self.theme = load_theme(theme_name(settings.theme))
        self._closing = False
        self.path: Path = ()
        """The subgraphs that were entered in the document that is shown."""
        self._paths: dict[str, Path] = {}
        self._views: dict[tuple[str, Path], View] = {}
        self._scenes = Scenes(catalog, self.theme, self.refresh_soon)
        self._on_close: Callable[[], None] = lambda: None
        self.setWindowTitle("Wirelight")
        self.setAnimated(False)
        self.setDockNestingEnabled(True)
        self.document = session.active or next(iter(session.documents), None) or session.new()
        self.scene = self._scenes.of(self.document)
        self.view = CanvasView(self.scene)
        self.notices = Notices(self.view)
        self._refresh_timer = self._single_shot(0, self._refresh)
        self._state_timer = self._single_shot(_KEEP_STATE_MS, self._keep_state)
        self._build()
        self.view.problem.connect(self.complain)
        self.view.moved.connect(self._state_timer.start)
        self.show_document(self.document)
        self._restore()

    def _build(self) -> None:
        self.top = TopBar(self.theme)
        self.setMenuWidget(self.top)
        self.tabs = QTabBar()
        self.tabs.setDocumentMode(True)
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setTabsClosable(True)
        self.tabs.setAccessibleName("Open workflows")
        self.crumbs = Crumbs()
        self.crumbs.chosen.connect(lambda depth: self.enter(self.path[:depth]))
        self.bottom = BottomLine(self.theme)
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.tabs)
        column.addWidget(self.crumbs)
        column.addWidget(self.view, 1)
        column.addWidget(self.bottom)
        self.setCentralWidget(middle)
        self.docks = {name: PanelDock(title, self, name=name) for name, title in DOCKS.items()}
        for name, dock in self.docks.items():
            self.addDockWidget(_area(name), dock)
            dock.visibilityChanged.connect(self.refresh_soon)
        self.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
        self._arrange()

    def _arrange(self) -> None:
        side = [self.docks["viewer"], self.docks["inspector"]]
        for name in _BELOW:
            self.docks[name].hide()
        self.resizeDocks(side, [_SIDE_WIDTH, _SIDE_WIDTH], Qt.Orientation.Horizontal)
        self.resizeDocks(side, [420, 400], Qt.Orientation.Vertical)
        below = [self.docks[name] for name in _BELOW]
        self.resizeDocks(below, [180, 180], Qt.Orientation.Vertical)
        self.resizeDocks(below, [500, 400], Qt.Orientation.Horizontal)

    def reset_layout(self) -> None:
        """All panels back where they were at first."""
        for name, dock in self.docks.items():
            dock.setFloating(False)
            self.addDockWidget(_area(name), dock)
            dock.show()
        self._arrange()

    def _single_shot(self, milliseconds: int, act: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(act)
        return timer

    # Documents

    @property
    def catalog(self) -> Catalog:
        """All node types on offer."""
        return self._scenes.catalog

    @property
    def scenes(self) -> list[CanvasScene]:
        """Those of all documents that were looked at."""
        return list(self._scenes)

    def scene_by_id(self, document: str, path: Path = ()) -> CanvasScene | None:
        """The scene of a document, or of a subgraph in it, where it was looked at."""
        return self._scenes.held(document, path)

    def show_document(self, document: Document) -> None:
        """Look at a document, or at the subgraph in it that was looked at last."""
        self.keep_view()
        self._paths[self.document.id] = self.path
        self.document = document
        self.session.activate(document)
        self._look(self._paths.get(document.id, ()))
        self.refresh_documents()
        self.shown.emit()
        self.refresh_soon()

    def enter(self, path: Path) -> None:
        """Look into the subgraph at the end of a path, or as far as there is one; the empty path leaves all of them."""
        self.keep_view()
        self._look(path)
        self.shown.emit()
        self.refresh_soon()

    def _look(self, path: Path) -> None:
        while path and definition_at(self.document.graph, path) is None:
            path = path[:-1]
        self.path = path
        self.scene = self._scenes.of(self.document, path)
        view = self._views.get((self.document.id, path)) if path else self.document.view
        self.view.show_scene(self.scene, view)
        self._show_crumbs()

    def _show_crumbs(self) -> None:
        graph = self.document.graph
        titles = [self.document.title]
        for depth in range(1, len(self.path) + 1):
            id = definition_at(graph, self.path[:depth])
            titles.append((graph.subgraphs[id].title or id) if id is not None else "")
        self.crumbs.show_titles(titles, self._shared() if self.path else "")

    def _shared(self) -> str:
        """How many nodes change with the subgraph that is shown."""
        from studio.graph.subgraphs import count_instances  # not before the first frame

        id = definition_at(self.document.graph, self.path)
        count = count_instances(self.document.graph, id) if id is not None else 0
        return f"{count} linked instances change together" if count > 1 else ""

    def close_document(self, document: Document) -> None:
        """A document goes; another one is shown, an empty one where there is none left."""
        self.keep_view()
        self.session.close(document)
        self.show_document(self.session.active or self.session.new())
        self._scenes.forget(document.id)
        self._paths.pop(document.id, None)
        self._views = {key: view for key, view in self._views.items() if key[0] != document.id}
        self.forgotten.emit(document.id)

    def keep_view(self) -> None:
        """Note where the document is looked at."""
        if self.view.canvas is not self._scenes.held(self.document.id, self.path) or not self.view.isVisible():
            return
        if self.path:
            self._views[self.document.id, self.path] = self.view.looking_at()
        else:
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

    def show_catalog(self, catalog: Catalog) -> None:
        """Other node types are on offer."""
        if self._scenes.loading or catalog.fingerprint != self.catalog.fingerprint:
            self._scenes.show_catalog(catalog)
        self.refresh_soon()

    def show_theme(self, name: str) -> None:
        """Other colours, everywhere."""
        theme = self.theme = load_theme(name)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.setPalette(palette(theme))
            application.setStyleSheet(style_sheet(theme))
        self._scenes.show_theme(theme)
        for part in (self.view, self.top, self.bottom):
            part.show_theme(theme)
        self.dressed.emit()
        self.refresh_soon()

    def complain(self, error: WirelightError) -> None:
        """What went wrong, as a notice."""
        self.notices.tell(str(error), grave=True, topic=f"error:{error.what}", seconds=0 if error.where else 15)

    # Keeping up

    def refresh_soon(self) -> None:
        """Once for all changes of this turn of the event loop."""
        if not self._refresh_timer.isActive() and not self._closing:
            self._refresh_timer.start()

    def _refresh(self) -> None:
        if self.path and definition_at(self.document.graph, self.path) is None:
            self.enter(self.path)
        elif self.path:
            self._show_crumbs()
        self.refresh_documents()
        self.changed.emit()
        self._state_timer.start()

    def _keep_state(self) -> None:
        self.keep_view()
        self.session.save_state()

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
        self.closing.emit()
        self._state_timer.stop()
        self._refresh_timer.stop()
        self.keep_view()
        window = f"{_base64(self.saveGeometry())} {_base64(self.saveState())}"
        # Out of sight at once: a worker may take seconds to finish what it writes.
        self.hide()
        try:
            change_settings(self.places.config, window=window)
        except WirelightError as error:
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


def _area(name: str) -> Qt.DockWidgetArea:
    return Qt.DockWidgetArea.BottomDockWidgetArea if name in _BELOW else Qt.DockWidgetArea.RightDockWidgetArea
