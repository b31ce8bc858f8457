"""Plugins as they lie on disk: listed without running their code, a broken one with its reason."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from studio.sdk.plugins import Plugin, list_plugins, read_plugin

GOOD = """
[plugin]
name = "film"
version = "1.2"
title = "Film"
modules = ["nodes"]
future = "a key of a later version"

[requires]
wirelight = ">=0.1"
packages = ["numpy>=1"]

[future]
environment = true
"""


def write(folder: Path, text: str, code: str = "raise SystemExit('code of a plugin was run')") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plugin.toml").write_text(text, "utf-8")
    (folder / "nodes.py").write_text(code, "utf-8")
    (folder / "__init__.py").write_text(code, "utf-8")
    return folder


def test_a_plugin_is_listed_without_being_run(tmp_path: Path) -> None:
    folder = write(tmp_path / "film", GOOD)
    assert list_plugins([tmp_path], installed=False) == [
        Plugin("film", folder, version="1.2", title="Film", modules=("nodes",), program=">=0.1", packages=("numpy>=1",))
    ]


def test_listing_needs_neither_torch_nor_numpy(tmp_path: Path) -> None:
    write(tmp_path / "film", GOOD)
    code = (
        "import sys; from pathlib import Path; from studio.sdk.plugins import list_plugins;"
        "print([one.name for one in list_plugins([Path(sys.argv[1])])]);"
        "print({'numpy', 'torch', 'studio.sdk.authoring'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["['film']", "set()"]


def test_folders_without_plugins_and_folders_that_are_not_there_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    write(tmp_path / ".hidden", GOOD)
    assert list_plugins([tmp_path, tmp_path / "nowhere"], installed=False) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[plugin", "not valid TOML"),
        ("", "'plugin.name' of plugin.toml: it is missing"),
        ("plugin = 3", "no table"),
        ('[plugin]\nname = "My Film"\nversion = "1"\nmodules = ["nodes"]', "no name for a plugin"),
        ('[plugin]\nname = "film"\nmodules = ["nodes"]', "'plugin.version'"),
        ('[plugin]\nname = "film"\nversion = 1.0\nmodules = ["nodes"]', "not a text"),
        ('[plugin]\nname = "film"\nversion = "1"', "no module is named"),
        ('[plugin]\nname = "film"\nversion = "1"\nmodules = "nodes"', "not a list of texts"),
        ('[plugin]\nname = "film"\nversion = "1"\nmodules = ["../evil"]', "is no module"),
        (GOOD.replace(">=0.1", ">=99"), "needs Wirelight >=99; this is 0"),
        (GOOD.replace(">=0.1", "new"), "no range of versions"),
        (GOOD.replace("numpy>=1", "numpy>=99"), r"numpy>=99; version \d"),
        (GOOD.replace("numpy>=1", "surely-not-there"), "surely-not-there; which is not installed"),
        (GOOD.replace("numpy>=1", "what is this"), "is no package"),
    ],
)
def test_a_broken_one_is_listed_with_its_reason_and_the_others_as_ever(tmp_path: Path, text: str, what: str) -> None:
    write(tmp_path / "broken", text)
    write(tmp_path / "good", GOOD.replace("film", "good"))
    broken, good = list_plugins([tmp_path], installed=False)
    assert good.broken is None
    assert broken.broken is not None
    with pytest.raises(type(broken.broken), match=what):
        raise broken.broken
    assert broken.broken.plugin in ("broken", "film")


def test_a_package_that_this_system_does_not_need_is_not_missed(tmp_path: Path) -> None:
    text = GOOD.replace("numpy>=1", "surely-not-there; sys_platform == 'atari'")
    assert read_plugin(write(tmp_path / "film", text)).broken is None


def test_two_plugins_of_one_name_are_both_left_out(tmp_path: Path) -> None:
    write(tmp_path / "one", GOOD)
    write(tmp_path / "two", GOOD)
    (found,) = list_plugins([tmp_path], installed=False)
    assert found.broken is not None
    assert str(tmp_path / "one") in found.broken.what
    assert str(tmp_path / "two") in found.broken.what


def test_the_same_folder_twice_is_one_plugin(tmp_path: Path) -> None:
    write(tmp_path / "film", GOOD)
    (found,) = list_plugins([tmp_path, tmp_path], installed=False)
    assert found.broken is None


def test_an_installed_package_offers_a_plugin_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the plugin is a folder inside the package; the package is not imported."""
    write(tmp_path / "film_package" / "inside", GOOD)
    (tmp_path / "film_package" / "__init__.py").write_text("raise SystemExit('the package was imported')")
    (tmp_path / "film_package-1.2.dist-info").mkdir()
    (tmp_path / "film_package-1.2.dist-info" / "METADATA").write_text("Name: film-package\nVersion: 1.2\n")
    points = "[wirelight.plugins]\nfilm = film_package.inside\ngone = surely_not_there\n"
    (tmp_path / "film_package-1.2.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert [(one.name, one.folder) for one in list_plugins([])] == [("film", tmp_path / "film_package" / "inside")]
    assert "film_package" not in sys.modules
