"""Enabled plugins are imported: each in a package of its own, all of its nodes or none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from studio.sdk import Image
from studio.sdk.plugin_loading import PACKAGE, load_plugins
from studio.sdk.registry import Registry
from studio.sdk.testing import run_node

NODE = """
from __future__ import annotations
from studio.sdk import Image, node
from {helper} import AMOUNT

@node("{name}/Brighten")
def brighten(image: Image) -> Image:
    return (image + AMOUNT).clamped()
"""


def write(folder: Path, name: str, amount: float = 0.5, code: str = "", helper: str = ".helper") -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    toml = f'[plugin]\nname = "{name}"\nversion = "1"\nmodules = ["nodes"]\n'
    (folder / name / "plugin.toml").write_text(toml)
    (folder / name / "nodes.py").write_text(code or NODE.format(name=name, helper=helper))
    (folder / name / "helper.py").write_text(f"AMOUNT = {amount}\n")


def load(folder: Path, *names: str) -> tuple[Registry, list[str]]:
    registry = Registry()
    skipped = load_plugins(registry, names, [folder], installed=False)
    return registry, [str(one) for one in skipped]


def test_only_enabled_plugins_are_imported(tmp_path: Path) -> None:
    write(tmp_path, "one")
    write(tmp_path, "two", code="raise SystemExit('not enabled')")
    registry, skipped = load(tmp_path, "one")
    assert [one.spec.type for one in registry] == ["one/Brighten"]
    assert skipped == []
    assert registry.catalog().specs["one/Brighten"].package == "one"


def test_modules_of_the_same_name_do_not_clash(tmp_path: Path) -> None:
    write(tmp_path, "one", 0.25)
    write(tmp_path, "the-other", 0.75)
    registry, skipped = load(tmp_path, "one", "the-other")
    assert skipped == []
    results = [
        run_node(registry.get(f"{name}/Brighten"), image=Image.of([[0.0]])).mean() for name in ("one", "the-other")
    ]
    assert results == [0.25, 0.75]
    assert "nodes" not in sys.modules or "one" not in str(sys.modules["nodes"].__file__)


def test_a_changed_plugin_is_read_anew_and_gets_another_digest(tmp_path: Path) -> None:
    write(tmp_path, "one", 0.25)
    first = load(tmp_path, "one")[0].get("one/Brighten")
    write(tmp_path, "one", 0.125)
    second = load(tmp_path, "one")[0].get("one/Brighten")
    assert first is not None
    assert second is not None
    assert run_node(second, image=Image.of([[0.0]])).mean() == 0.125
    assert first.spec.code != second.spec.code, "the helper's code counts"


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("def broken(:", r"cannot be read: .*nodes\.py, line 1"),
        ("\n\n1 / 0", r"ZeroDivisionError.*nodes\.py, line 3"),
        ("import surely_not_there", "imports 'surely_not_there', which is not there"),
        ("import sys\nsys.exit(3)", "SystemExit"),
        ("x = 3", "declares no node"),
        ("from studio.sdk import node\n@node('a/B')\ndef bad(x: dict) -> int: ...", r"argument 'x'.*no socket type"),
    ],
)
def test_a_broken_plugin_is_skipped_with_its_reason_and_the_others_load(tmp_path: Path, code: str, what: str) -> None:
    write(tmp_path, "broken", code=code)
    write(tmp_path, "whole")
    registry = Registry()
    (skipped,) = load_plugins(registry, ["broken", "whole"], [tmp_path], installed=False)
    assert skipped.plugin == "broken"
    assert [one.spec.type for one in registry] == ["whole/Brighten"]
    with pytest.raises(type(skipped), match=what):
        raise skipped
    assert not [name for name in sys.modules if name.startswith(f"{PACKAGE}.broken")]


def test_one_that_is_enabled_but_gone_is_named(tmp_path: Path) -> None:
    assert load(tmp_path, "gone")[1] == ["plugin gone: It is enabled, but not there. Install it again, or disable it."]


def test_a_type_that_is_taken_leaves_the_whole_plugin_out(tmp_path: Path) -> None:
    both = "from studio.sdk import node\n@node('own/Fine')\ndef fine() -> int:\n    return 1\n"
    write(tmp_path, "a-first")
    write(tmp_path, "b-second", code=both + "@node('a-first/Brighten')\ndef taken() -> int:\n    return 1\n")
    registry, skipped = load(tmp_path, "a-first", "b-second")
    assert [one.spec.type for one in registry] == ["a-first/Brighten"]
    assert len(skipped) == 1
    assert "a-first/Brighten" in skipped[0]
    assert "comes from a-first" in skipped[0]


def test_a_plugin_may_be_a_package(tmp_path: Path) -> None:
    write(tmp_path, "one", helper=".")
    (tmp_path / "one" / "__init__.py").write_text("AMOUNT = 1.0\n")
    registry, skipped = load(tmp_path, "one")
    assert skipped == []
    assert run_node(registry.get("one/Brighten"), image=Image.of([[0.0]])).mean() == 1.0
