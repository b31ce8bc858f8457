"""What a run wrote is found again."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from studio.graph.graph import NodeId
from studio.library.database import library
from studio.library.outputs import Outputs
from studio.library.places import places
from studio.protocol.messages import RunId
from studio.worker.record import record_output

SAVE = NodeId("save")


def test_a_file_is_recorded_with_the_run_that_made_it(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    record_output(RunId("first"), SAVE, file, "image")
    record_output(RunId("again, from the cache"), SAVE, file, "image")
    (found,) = Outputs(library()).newest()
    assert (found.path, found.run, found.node, found.media) == (file, "first", "save", "image")


def test_a_file_that_was_written_anew_belongs_to_the_new_run(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    record_output(RunId("first"), SAVE, file, "image")
    file.write_bytes(b"another")
    record_output(RunId("second"), SAVE, file, "image")
    assert [one.run for one in Outputs(library()).newest()] == ["second"]


def test_a_record_that_cannot_be_written_is_logged_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    places().data.parent.mkdir(parents=True, exist_ok=True)
    places().data.write_text("a file where the folder should be")
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    with caplog.at_level(logging.WARNING):
        record_output(RunId("first"), SAVE, file, "image")
    assert "a.png" in caplog.text
