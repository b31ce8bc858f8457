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
    DUPLICATE_CONNECTED = "edit.duplicate_connected"
    DELETE = "edit.delete"
    DELETE_AND_HEAL = "edit.delete_and_heal"
    SELECT_ALL = "edit.select_all"
    SELECT_NONE = "edit.select_none"
    SELECT_UPSTREAM = "edit.select_upstream"
    SELECT_DOWNSTREAM = "edit.select_downstream"
    ADD_NODE = "graph.add_node"
    ADD_FRAME = "graph.add_frame"
    ADD_NOTE = "graph.add_note"
    BYPASS = "graph.bypass"
    MUTE = "graph.mute"
    COLLAPSE = "graph.collapse"
    RENAME = "graph.rename"
    EXTRACT = "graph.extract"
    CHANGE_TYPE = "graph.change_type"
    SWAP_INPUTS = "graph.swap_inputs"
    MAKE_SUBGRAPH = "subgraph.make"
    UNPACK_SUBGRAPH = "subgraph.unpack"
    ENTER_SUBGRAPH = "subgraph.enter"
    LEAVE_SUBGRAPH = "subgraph.leave"
    SEPARATE_SUBGRAPH = "subgraph.separate"
    TIDY = "arrange.tidy"
    ALIGN_LEFT = "arrange.left"
    ALIGN_CENTER = "arrange.center"
    ALIGN_RIGHT = "arrange.right"
    ALIGN_TOP = "arrange.top"
    ALIGN_MIDDLE = "arrange.middle"
    ALIGN_BOTTOM = "arrange.bottom"
    DISTRIBUTE_ACROSS = "arrange.across"
    DISTRIBUTE_DOWN = "arrange.down"
    PIN = "arrange.pin"
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
    ARRANGE = "Arrange"
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
    selected_subgraphs: int = 0
    inside: bool = False
    """Whether a subgraph is looked into."""
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


def several_nodes_selected(state: State) -> bool:
    return state.selected_nodes > 1


def many_nodes_selected(state: State) -> bool:
    return state.selected_nodes > 2


def one_subgraph_selected(state: State) -> bool:
    return state.selected_nodes == 1 and state.selected_subgraphs == 1


def is_inside(state: State) -> bool:
    return state.inside


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
    Action(Command.DUPLICATE_CONNECTED, "Duplicate with links", "duplicate_connected", Menu.EDIT, has_selected_nodes, 1,
           help="The copies are fed by what feeds the originals."),
    Action(Command.DELETE, "Delete", "delete", Menu.EDIT, has_selection, 1),
    Action(Command.DELETE_AND_HEAL, "Delete and heal", "delete_and_heal", Menu.EDIT, has_selected_nodes, 1,
           help="The wires that went through the nodes are joined again."),
    Action(Command.SELECT_ALL, "Select all", "select_all", Menu.EDIT, has_nodes, 2),
    Action(Command.SELECT_NONE, "Select nothing", "select_none", Menu.EDIT, has_selection, 2),
    Action(Command.SELECT_UPSTREAM, "Select what it needs", "select_upstream", Menu.EDIT, has_selected_nodes, 2,
           help="All nodes that feed the selected ones, however far away."),
    Action(Command.SELECT_DOWNSTREAM, "Select what needs it", "select_downstream", Menu.EDIT, has_selected_nodes, 2,
           help="All nodes that the selected ones feed, however far away."),
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
    Action(Command.EXTRACT, "Take out of its wires", "extract", Menu.GRAPH, has_selected_nodes, 2,
           help="The wires close behind the nodes, which stay."),
    Action(Command.CHANGE_TYPE, "Change into…", "change_type", Menu.GRAPH, has_selected_nodes, 2,
           help="A node of another type, with the wires and values that fit."),
    Action(Command.SWAP_INPUTS, "Swap inputs", "swap_inputs", Menu.GRAPH, one_node_selected, 2,
           help="The first two inputs of a type change places."),
    Action(Command.MAKE_SUBGRAPH, "Make subgraph…", "make_subgraph", Menu.GRAPH, has_selected_nodes, 3,
           help="One node that stands for the selected ones."),
    Action(Command.ENTER_SUBGRAPH, "Enter subgraph", "enter_subgraph", Menu.GRAPH, one_subgraph_selected, 3,
           help="Look inside. What is changed there changes in all its instances."),
    Action(Command.LEAVE_SUBGRAPH, "Leave subgraph", "leave_subgraph", Menu.GRAPH, is_inside, 3),
    Action(Command.UNPACK_SUBGRAPH, "Unpack subgraph", "unpack_subgraph", Menu.GRAPH, one_subgraph_selected, 3,
           help="Its nodes in its place."),
    Action(Command.SEPARATE_SUBGRAPH, "Make independent", "separate_subgraph", Menu.GRAPH, one_subgraph_selected, 3,
           help="A definition of its own: changes of the other instances no longer reach it."),
    Action(Command.TIDY, "Tidy", "tidy", Menu.ARRANGE, has_nodes,
           help="In columns, from left to right, with few crossings: the selected nodes, or all."),
    Action(Command.ALIGN_LEFT, "Line up left", "align_left", Menu.ARRANGE, several_nodes_selected, 1),
    Action(Command.ALIGN_CENTER, "Line up at the center", "align_center", Menu.ARRANGE, several_nodes_selected, 1),
    Action(Command.ALIGN_RIGHT, "Line up right", "align_right", Menu.ARRANGE, several_nodes_selected, 1),
    Action(Command.ALIGN_TOP, "Line up at the top", "align_top", Menu.ARRANGE, several_nodes_selected, 2),
    Action(Command.ALIGN_MIDDLE, "Line up at the middle", "align_middle", Menu.ARRANGE, several_nodes_selected, 2),
    Action(Command.ALIGN_BOTTOM, "Line up at the bottom", "align_bottom", Menu.ARRANGE, several_nodes_selected, 2),
    Action(Command.DISTRIBUTE_ACROSS, "Equal gaps across", "distribute_across", Menu.ARRANGE, many_nodes_selected, 3),
    Action(Command.DISTRIBUTE_DOWN, "Equal gaps down", "distribute_down", Menu.ARRANGE, many_nodes_selected, 3),
    Action(Command.PIN, "Pin in place", "pin", Menu.ARRANGE, has_selected_nodes, 4,
           help="Neither a drag nor tidying moves the nodes, until they are unpinned."),
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
