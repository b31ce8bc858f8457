"""The View and Help menus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.app.actions import ACTIONS
from studio.window.dialogs.pages import show_page
from studio.window.picker import Picker, Row

if TYPE_CHECKING:
    from studio.window.desk import Desk


class ViewCommands:
    """Where the canvas looks, and what stands around it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def fit_all(self) -> None:
        self._desk.view.fit(self._desk.scene.content())

    def fit_selection(self) -> None:
        scene = self._desk.scene
        self._desk.view.fit(scene.bounds_of(scene.selected) if scene.selected else scene.content())

    def zoom_in(self) -> None:
        self._desk.view.zoom_by(1.25)

    def zoom_out(self) -> None:
        self._desk.view.zoom_by(0.8)

    def zoom_reset(self) -> None:
        self._desk.view.set_zoom(1.0, None)

    def show_viewer(self) -> None:
        self._desk.toggle_dock("viewer")

    def show_inspector(self) -> None:
        self._desk.toggle_dock("inspector")

    def show_log(self) -> None:
        self._desk.toggle_dock("log")

    def show_queue(self) -> None:
        self._desk.toggle_dock("queue")

    def reset_layout(self) -> None:
        self._desk.window.reset_layout()

    def full_screen(self) -> None:
        window = self._desk.window
        if window.isFullScreen():
            window.showNormal()
        else:
            window.showFullScreen()

    def show_palette(self) -> None:
        desk = self._desk
        desk.commands.refresh()

        def find(text: str) -> list[Row]:
            words = text.lower().split()
            rows = []
            for action in ACTIONS:
                title = action.title.rstrip("\u2026")
                if all(word in f"{title} {action.menu} {action.help}".lower() for word in words):
                    shown = desk.commands[action.id]
                    keys = shown.shortcut().toString()
                    rows.append(Row(f"{action.menu}: {title}", action.id, keys, action.help, enabled=shown.isEnabled()))
            typed = text.lower()
            return sorted(rows, key=lambda row: (not row.enabled, typed not in row.title.lower()))

        picker = Picker(
            desk.theme, find, hint="What do you want to do?", name="All commands", width=480, parent=desk.window
        )
        picker.chosen.connect(lambda command: desk.commands[command].trigger())
        middle = desk.window.mapToGlobal(desk.window.rect().center())
        middle.setX(middle.x() - 240)
        middle.setY(desk.window.mapToGlobal(desk.window.rect().topLeft()).y() + 88)
        picker.open_at(middle)

    def show_shortcuts(self) -> None:
        show_page(self._desk.window, "Keyboard shortcuts", self._shortcuts())

    def show_about(self) -> None:
        from importlib.metadata import version

        from PySide6 import __version__ as pyside

        show_page(
            self._desk.window,
            "About Wirelight",
            f"# Wirelight {version('wirelight')}\n\nA node studio for diffusion models.\n\nPySide6 {pyside}.",
        )

    def _shortcuts(self) -> str:
        lines = ["| | |", "|---|---|"]
        for action in ACTIONS:
            keys = [key.toString() for key in self._desk.commands[action.id].shortcuts()]
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
