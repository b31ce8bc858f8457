from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from studio.graph.errors import FileProblem, WriteFailed
from studio.library.database import MIGRATIONS, Database
from studio.library.outputs import Output, Outputs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "library.db"


def hashes(path: Path) -> list[str]:
    database = Database(path)
    found = [row["sha256"] for row in database.read("SELECT sha256 FROM hashes ORDER BY path")]
    database.close()
    return found


INSERT = "INSERT INTO hashes VALUES (?, 1, 1, ?)"


def kept(path: Path, *names: str) -> None:
    database = Database(path)
    for name in names:
        database.write(INSERT, name.encode(), name)
    database.close()


def test_what_is_written_is_there_after_closing(path: Path) -> None:
    kept(path, "a", "b")
    assert hashes(path) == ["a", "b"]


def test_changes_that_fail_leave_nothing(path: Path) -> None:
    kept(path, "a")
    database = Database(path)

    def change(first: str, second: str) -> None:
        with database.changing() as connection:
            for name in (first, second):
                connection.execute(INSERT, (name.encode(), {"b": "b", "c": "c", "a": "again"}[name]))

    with pytest.raises(KeyError):
        change("b", "neither")
    with pytest.raises(FileProblem, match="UNIQUE"):
        change("c", "a")
    assert database.write(INSERT, b"d", "d") >= 0
    database.close()
    assert hashes(path) == ["a", "d"]


def test_several_threads_may_use_one(path: Path) -> None:
    database = Database(path)

    def work(mark: int) -> None:
        for at in range(25):
            database.write(INSERT, f"{mark}-{at}".encode(), "x")
            database.read("SELECT count(*) FROM hashes")

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    assert len(hashes(path)) == 100


WRITING = """
import sys
from pathlib import Path
from studio.library.database import Database
database = Database(Path(sys.argv[1]))
for at in range(20):
    database.write("INSERT INTO hashes VALUES (?, 1, 1, ?)", f"{sys.argv[2]}-{at}".encode(), "x")
print(database.warning)
"""


def together(path: Path, count: int) -> list[str]:
    """What each of several processes says that open and write the database at once."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITING, path, str(at)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for at in range(count)
    ]
    said = [process.communicate()[0].strip() for process in running]
    assert [process.returncode for process in running] == [0] * count, said
    return said


def test_several_processes_make_and_write_it_at_once(path: Path) -> None:
    assert together(path, 4) == [""] * 4
    assert len(hashes(path)) == 80


def damage_head(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


def damage_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(5000)
        file.write(os.urandom(12000))


@pytest.mark.parametrize("damage", [damage_head, damage_middle])
def test_a_damaged_one_is_set_aside_once_and_begun_anew(path: Path, damage: object) -> None:
    kept(path, *(f"name {at}" for at in range(500)))
    assert callable(damage)
    damage(path)
    damaged = path.read_bytes()
    said = together(path, 3)
    assert sum(map(bool, said)) == 1
    assert "has been begun anew" in max(said)
    assert len(hashes(path)) == 60
    (aside,) = path.parent.glob("library.damaged-*.db")
    assert aside.read_bytes() == damaged
    assert str(aside) in max(said)


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"")
    kept(path, "a")
    assert hashes(path) == ["a"]


def test_one_of_a_later_program_is_left_alone(path: Path) -> None:
    kept(path, "a")
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(FileProblem, match=r"A later Wirelight made this database.*Update Wirelight"):
        Database(path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteFailed, match="file"):
        Database(tmp_path / "file" / "library.db")
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(FileProblem, match=r"folder\.db"):
        Database(tmp_path / "folder.db")


def test_a_folder_that_is_no_utf8_can_be_kept(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("names are always Unicode there")
    database = Database(tmp_path / "library.db")
    odd = tmp_path / os.fsdecode(b"caf\xe9.png")
    odd.write_bytes(b"x")
    Outputs(database).add(Output(odd))
    assert Outputs(database).newest()[0].path == odd
    database.close()
