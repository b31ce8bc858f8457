"""The digest of a node's code changes with its own source and with that of what it imports, and with nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.sdk import digest
from studio.sdk.digest import code_digest

FILES = {
    "__init__.py": "",
    "nodes.py": (
        "import os\nfrom .near import (\n    one,\n    two as three,\n)\n"
        "def function() -> int:\n    from probe.late import x\n    return x\n"
    ),
    "near.py": "from probe import far\none = two = 1\n",
    "far.py": "import probe.nodes  # a circle\n",
    "late.py": "x = 1\n",
    "other.py": "y = 1\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "probe"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [one for one in sys.modules if one.partition(".")[0] == "probe"]:
        del sys.modules[name]
    digest.forget()


def function_of(package: Path) -> Callable[..., Any]:
    import importlib

    found: Callable[..., Any] = importlib.import_module("probe.nodes").function
    return found


def test_it_is_the_same_as_long_as_the_code_is(package: Path) -> None:
    before = code_digest(function_of(package))
    digest.forget()
    assert code_digest(function_of(package)) == before


@pytest.mark.parametrize(
    ("file", "counts"),
    [("nodes.py", True), ("near.py", True), ("far.py", True), ("late.py", True), ("other.py", False)],
)
def test_what_is_imported_counts_however_far(package: Path, file: str, counts: bool) -> None:
    before = code_digest(function_of(package))
    (package / file).write_text(FILES[file] + "# changed\n")
    digest.forget()
    assert (code_digest(function_of(package)) != before) is counts


def test_built_in_nodes_depend_on_the_torch_library() -> None:
    import nodes.logic
    import nodes.sample

    digest.forget()
    assert "studio.diffusion.sampling" in digest._imports("nodes.sample")
    assert not [name for name in digest._imports("nodes.logic") if name.startswith("studio.diffusion")]
    assert code_digest(nodes.sample.sample_) != code_digest(nodes.logic.switch)


def test_code_without_a_file_counts_by_its_byte_code() -> None:
    made: dict[str, Any] = {"__name__": "nowhere"}
    exec("def a(): return 1\ndef b(): return 2\ndef c(): return 1", made)
    assert code_digest(made["a"]) != code_digest(made["b"])
    assert code_digest(made["a"]) == code_digest(made["c"])
