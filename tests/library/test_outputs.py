from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.graph.errors import FileProblem
from studio.library.database import Database
from studio.library.outputs import Output, Outputs, Presence


@pytest.fixture
def outputs(tmp_path: Path) -> Iterator[Outputs]:
    database = Database(tmp_path / "library.db")
    yield Outputs(database)
    database.close()


def picture(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(name.encode())
    return path


def test_the_newest_come_first_with_all_that_is_known(tmp_path: Path, outputs: Outputs) -> None:
    first = outputs.add(
        Output(
            picture(tmp_path, "ä.png"),
            "image",
            "run-1",
            "Small",
            "save",
            2**63 - 1,
            12.5,
            {"prompt": "a cat", "size": [1, 2]},
        )
    )
    second = outputs.add(Output(picture(tmp_path, "b.wav"), "audio", run="run-1"))
    third = outputs.add(Output(picture(tmp_path, "c.png")))
    assert outputs.newest() == (third, second, first)
    assert outputs.of_run("run-1") == (first, second)
    assert first.seed == 2**63 - 1
    assert second.created > first.created
    assert outputs.at(tmp_path / "ä.png") == first
    assert outputs.at(tmp_path / "none.png") is None


def test_a_long_list_is_read_page_by_page(tmp_path: Path, outputs: Outputs) -> None:
    made = [outputs.add(Output(picture(tmp_path, f"{at}.png"))) for at in range(10)]
    for at in (9, 8, 7, 3):
        made[at].path.unlink()
    first = outputs.newest(4)
    assert [one.path.stem for one in first] == ["6", "5", "4", "2"]
    assert [one.path.stem for one in outputs.newest(4, before=first[-1].id)] == ["1", "0"]
    assert len(outputs.newest(gone=True)) == 10


def test_files_deleted_or_changed_outside_are_noticed(tmp_path: Path, outputs: Outputs) -> None:
    kept, changed, gone = (outputs.add(Output(picture(tmp_path, name))) for name in ("k", "c", "g"))
    os.utime(changed.path, (1, 1))
    gone.path.unlink()
    assert [(one.path.name, one.presence) for one in outputs.newest(gone=True)] == [
        ("g", Presence.GONE),
        ("c", Presence.CHANGED),
        ("k", Presence.THERE),
    ]
    assert kept in outputs.newest()
    outputs.forget([gone.id, changed.id])
    assert outputs.newest(gone=True) == (kept,)
    assert changed.path.exists()


def test_a_file_written_again_is_one_output(tmp_path: Path, outputs: Outputs) -> None:
    outputs.add(Output(picture(tmp_path, "a"), run="old"))
    other = outputs.add(Output(picture(tmp_path, "b")))
    again = outputs.add(Output(picture(tmp_path, "a"), run="new"))
    assert outputs.newest() == (again, other)
    assert outputs.of_run("old") == ()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, outputs: Outputs) -> None:
    with pytest.raises(FileProblem, match=r"none\.png: The output is not there"):
        outputs.add(Output(tmp_path / "none.png"))
