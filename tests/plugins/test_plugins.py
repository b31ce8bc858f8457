"""The example plugins: each can be listed, loaded beside the others, and passes its own tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from studio.sdk.plugin_loading import load_plugins
from studio.sdk.plugins import list_plugins
from studio.sdk.registry import load_builtin

FOLDER = Path(__file__).parents[2] / "plugins"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/plugin.toml"))


def test_they_load_beside_the_built_in_nodes() -> None:
    listed = list_plugins([FOLDER], installed=False)
    assert [one.name for one in listed] == NAMES
    assert all(one.title and one.description and one.author for one in listed)
    registry = load_builtin()
    before = len(registry)
    assert load_plugins(registry, NAMES, [FOLDER], installed=False) == []
    added = [one.spec for one in registry][before:]
    assert {one.package for one in added} == set(NAMES)
    assert all(one.doc for one in added)


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_passes_its_own_tests(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=FOLDER / name,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (FOLDER / name / "README.md").is_file()
