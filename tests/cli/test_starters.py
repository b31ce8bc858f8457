from __future__ import annotations

import re
from pathlib import Path

import pytest

from studio.cli import BAD_INPUT, OK, main


def test_an_unknown_starter_lists_those_there_are(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["starters", "train", "nonsense", "--out", str(tmp_path)]) == BAD_INPUT
    said = capfd.readouterr().err
    assert "nonsense" in said
    assert "picture" in said


@pytest.mark.slow
def test_a_training_goes_on_where_it_was_left(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = ["starters", "train", "preview", "--out", str(tmp_path), "--minutes"]
    assert main([*command, "0.02"]) == OK
    first = _steps(capfd.readouterr().err)
    assert main([*command, "0.04"]) == OK
    assert _steps(capfd.readouterr().err) > first > 0


def _steps(said: str) -> int:
    found = re.search(r"preview done: (\d+) steps", said)
    assert found is not None, said
    return int(found[1])
