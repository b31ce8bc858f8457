"""A family is one file: what the guide shows of Sana is true, and a file beside the others is all that a new one takes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import studio.diffusion.families as folder
from studio.diffusion.families import sana
from studio.resources import resource

NEW = """
from studio.diffusion.families.sana import Sana
from studio.diffusion.family import Detected


class Other(Sana):
    name = "other"
    title = "Another family"

    def detect(self, tensors):
        return Detected(self.name) if "other.weight" in tensors else None


FAMILY = Other()
"""


def test_the_guides_blocks_stand_in_the_file() -> None:
    guide = (resource("docs") / "families.md").read_text(encoding="utf-8")
    assert sana.__file__ is not None
    source = Path(sana.__file__).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        assert block in source, block


def test_a_file_in_the_folder_is_known_by_its_tensors_and_named_to_artists(tmp_path: Path) -> None:
    """In a process of its own, which has another folder of families beside the built-in one."""
    (tmp_path / "other.py").write_text(NEW, encoding="utf-8")
    code = f"""
import studio.diffusion.families as folder
folder.__path__.append({str(tmp_path)!r})
from studio.diffusion.family import detect, families
from studio.diffusion.weights.header import TensorInfo
assert detect({{"other.weight": TensorInfo("F32", (1,))}}).family == "other"
assert families()["other"].title == "Another family"
assert len(families()) > 5
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=Path(folder.__path__[0]).parents[2])
