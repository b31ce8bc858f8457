"""Qt's actions, made from the data of `studio.app.actions`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from studio.app.actions import ACTIONS, Command, Menu, State, actions_of
from studio.app.keymap import Keymap
from studio.window.icons import icon
from studio.window.theme import Theme


class Actions:
    """One `QAction` a command. Keys without Ctrl or Alt work only while the canvas has the focus, so that they can be typed elsewhere."""

    def __init__(
        self, window: QWidget, canvas: QWidget, keymap: Keymap, sets: Sequence[object], state: Callable[[], State]
    ) -> None:
        self._state = state
        self._made: dict[Command, QAction] = {}
        for action in ACTIONS:
            made = QAction(action.title, window)
            keys = keymap.keys(action.id)
            made.setShortcuts([QKeySequence(one) for one in keys])
            plain = any(not ("Ctrl+" in one or "Alt+" in one or (one[:1] == "F" and one[1:].isdigit())) for one in keys)
            made.setShortcutContext(Qt.ShortcutContext.WidgetShortcut if plain else Qt.ShortcutContext.WindowShortcut)
            (canvas if plain else window).addAction(made)
            made.setCheckable(action.checkable)
            made.setToolTip(action.help or action.title)
            made.setStatusTip(action.help)
            made.triggered.connect(_caller(method_of(action.callback, sets)))
            self._made[action.id] = made

    def __getitem__(self, command: Command) -> QAction:
        return self._made[command]

    def refresh(self) -> None:
        """Which of them make sense now."""
        state = self._state()
        for action in ACTIONS:
            self._made[action.id].setEnabled(action.enabled(state))

    def show_theme(self, theme: Theme) -> None:
        """Icons in the theme's colours."""
        for action in ACTIONS:
            if action.icon:
                self._made[action.id].setIcon(icon(action.icon, theme["secondary"], theme["disabled"]))

    def fill(self, bar: QMenuBar, extra: Callable[[Menu, QMenu], None]) -> None:
        """The menus. `extra` may add to each what is no command."""
        for menu in Menu:
            shown = bar.addMenu(str(menu))
            group = None
            for action in actions_of(menu):
                if group is not None and action.group != group:
                    shown.addSeparator()
                group = action.group
                shown.addAction(self._made[action.id])
            extra(menu, shown)
            shown.aboutToShow.connect(self.refresh)
        bar.setMinimumWidth(bar.sizeHint().width())


def method_of(callback: str, sets: Sequence[object]) -> Callable[[], None]:
    """The method of that name. Raises `AttributeError` where none of the command classes has one."""
    for one in sets:
        if hasattr(one, callback):
            found: Callable[[], None] = getattr(one, callback)
            return found
    raise AttributeError(callback)


def _caller(method: Callable[[], None]) -> Callable[[bool], None]:
    return lambda checked: method()
