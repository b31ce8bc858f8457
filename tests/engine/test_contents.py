from __future__ import annotations

import os
from pathlib import Path

import pytest

from studio.engine.contents import FileContents


def test_equal_content_has_one_digest_whatever_the_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"same")
    (tmp_path / "c").write_bytes(b"else")
    of = FileContents()
    assert of(str(tmp_path / "a")) == of(str(tmp_path / "b")) != of(str(tmp_path / "c"))


def test_a_change_that_keeps_size_and_modification_time_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    os.utime(file, ns=(1, 10**18))
    of = FileContents()
    before = of(str(file))
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 10**18))
    assert of(str(file)) != before


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    of = FileContents()
    first = of(str(file))
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("read again"))
    assert of(str(file)) == first


def test_a_folder_counts_by_names_and_contents_below_it(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "inside").mkdir(parents=True)
        (tmp_path / name / "inside" / "weights").write_bytes(b"abc")
    of = FileContents()
    assert of(str(tmp_path / "one")) == of(str(tmp_path / "two"))
    (tmp_path / "two" / "inside" / "weights").rename(tmp_path / "two" / "inside" / "other")
    assert of(str(tmp_path / "one")) != of(str(tmp_path / "two"))


def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileContents()(str(tmp_path / "nothing"))
