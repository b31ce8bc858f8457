from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.files.atomic import write_atomically
from studio.graph.errors import WriteFailed

posix = pytest.mark.skipif(os.name == "nt", reason="permissions, links and limits work otherwise there")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_content_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a file.txt"
    write_atomically(path, "first\nsecond é")
    assert path.read_bytes() == "first\nsecond é".encode()
    write_atomically(str(path), b"\x00short")
    assert path.read_bytes() == b"\x00short"
    assert names(tmp_path) == ["a file.txt"]


def test_the_longest_name_that_the_system_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 127)
    write_atomically(path, "x")
    write_atomically(path, "y")
    assert path.read_text() == "y"


@posix
def test_permissions_are_kept_and_new_files_follow_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    before = os.umask(0o027)
    try:
        write_atomically(path, "1")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o604)
    write_atomically(path, "2")
    assert path.stat().st_mode & 0o777 == 0o604


@posix
def test_a_link_stays_and_what_it_points_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "there" / "real.json")
    (tmp_path / "dangling.json").symlink_to(tmp_path / "there" / "new.json")
    write_atomically(tmp_path / "link.json", "new")
    write_atomically(tmp_path / "dangling.json", "made")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "there" / "real.json").read_text() == "new"
    assert (tmp_path / "there" / "new.json").read_text() == "made"
    assert names(tmp_path / "there") == ["new.json", "real.json"]


@posix
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("folder", "There is a folder of that name"),
        ("gone/w.json", "The folder does not exist"),
        ("file/w.json", "A part of the path is a file"),
        ("n" * 300, "The name is too long"),
        ("round", "round in a circle"),
    ],
)
def test_what_cannot_be_written_says_why(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    before = names(tmp_path)
    with pytest.raises(WriteFailed, match=words) as caught:
        write_atomically(tmp_path / name, "x")
    assert caught.value.mend
    assert str(tmp_path / name) in str(caught.value)
    assert names(tmp_path) == before


AS_NOBODY = """
import os, sys
from pathlib import Path
from studio.files.atomic import write_atomically
os.chdir(sys.argv[1])
os.geteuid() or os.setuid(65534)
try:
    write_atomically(Path("w.json"), "new")
except Exception as error:
    print(type(error).__name__, error)
"""
FULL = """
import resource, sys
from pathlib import Path
from studio.files.atomic import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    write_atomically(Path(sys.argv[1]) / "w.json", "n" * 9000)
except Exception as error:
    print(type(error).__name__, error)
"""


def outcome(code: str, folder: Path) -> str:
    return subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True).stdout


@posix
@pytest.mark.parametrize("which", ["folder", "file"])
def test_a_read_only_place_keeps_its_file(tmp_path: Path, which: str) -> None:
    """As another user where this one may write everywhere."""
    (tmp_path / "w.json").write_text("old")
    (tmp_path / "w.json").chmod(0o444 if which == "file" else 0o666)
    tmp_path.chmod(0o555 if which == "folder" else 0o777)
    try:
        assert "WriteFailed w.json: Writing is not permitted there." in outcome(AS_NOBODY, tmp_path)
    finally:
        tmp_path.chmod(0o700)
    assert (tmp_path / "w.json").read_text() == "old"
    assert names(tmp_path) == ["w.json"]


@posix
def test_without_room_the_old_file_stays_whole(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text("old")
    assert "WriteFailed" in (said := outcome(FULL, tmp_path))
    assert "larger than is allowed" in said
    assert (tmp_path / "w.json").read_text() == "old"
    assert names(tmp_path) == ["w.json"]


WRITING = """
import sys
from pathlib import Path
from studio.files.atomic import write_atomically
path = Path(sys.argv[1]) / "w.txt"
for count in range(10**9):
    write_atomically(path, f"{count % 10}" * 300_000)
    print(count, flush=True)
"""


def test_killed_at_any_moment_the_file_is_whole(tmp_path: Path) -> None:
    for attempt in range(8):
        writer = subprocess.Popen([sys.executable, "-c", WRITING, tmp_path], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.003 * attempt)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        content = (tmp_path / "w.txt").read_text()
        assert len(content) == 300_000
        assert len(set(content)) == 1
    assert writer.returncode == -signal.SIGKILL or os.name == "nt"
