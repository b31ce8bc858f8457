from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.graph.errors import Cancelled, FileProblem
from studio.library.database import Database
from studio.library.hashes import Hashes


@pytest.fixture
def hashes(tmp_path: Path) -> Iterator[Hashes]:
    database = Database(tmp_path / "library.db")
    yield Hashes(database)
    database.close()


def test_a_files_hash_is_that_of_its_content(tmp_path: Path, hashes: Hashes) -> None:
    path = tmp_path / "weights"
    path.write_bytes(content := os.urandom(9 * 2**20))
    assert hashes.known(path) is None
    assert hashes.of(path) == hashlib.sha256(content).hexdigest()
    assert hashes.known(path) == hashes.of(path)


def test_it_is_computed_once_for_a_file_that_stays(tmp_path: Path, hashes: Hashes) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    blocks: list[int] = []
    assert hashes.of(path, lambda: blocks.append(1)) == hashes.of(path, lambda: blocks.append(2))
    assert blocks == [1]
    path.write_bytes(b"two")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert hashes.known(path) is None
    assert hashes.of(path) == hashlib.sha256(b"two").hexdigest()


def test_it_can_be_cancelled(tmp_path: Path, hashes: Hashes) -> None:
    def stop() -> None:
        raise Cancelled

    path = tmp_path / "weights"
    path.write_bytes(b"one")
    with pytest.raises(Cancelled):
        hashes.of(path, stop)
    assert hashes.known(path) is None


def test_a_file_that_changes_meanwhile_is_not_kept(tmp_path: Path, hashes: Hashes) -> None:
    path = tmp_path / "download"
    path.write_bytes(b"half")

    def grow() -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(FileProblem, match="changed while it was read"):
        hashes.of(path, lambda: grow() if path.stat().st_size < 20 else None)
    assert hashes.known(path) is None


def test_a_folders_hash_follows_names_and_contents_but_not_its_place(tmp_path: Path, hashes: Hashes) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "unet").mkdir(parents=True)
        (tmp_path / name / "unet" / "config.json").write_text("{}")
        (tmp_path / name / ".cache").write_text(name)
    assert hashes.of(tmp_path / "a") == hashes.of(tmp_path / "b")
    (tmp_path / "b" / "unet" / "more").write_text("")
    assert hashes.of(tmp_path / "a") != hashes.of(tmp_path / "b")


def test_a_missing_file_is_named(tmp_path: Path, hashes: Hashes) -> None:
    with pytest.raises(FileProblem, match="gone: The file cannot be read: No such file"):
        hashes.of(tmp_path / "gone")
