"""From the command to the event loop and back: what starts before the first frame, what after it, and what ends at the end."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication

from studio.app.catalog import kept_catalog
from studio.app.session import Session
from studio.app.settings import Settings, load_settings
from studio.graph.errors import WirelightError
from studio.library.places import Places, places
from studio.window.main_window import MainWindow, theme_name
from studio.window.templates import STANDARD, template
from studio.window.theme import load_theme, palette, style_sheet, ui_font

if TYPE_CHECKING:
    from studio.window.desk import Desk
    from studio.window.signals import Signals
    from studio.window.worker_link import OpenChannel, WorkerLink


def run_application(
    argv: Sequence[str],
    on_first_frame: Callable[[], None] | None = None,
    open_channel: OpenChannel | None = None,
) -> int:
    """The window's whole life. `open_channel` starts a worker; without it a process of our own."""
    application = make_application()
    where = places()
    loaded = load_settings(where.config)
    studio = Studio(application, where, loaded.settings, argv, open_channel)
    if loaded.message:
        studio.window.notices.tell(loaded.message)
    studio.open(on_first_frame)
    return application.exec()


def make_application() -> QApplication:
    """Qt's application in our dress; the one that there is already, where there is one."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    # The style is an argument and no call: a call that gives a `QStyle` back makes PySide look at every style there is.
    application = QApplication(["wirelight", "-style", "fusion"])
    application.setApplicationName("Wirelight")
    application.setDesktopFileName("wirelight")
    return application


def dress(application: QApplication, settings: Settings) -> None:
    """Font and colours of the settings."""
    theme = load_theme(theme_name(settings.theme))
    application.setFont(ui_font())
    application.setPalette(palette(theme))
    application.setStyleSheet(style_sheet(theme))


class Studio(QObject):
    """A window with its session; its desk and its worker once the first frame is painted."""

    _journal_refused = Signal(object)

    def __init__(
        self,
        application: QApplication,
        where: Places,
        settings: Settings,
        argv: Sequence[str] = (),
        open_channel: OpenChannel | None = None,
    ) -> None:
        super().__init__()
        self._places = where
        self._open_channel = open_channel
        self._on_first_frame: Callable[[], None] | None = None
        self._ended = False
        self._signals: Signals | None = None
        self.desk: Desk | None = None
        self.link: WorkerLink | None = None
        dress(application, settings)
        # The journal's own thread may report, so that this goes through a signal.
        self.session = Session.start(where.data / "sessions", on_problem=self._journal_refused.emit)
        problems = self._open_first(argv)
        self.window = MainWindow(self.session, settings, where, kept_catalog(where))
        self._journal_refused.connect(self.window.complain)
        for notice in self.session.notices:
            self.window.notices.tell(notice.text)
        for problem in problems:
            self.window.complain(problem)
        self.window.when_closed(self.end)

    def open(self, on_first_frame: Callable[[], None] | None = None) -> None:
        """Show the window; the rest follows its first frame."""
        self._on_first_frame = on_first_frame
        self.window.view.painted.connect(self._first_paint)
        self.window.show()

    def _first_paint(self) -> None:
        self.window.view.painted.disconnect(self._first_paint)
        QTimer.singleShot(0, self, self._after_first_frame)

    def _open_first(self, argv: Sequence[str]) -> list[WirelightError]:
        """The files asked for; where there is nothing at all, the standard template."""
        problems: list[WirelightError] = []
        for path in argv:
            try:
                self.session.open(Path(path))
            except WirelightError as error:
                problems.append(error)
        if not self.session.documents:
            try:
                self.session.new(template(STANDARD))
            except WirelightError as error:
                problems.append(error)
                self.session.new()
        return problems

    def _after_first_frame(self) -> None:
        if self._on_first_frame is not None:
            self._on_first_frame()
        if self._ended:
            return
        import signal
        import threading

        from studio.window.desk import Desk
        from studio.window.signals import Signals
        from studio.window.worker_link import WorkerLink

        self.desk = Desk(self.window)
        # What was made so far stays to the end: the collector need never look at it again.
        gc.freeze()
        gc.enable()
        try:
            self.link = WorkerLink(self.desk, self._places, self._open_channel)
        except WirelightError as error:
            self.window.complain(error)
        if threading.current_thread() is threading.main_thread():
            self._signals = Signals(self.window.close, (signal.SIGINT, signal.SIGTERM), self)

    def end(self) -> None:
        """All that was started ends: worker, queue, journals, threads."""
        if self._ended:
            return
        self._ended = True
        if self.link is not None:
            self.link.close()
        self.session.end()
        if self._signals is not None:
            self._signals.close()
