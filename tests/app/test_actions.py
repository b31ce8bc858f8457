"""Actions and keys: every command is reachable, and no key means two things."""

from __future__ import annotations

import pytest

from studio.app.actions import ACTIONS, Command, Menu, State, action, actions_of
from studio.app.keymap import DEFAULT_KEYS, Keymap, normal
from studio.app.settings import KeymapPreset, Settings
from studio.graph.errors import Misuse


def test_every_command_is_an_action_in_a_menu_once() -> None:
    assert sorted(one.id for one in ACTIONS) == sorted(Command)
    assert sum(len(actions_of(menu)) for menu in Menu) == len(ACTIONS)
    assert len({one.callback for one in ACTIONS}) == len(ACTIONS)
    assert all(one.callback.isidentifier() for one in ACTIONS)


def test_nothing_needs_a_document_where_there_is_none() -> None:
    offered = {one.id for one in ACTIONS if one.enabled(State())}
    assert {Command.NEW, Command.OPEN, Command.QUIT, Command.PALETTE} <= offered
    assert not offered & {Command.SAVE, Command.UNDO, Command.RUN, Command.PASTE, Command.DELETE, Command.CANCEL}


def test_what_is_offered_follows_the_state() -> None:
    idle = State(documents=1, nodes=3, worker=True)
    running = State(documents=1, nodes=3, worker=True, running=True)
    paused = State(documents=1, nodes=3, worker=True, running=True, paused=True)
    assert not action("run.cancel").enabled(idle)
    assert action("run.cancel").enabled(running)
    assert action("run.pause").enabled(running)
    assert not action("run.pause").enabled(paused)
    assert action("run.resume").enabled(paused)
    assert action("run.run").enabled(running), "a second run waits in the queue"


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(Misuse):
        action("file.explode")


@pytest.mark.parametrize("preset", KeymapPreset)
def test_no_preset_has_two_commands_on_one_key(preset: KeymapPreset) -> None:
    assert Keymap(preset).clashes() == []


def test_default_keys_are_written_in_the_one_way() -> None:
    assert all(normal(keys) == keys for several in DEFAULT_KEYS.values() for keys in several)


def test_own_keys_go_before_the_preset() -> None:
    keymap = Keymap(KeymapPreset.BLENDER, {"graph.add_node": ["ctrl+shift+n"], "run.run": []})
    assert keymap.keys(Command.ADD_NODE) == ("Ctrl+Shift+N",)
    assert keymap.keys(Command.RUN) == ()
    assert keymap.keys(Command.DUPLICATE) == ("Shift+D",)
    assert [(one.keys, one.first, one.second) for one in keymap.clashes()] == [
        ("Ctrl+Shift+N", Command.ADD_NODE, Command.ADD_NOTE)
    ]


def test_keys_find_their_command_however_they_are_written() -> None:
    assert Keymap().command("shift+ctrl+z") is Command.REDO
    assert Keymap().command("Ctrl++") is Command.ZOOM_IN
    assert Keymap().command("Ctrl+Alt+9") is None


def test_keys_of_a_later_version_are_passed_over() -> None:
    keymap = Keymap.of(Settings(keys={"view.hologram": ("H",), "run.run": ("F5",)}))
    assert keymap.keys(Command.RUN) == ("F5",)


@pytest.mark.parametrize("keys", ["", "Ctrl+", "Hyper+A", "Ctrl", "++", "Ctrl+Shift"])
def test_what_are_no_keys_is_refused(keys: str) -> None:
    with pytest.raises(Misuse):
        normal(keys)
