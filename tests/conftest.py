"""What every test has: a home of its own, no display, no network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder for settings, caches and outputs; nothing of the developer's own is read or written."""
    folder = tmp_path / "home"
    monkeypatch.setenv("WIRELIGHT_HOME", str(folder))
    return folder
