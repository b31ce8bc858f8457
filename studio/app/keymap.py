"""Which keys do what. Keys are written as `Ctrl+Shift+Z`; `Ctrl` is the Command key on a Mac."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from studio.app.actions import ACTIONS, Command
from studio.app.settings import KeymapPreset, Settings
from studio.graph.errors import Misuse

Keys = tuple[str, ...]
"""Each of these does the same; the first one is shown in menus."""

DEFAULT_KEYS: Final[Mapping[Command, Keys]] = {
    Command.NEW: ("Ctrl+N",),
    Command.OPEN: ("Ctrl+O",),
    Command.REOPEN: ("Ctrl+Shift+T",),
    Command.SAVE: ("Ctrl+S",),
    Command.SAVE_AS: ("Ctrl+Shift+S",),
    Command.CLOSE: ("Ctrl+W",),
    Command.QUIT: ("Ctrl+Q",),
    Command.UNDO: ("Ctrl+Z",),
    Command.REDO: ("Ctrl+Shift+Z", "Ctrl+Y"),
    Command.CUT: ("Ctrl+X",),
    Command.COPY: ("Ctrl+C",),
    Command.PASTE: ("Ctrl+V",),
    Command.PASTE_CONNECTED: ("Ctrl+Shift+V",),
    Command.DUPLICATE: ("Ctrl+D",),
    Command.DUPLICATE_CONNECTED: ("Ctrl+Shift+D",),
    Command.DELETE: ("Del", "Backspace"),
    Command.DELETE_AND_HEAL: ("Ctrl+Del", "Ctrl+Backspace"),
    Command.SELECT_ALL: ("Ctrl+A",),
    Command.SELECT_NONE: ("Ctrl+Shift+A",),
    Command.SELECT_UPSTREAM: ("Ctrl+Left",),
    Command.SELECT_DOWNSTREAM: ("Ctrl+Right",),
    Command.ADD_NODE: ("Tab",),
    Command.ADD_FRAME: ("Ctrl+G",),
    Command.ADD_NOTE: ("Ctrl+Shift+N",),
    Command.RENAME: ("F2",),
    Command.BYPASS: ("B",),
    Command.MUTE: ("M",),
    Command.COLLAPSE: ("C",),
    Command.EXTRACT: ("X",),
    Command.CHANGE_TYPE: ("T",),
    Command.SWAP_INPUTS: ("S",),
    Command.MAKE_SUBGRAPH: ("Ctrl+E",),
    Command.UNPACK_SUBGRAPH: ("Ctrl+Shift+E",),
    Command.ENTER_SUBGRAPH: ("Ctrl+Down",),
    Command.LEAVE_SUBGRAPH: ("Ctrl+Up",),
    Command.TIDY: ("Ctrl+Shift+L",),
    Command.PIN: ("P",),
    Command.RUN: ("Ctrl+Return", "Ctrl+Enter"),
    Command.RUN_TO_HERE: ("Ctrl+Shift+Return",),
    Command.CANCEL: ("Ctrl+.",),
    Command.PAUSE: ("Ctrl+P",),
    Command.RESUME: ("Ctrl+Alt+P",),
    Command.FIT_ALL: ("Home",),
    Command.FIT_SELECTION: ("F",),
    Command.ZOOM_IN: ("Ctrl++", "Ctrl+="),
    Command.ZOOM_OUT: ("Ctrl+-",),
    Command.ZOOM_RESET: ("Ctrl+0",),
    Command.SHOW_VIEWER: ("V",),
    Command.SHOW_INSPECTOR: ("I",),
    Command.SHOW_LOG: ("L",),
    Command.SHOW_QUEUE: ("Q",),
    Command.FULL_SCREEN: ("F11",),
    Command.PALETTE: ("Ctrl+Shift+P", "Ctrl+K", "F1"),
    Command.SHORTCUTS: ("Ctrl+/",),
}

PRESETS: Final[Mapping[KeymapPreset, Mapping[Command, Keys]]] = {
    KeymapPreset.WIRELIGHT: {},
    KeymapPreset.COMFYUI: {
        Command.BYPASS: ("Ctrl+B",),
        Command.MUTE: ("Ctrl+M",),
        Command.COLLAPSE: ("Alt+C",),
        Command.FIT_SELECTION: (".",),
        Command.SHOW_LOG: ("Ctrl+`",),
    },
    KeymapPreset.BLENDER: {
        Command.ADD_NODE: ("Shift+A", "Tab"),
        Command.DELETE: ("X", "Del"),
        Command.DELETE_AND_HEAL: ("Ctrl+X",),
        Command.CUT: (),
        Command.EXTRACT: ("Alt+D",),
        Command.CHANGE_TYPE: ("Shift+S",),
        Command.SWAP_INPUTS: ("Alt+S",),
        Command.DUPLICATE: ("Shift+D",),
        Command.SELECT_ALL: ("A",),
        Command.SELECT_NONE: ("Alt+A",),
        Command.MUTE: ("M",),
        Command.COLLAPSE: ("H",),
        Command.ADD_FRAME: ("Ctrl+J",),
        Command.PALETTE: ("F3",),
    },
}
"""What a preset has instead of the default keys."""

_MODIFIERS: Final = ("Ctrl", "Alt", "Shift", "Meta")
_SHAPE: Final = re.compile(r"(?P<held>(?:[A-Za-z]+\+)*)(?P<key>[A-Za-z][A-Za-z0-9]*|[^\s])")


@dataclass(frozen=True, slots=True)
class Clash:
    """Two commands on one key: the later one would never be reached."""

    keys: str
    first: Command
    second: Command


class Keymap:
    """The keys in force: the artist's own, else the preset's, else the default ones."""

    def __init__(
        self, preset: KeymapPreset = KeymapPreset.WIRELIGHT, own: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        self._keys: dict[Command, Keys] = {**DEFAULT_KEYS, **PRESETS[preset]}
        for name, keys in (own or {}).items():
            if name not in Command.__members__.values():
                raise Misuse(f"The keymap names '{name}', which is no command.", mend="Take it out of the settings.")
            self._keys[Command(name)] = tuple(normal(one) for one in keys)

    @classmethod
    def of(cls, settings: Settings) -> Keymap:
        """The keymap that the settings ask for; keys of commands that this version lacks are passed over."""
        known = {name: keys for name, keys in settings.keys.items() if name in Command.__members__.values()}
        return cls(settings.keymap, known)

    def keys(self, command: Command) -> Keys:
        """The keys of a command, possibly none."""
        return self._keys.get(command, ())

    def command(self, keys: str) -> Command | None:
        """What these keys do, or None."""
        wanted = normal(keys)
        return next((action.id for action in ACTIONS if wanted in self.keys(action.id)), None)

    def clashes(self) -> list[Clash]:
        """Keys that two commands claim, in the order of the actions."""
        held: dict[str, Command] = {}
        found = []
        for action in ACTIONS:
            for keys in self.keys(action.id):
                first = held.setdefault(keys, action.id)
                if first is not action.id:
                    found.append(Clash(keys, first, action.id))
        return found


def normal(keys: str) -> str:
    """Keys in the one way that we write them: modifiers in a fixed order, letters large. Raises `Misuse`."""
    parts = _SHAPE.fullmatch("".join(keys.split()))
    held = {name.capitalize() for name in parts["held"].split("+")[:-1]} if parts else set()
    key = parts["key"] if parts else ""
    if not parts or not held <= set(_MODIFIERS) or key.capitalize() in _MODIFIERS:
        raise Misuse(f"'{keys}' are no keys.", mend="Write them as Ctrl+Shift+Z.")
    return "+".join([*(one for one in _MODIFIERS if one in held), key[0].upper() + key[1:]])
