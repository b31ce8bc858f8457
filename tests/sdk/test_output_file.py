"""Output files: never overwritten, never half written, never outside the output folder."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from studio.graph.errors import Misuse, WriteFailed
from studio.sdk.output_file import write_output


def write(folder: Path, name: str = "picture", content: bytes = b"x", suffix: str = ".png") -> Path:
    def fill(file: BinaryIO) -> None:
        file.write(content)

    return write_output(folder, name, suffix, fill)


def test_files_are_numbered_and_none_is_overwritten(tmp_path: Path) -> None:
    names = [write(tmp_path, content=bytes([at])).name for at in range(3)]
    assert names == ["picture-0001.png", "picture-0002.png", "picture-0003.png"]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"\0", b"\1", b"\2"]


def test_numbers_go_on_after_the_highest_whatever_its_kind(tmp_path: Path) -> None:
    (tmp_path / "picture-0041.webp").write_bytes(b"")
    (tmp_path / "picture-old.png").write_bytes(b"")
    (tmp_path / "picture-0099").mkdir()
    (tmp_path / "other-0100.png").write_bytes(b"")
    assert write(tmp_path).name == "picture-0042.png"


def test_a_name_may_hold_folders(tmp_path: Path) -> None:
    assert write(tmp_path, "sea/boats/red") == tmp_path / "sea" / "boats" / "red-0001.png"


@pytest.mark.parametrize(
    "name", ["", "/", "../x", "a/../../x", "/etc/x", "\\x", "~/x", "a:b", "a?", "nul", "com1.txt", "dot.", "x" * 200, "a\0b", "a\nb"]
)  # fmt: skip
def test_names_that_lead_out_or_that_a_system_forbids_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misuse):
        write(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def half(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(WriteFailed, match=r"picture\.png.*No space left") as failed:
        write_output(tmp_path, "picture", ".png", half)
    assert failed.value.mend
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteFailed, match="file"):
        write(tmp_path / "file")


@pytest.mark.parametrize("links", [True, False])
def test_two_writers_at_once_never_take_the_same_name(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `links` off, as on file systems that have none."""
    if not links:

        def refused(*_: object) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(os, "link", refused)
    threads = [
        threading.Thread(target=lambda at=at: [write(tmp_path, content=f"{at} {n}".encode()) for n in range(20)])
        for at in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    contents = {path.read_bytes() for path in tmp_path.iterdir()}
    assert contents == {f"{at} {n}".encode() for at in range(4) for n in range(20)}
