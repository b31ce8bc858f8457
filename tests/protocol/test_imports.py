"""The window's process imports the seam before or right after its first frame: it has to be cheap, and free of what the worker owns."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "numpy",
    "torch",
    "pydantic",
    "asyncio",
    "multiprocessing",
    "concurrent",
    "PySide6",
    "psutil",
    "studio.sdk",
    "nodes",
)


@pytest.mark.parametrize("module", ["studio.protocol.process", "studio.protocol.catalog_file", "studio.app.supervisor"])
def test_the_seam_is_light(module: str) -> None:
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert loaded == []


def test_the_supervisor_starts_no_process_before_it_is_asked_to() -> None:
    code = "import sys, studio.app.supervisor; print('subprocess' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
