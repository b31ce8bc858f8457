"""The View and Help menus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.app.actions import ACTIONS
from studio.window.dialogs.pages import show_page
from studio.window.picker import Picker, Row

if TYPE_CHECKING:
    from studio.window.main_window import MainWindow


class ViewCommands:
    """Where the canvas looks, and what stands around it."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window

    def fit_all(self) -> None:
        self._window.view.fit(self._window.scene.content())

    def fit_selection(self) -> None:
        scene = self._window.scene
        self._window.view.fit(scene.bounds_of(scene.selected) if scene.selected else scene.content())

    def zoom_in(self) -> None:
        self._window.view.zoom_by(1.25)

    def zoom_out(self) -> None:
        self._window.view.zoom_by(0.8)

    def zoom_reset(self) -> None:
        self._window.view.set_zoom(1.0, None)

    def show_viewer(self) -> None:
        self._window.toggle_dock("viewer")

    def show_inspector(self) -> None:
        self._window.toggle_dock("inspector")

    def show_log(self) -> None:
        self._window.toggle_dock("log")

    def show_queue(self) -> None:
        self._window.toggle_dock("queue")

    def reset_layout(self) -> None:
        self._window.reset_layout()

    def full_screen(self) -> None:
        window = self._window
        if window.isFullScreen():
            window.showNormal()
        else:
            window.showFullScreen()

    def show_palette(self) -> None:
        window = self._window
        window.commands.refresh()

        def find(text: str) -> list[Row]:
            words = text.lower().split()
            rows = []
            for action in ACTIONS:
                title = action.title.rstrip("\u2026")
                if all(word in f"{title} {action.menu} {action.help}".lower() for word in words):
                    shown = window.commands[action.id]
                    keys = shown.shortcut().toString()
                    rows.append(Row(f"{action.menu}: {title}", action.id, keys, action.help, enabled=shown.isEnabled()))
            typed = text.lower()
            return sorted(rows, key=lambda row: (not row.enabled, typed not in row.title.lower()))

        picker = Picker(
            window.theme, find, hint="What do you want to do?", name="All commands", width=480, parent=window
        )
        picker.chosen.connect(lambda command: window.commands[command].trigger())
        middle = window.mapToGlobal(window.rect().center())
        middle.setX(middle.x() - 240)
        middle.setY(window.mapToGlobal(window.rect().topLeft()).y() + 88)
        picker.open_at(middle)

    def show_shortcuts(self) -> None:
        show_page(self._window, "Keyboard shortcuts", self._shortcuts())

    def show_about(self) -> None:
        from importlib.metadata import version

        from PySide6 import __version__ as pyside

        show_page(
            self._window,
            "About Wirelight",
            f"# Wirelight {version('wirelight')}\n\nA node studio for diffusion models.\n\nPySide6 {pyside}. Licensed under Apache 2.0.",
        )

    def _shortcuts(self) -> str:
        lines = ["| | |", "|---|---|"]
        for action in ACTIONS:
            keys = [key.toString() for key in self._window.commands[action.id].shortcuts()]
            if keys:
                lines.append(f"| {action.title} | {' or '.join(keys)} |")
        lines += [
            "| Show the selected node in the viewer | 1 to 9 |",
            "| Push the canvas | middle button, or Space and drag |",
            "| Zoom | wheel, or pinch |",
            "| Place freely, without steps | Alt while dragging |",
            "| Give up a drag | Esc |",
        ]
        return "\n".join(lines)
