"""Plugins are made, listed without running them, and enabled one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.app.settings import load_settings
from studio.cli import BAD_INPUT, OK, main
from studio.library.places import places


def enabled() -> tuple[str, ...]:
    return load_settings(places().config).settings.enabled_plugins


def install(name: str) -> Path:
    """A fresh plugin in the user's plugin folder, which tells whenever its code runs."""
    assert main(["new-plugin", name, "--into", str(places().plugins)]) == OK
    folder = places().plugins / name
    nodes = folder / "nodes.py"
    nodes.write_text(nodes.read_text() + "\nraise SystemExit('code of the plugin has run')\n")
    return folder


def test_a_plugin_is_off_until_it_is_enabled(capsys: pytest.CaptureFixture[str]) -> None:
    install("warm-glow")
    install("cold-glow")
    capsys.readouterr()
    assert main(["plugins", "list", "--json"]) == OK
    listed = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["enabled"], one["broken"]) for one in listed] == [
        ("cold-glow", False, ""),
        ("warm-glow", False, ""),
    ]


def test_enabling_and_disabling_is_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    install("warm-glow")
    assert main(["plugins", "enable", "warm-glow"]) == OK
    assert enabled() == ("warm-glow",)
    assert "with your rights" in capsys.readouterr().out
    assert main(["plugins"]) == OK
    assert "warm-glow  enabled" in capsys.readouterr().out
    assert main(["plugins", "disable", "warm-glow"]) == OK
    assert enabled() == ()


@pytest.mark.parametrize("word", ["enable", "disable"])
def test_a_plugin_that_is_not_there_is_named_with_what_comes_near(
    capsys: pytest.CaptureFixture[str], word: str
) -> None:
    install("warm-glow")
    main(["plugins", "enable", "warm-glow"])
    capsys.readouterr()
    assert main(["plugins", word, "warm-glov"]) == BAD_INPUT
    assert "'warm-glow'" in capsys.readouterr().err


def test_a_broken_plugin_is_listed_with_its_fault_and_cannot_be_enabled(capsys: pytest.CaptureFixture[str]) -> None:
    (install("warm-glow") / "plugin.toml").write_text("[plugin\n")
    capsys.readouterr()
    assert main(["plugins"]) == OK
    assert "TOML" in capsys.readouterr().out
    assert main(["plugins", "enable", "warm-glow"]) == BAD_INPUT
    assert enabled() == ()


def test_one_that_was_enabled_and_is_gone_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    folder = install("warm-glow")
    main(["plugins", "enable", "warm-glow"])
    folder.rename(folder.parent / ".away")
    capsys.readouterr()
    assert main(["plugins"]) == OK
    assert "warm-glow: enabled, but not installed." in capsys.readouterr().out


@pytest.mark.parametrize("name", ["Warm Glow", "../x", ""])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["new-plugin", name, "--into", str(tmp_path / "into")]) == BAD_INPUT
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []
    assert capsys.readouterr().err.startswith("wirelight: ")
