"""What the window can do, as data. Menus, toolbar, palette, key editor and the page of shortcuts are made from `ACTIONS`.

The window resolves `callback` to a method of its own; a test of the window checks that each one exists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from studio.graph.errors import Misuse


class Command(StrEnum):
    """The id of an action, stable: keymaps name it."""

    NEW = "file.new"
    OPEN = "file.open"
    SAVE = "file.save"
    SAVE_AS = "file.save_as"
    CLOSE = "file.close"
    REOPEN = "file.reopen"
    OPEN_OUTPUTS = "file.open_outputs"
    QUIT = "file.quit"
    UNDO = "edit.undo"
    REDO = "edit.redo"
    CUT = "edit.cut"
    COPY = "edit.copy"
    PASTE = "edit.paste"
    PASTE_CONNECTED = "edit.paste_connected"
    DUPLICATE = "edit.duplicate"
    DELETE = "edit.delete"
    SELECT_ALL = "edit.select_all"
    SELECT_NONE = "edit.select_none"
    ADD_NODE = "graph.add_node"
    ADD_FRAME = "graph.add_frame"
    ADD_NOTE = "graph.add_note"
    BYPASS = "graph.bypass"
    MUTE = "graph.mute"
    COLLAPSE = "graph.collapse"
    RENAME = "graph.rename"
    RUN = "run.run"
    RUN_TO_HERE = "run.to_here"
    CANCEL = "run.cancel"
    CANCEL_ALL = "run.cancel_all"
    PAUSE = "run.pause"
    RESUME = "run.resume"
    RESTART_WORKER = "run.restart_worker"
    FIT_ALL = "view.fit_all"
    FIT_SELECTION = "view.fit_selection"
    ZOOM_IN = "view.zoom_in"
    ZOOM_OUT = "view.zoom_out"
    ZOOM_RESET = "view.zoom_reset"
    SHOW_VIEWER = "view.viewer"
    SHOW_INSPECTOR = "view.inspector"
    SHOW_LOG = "view.log"
    SHOW_QUEUE = "view.queue"
    RESET_LAYOUT = "view.reset_layout"
    FULL_SCREEN = "view.full_screen"
    PALETTE = "help.palette"
    SHORTCUTS = "help.shortcuts"
    ABOUT = "help.about"


class Menu(StrEnum):
    """The menus, in their order."""

    FILE = "File"
    EDIT = "Edit"
    GRAPH = "Graph"
    RUN = "Run"
    VIEW = "View"
    HELP = "Help"


@dataclass(frozen=True, slots=True)
class State:
    """What the window knows about itself, as far as actions ask."""

    documents: int = 0
    nodes: int = 0
    selected: int = 0
    """Nodes, frames and notes that are selected."""
    selected_nodes: int = 0
    can_undo: bool = False
    can_redo: bool = False
    clipboard: bool = False
    closed: bool = False
    """Whether a closed document can come back."""
    running: bool = False
    paused: bool = False
    queued: int = 0
    worker: bool = False
    """Whether a worker is ready or on its way."""


Enabled = Callable[[State], bool]


def always(state: State) -> bool:
    return True


def has_document(state: State) -> bool:
    return state.documents > 0


def has_nodes(state: State) -> bool:
    return state.nodes > 0


def has_selection(state: State) -> bool:
    return state.selected > 0


def has_selected_nodes(state: State) -> bool:
    return state.selected_nodes > 0


def one_node_selected(state: State) -> bool:
    return state.selected_nodes == 1


def can_undo(state: State) -> bool:
    return state.can_undo


def can_redo(state: State) -> bool:
    return state.can_redo


def can_paste(state: State) -> bool:
    return state.documents > 0 and state.clipboard


def can_reopen(state: State) -> bool:
    return state.closed


def is_busy(state: State) -> bool:
    return state.running or state.queued > 0


def can_pause(state: State) -> bool:
    return state.running and not state.paused


def is_paused(state: State) -> bool:
    return state.paused


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do. `callback` is the name of the window's method; `icon` is a file's stem in `resources/icons`, or empty.

    `group` separates entries of a menu: a line is drawn where it changes. `checkable` actions show a state that the window knows.
    """

    id: Command
    title: str
    callback: str
    menu: Menu
    enabled: Enabled = always
    group: int = 0
    icon: str = ""
    checkable: bool = False
    help: str = ""


ACTIONS: Final[tuple[Action, ...]] = (
    Action(Command.NEW, "New", "new_document", Menu.FILE, icon="new",
           help="A new workflow from the standard template."),
    Action(Command.OPEN, "Open…", "open_file", Menu.FILE, icon="open",
           help="A workflow file, or a picture with its workflow inside."),
    Action(Command.REOPEN, "Reopen closed", "reopen_closed", Menu.FILE, can_reopen,
           help="The workflow that was closed last, saved or not."),
    Action(Command.SAVE, "Save", "save", Menu.FILE, has_document, 1, "save"),
    Action(Command.SAVE_AS, "Save as…", "save_as", Menu.FILE, has_document, 1),
    Action(Command.OPEN_OUTPUTS, "Show output folder", "open_outputs", Menu.FILE, always, 2, "folder"),
    Action(Command.CLOSE, "Close", "close_document", Menu.FILE, has_document, 3),
    Action(Command.QUIT, "Quit", "quit", Menu.FILE, always, 3,
           help="Everything that is open comes back at the next start."),
    Action(Command.UNDO, "Undo", "undo", Menu.EDIT, can_undo, icon="undo"),
    Action(Command.REDO, "Redo", "redo", Menu.EDIT, can_redo, icon="redo"),
    Action(Command.CUT, "Cut", "cut", Menu.EDIT, has_selection, 1),
    Action(Command.COPY, "Copy", "copy", Menu.EDIT, has_selection, 1),
    Action(Command.PASTE, "Paste", "paste", Menu.EDIT, can_paste, 1),
    Action(Command.PASTE_CONNECTED, "Paste with links", "paste_connected", Menu.EDIT, can_paste, 1,
           help="Links from nodes that were not copied are made again."),
    Action(Command.DUPLICATE, "Duplicate", "duplicate", Menu.EDIT, has_selection, 1),
    Action(Command.DELETE, "Delete", "delete", Menu.EDIT, has_selection, 1),
    Action(Command.SELECT_ALL, "Select all", "select_all", Menu.EDIT, has_nodes, 2),
    Action(Command.SELECT_NONE, "Select nothing", "select_none", Menu.EDIT, has_selection, 2),
    Action(Command.ADD_NODE, "Add node…", "add_node", Menu.GRAPH, has_document, icon="add",
           help="Search by name, by what it does, or by what it takes."),
    Action(Command.ADD_FRAME, "Frame", "add_frame", Menu.GRAPH, has_document,
           help="A titled frame around the selected nodes."),
    Action(Command.ADD_NOTE, "Note", "add_note", Menu.GRAPH, has_document),
    Action(Command.RENAME, "Rename…", "rename", Menu.GRAPH, one_node_selected, 1),
    Action(Command.BYPASS, "Bypass", "bypass", Menu.GRAPH, has_selected_nodes, 1,
           help="The node hands on what it gets."),
    Action(Command.MUTE, "Mute", "mute", Menu.GRAPH, has_selected_nodes, 1,
           help="Neither the node nor what needs it runs."),
    Action(Command.COLLAPSE, "Collapse", "collapse", Menu.GRAPH, has_selected_nodes, 1),
    Action(Command.RUN, "Run", "run", Menu.RUN, has_nodes, icon="run"),
    Action(Command.RUN_TO_HERE, "Run to here", "run_to_here", Menu.RUN, has_selected_nodes,
           help="Only the selected nodes and what they need."),
    Action(Command.CANCEL, "Cancel", "cancel", Menu.RUN, is_busy, icon="cancel"),
    Action(Command.CANCEL_ALL, "Cancel all", "cancel_all", Menu.RUN, is_busy,
           help="The run that is on, and all that wait."),
    Action(Command.PAUSE, "Pause", "pause", Menu.RUN, can_pause, 1, "pause"),
    Action(Command.RESUME, "Resume", "resume", Menu.RUN, is_paused, 1, "resume"),
    Action(Command.RESTART_WORKER, "Restart worker", "restart_worker", Menu.RUN, always, 2,
           help="Ends a worker that does not answer, and starts another."),
    Action(Command.FIT_ALL, "Fit all", "fit_all", Menu.VIEW, has_nodes, icon="fit"),
    Action(Command.FIT_SELECTION, "Fit selection", "fit_selection", Menu.VIEW, has_selection),
    Action(Command.ZOOM_IN, "Zoom in", "zoom_in", Menu.VIEW, has_document, 1),
    Action(Command.ZOOM_OUT, "Zoom out", "zoom_out", Menu.VIEW, has_document, 1),
    Action(Command.ZOOM_RESET, "Actual size", "zoom_reset", Menu.VIEW, has_document, 1),
    Action(Command.SHOW_VIEWER, "Viewer", "show_viewer", Menu.VIEW, always, 2, checkable=True),
    Action(Command.SHOW_INSPECTOR, "Inspector", "show_inspector", Menu.VIEW, always, 2, checkable=True),
    Action(Command.SHOW_LOG, "Log", "show_log", Menu.VIEW, always, 2, checkable=True),
    Action(Command.SHOW_QUEUE, "Queue", "show_queue", Menu.VIEW, always, 2, checkable=True),
    Action(Command.RESET_LAYOUT, "Reset panels", "reset_layout", Menu.VIEW, always, 2,
           help="All panels back where they were at first."),
    Action(Command.FULL_SCREEN, "Full screen", "full_screen", Menu.VIEW, always, 3, checkable=True),
    Action(Command.PALETTE, "All commands…", "show_palette", Menu.HELP, icon="search"),
    Action(Command.SHORTCUTS, "Keyboard shortcuts", "show_shortcuts", Menu.HELP),
    Action(Command.ABOUT, "About Wirelight", "show_about", Menu.HELP),
)  # fmt: skip

_BY_ID: Final = {action.id: action for action in ACTIONS}


def action(id: str) -> Action:
    """The action of that id. Raises `Misuse`."""
    found = _BY_ID.get(Command(id)) if id in Command.__members__.values() else None
    if found is None:
        raise Misuse(f"There is no command '{id}'.")
    return found


def actions_of(menu: Menu) -> tuple[Action, ...]:
    """The entries of a menu, in their order."""
    return tuple(one for one in ACTIONS if one.menu is menu)
