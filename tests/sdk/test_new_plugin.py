"""`wirelight new-plugin` makes a plugin that runs and passes its own test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from studio.graph.errors import Misuse, WriteFailed
from studio.sdk.new_plugin import create_plugin
from studio.sdk.plugin_loading import load_plugins
from studio.sdk.registry import Registry


def test_a_new_plugin_loads_and_passes_its_own_test(tmp_path: Path) -> None:
    folder = create_plugin("film-grain", tmp_path)
    assert folder == tmp_path / "film-grain"
    registry = Registry()
    assert load_plugins(registry, ["film-grain"], [tmp_path], installed=False) == []
    assert [one.spec.type for one in registry] == ["film-grain/Posterize"]
    written = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert not [path for path in written if "my-plugin" in path.read_text("utf-8")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("name", ["", "Film", "film grain", "../film", "-film", "film-", "1film", "a" * 61])
def test_a_name_that_no_plugin_has_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misuse, match="cannot name a plugin"):
        create_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    create_plugin("film", tmp_path)
    (tmp_path / "film" / "nodes.py").write_text("mine")
    with pytest.raises(Misuse, match="already"):
        create_plugin("film", tmp_path)
    assert (tmp_path / "film" / "nodes.py").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WriteFailed, match="cannot be written"):
        create_plugin("film", tmp_path / "file")
