"""From the command to the event loop and back: what starts before the first frame, what after it, and what ends at the end."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QSocketNotifier, QTimer, Signal
from PySide6.QtWidgets import QApplication

from studio.app.catalog import kept_catalog
from studio.app.runs import Runs
from studio.app.session import Session
from studio.app.settings import Settings, load_settings
from studio.app.supervisor import Supervisor
from studio.app.worker_setup import configure
from studio.graph.errors import WirelightError
from studio.library.places import Places, places
from studio.protocol.channel import Channel
from studio.window.bridge import Bridge
from studio.window.commands.file import STANDARD, template
from studio.window.main_window import MainWindow, theme_name
from studio.window.theme import load_theme, palette, style_sheet, ui_font

OpenChannel = Callable[[], Channel]


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
    application = QApplication(["wirelight"])
    application.setApplicationName("Wirelight")
    application.setDesktopFileName("wirelight")
    application.setStyle("Fusion")
    return application


def dress(application: QApplication, settings: Settings) -> None:
    """Font and colours of the settings."""
    theme = load_theme(theme_name(settings.theme))
    application.setFont(ui_font())
    application.setPalette(palette(theme))
    application.setStyleSheet(style_sheet(theme))


class Studio(QObject):
    """A window with its session, and its worker once the first frame is painted."""

    _journal_refused = Signal(object)

    def __init__(
        self,
        application: QApplication,
        where: Places,
        settings: Settings,
        argv: Sequence[str],
        open_channel: OpenChannel | None = None,
    ) -> None:
        super().__init__()
        self._places = where
        self._open_channel = open_channel
        self._on_first_frame: Callable[[], None] | None = None
        self._ended = False
        self._notifier: QSocketNotifier | None = None
        self._wakeup: tuple[socket.socket, socket.socket] | None = None
        dress(application, settings)
        self.bridge = Bridge(self)
        self.supervisor: Supervisor | None = None
        self.queue: Runs | None = None
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
        self.window.view.viewport().installEventFilter(self)
        self.window.show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() == QEvent.Type.Paint:
            watched.removeEventFilter(self)
            QTimer.singleShot(0, self, self._after_first_frame)
        return False

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
        self._start_worker()
        self._listen_to_signals()

    def _start_worker(self) -> None:
        from studio.library.database import library
        from studio.library.queue import RunQueue

        try:
            queue = RunQueue(library())
        except WirelightError as error:
            self.window.complain(error)
            return
        self.supervisor = Supervisor(self._open_channel or self._process, self.bridge.post)
        self.queue = Runs(queue, self.supervisor)
        progress = self.window.connect_worker(self.supervisor, self.queue)
        self.bridge.arrived.connect(progress.take)
        self.supervisor.start()
        self.queue.go_on()

    def _process(self) -> Channel:
        from studio.protocol.process import ProcessChannel

        return ProcessChannel(configure(load_settings(self._places.config).settings, self._places))

    def _listen_to_signals(self) -> None:
        """Ctrl-C in the terminal closes the window like its own button. Qt's loop is woken through a socket, without a timer."""
        if threading.current_thread() is not threading.main_thread():
            return
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        self._wakeup = reader, writer
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._notifier = notifier = QSocketNotifier(reader.fileno(), QSocketNotifier.Type.Read, self)
        notifier.activated.connect(lambda: reader.recv(64))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: self.window.close())

    def end(self) -> None:
        """All that was started ends: worker, queue, journals, threads."""
        if self._ended:
            return
        self._ended = True
        self.bridge.close()
        if self.supervisor is not None:
            self.supervisor.stop()
        if self.queue is not None:
            self.queue.close()
        self.session.end()
        if self._wakeup is not None and self._notifier is not None:
            self._notifier.setEnabled(False)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for end in self._wakeup:
                end.close()
            self._wakeup = None
