"""Shared pictures: whole or not at all, and nobody waits."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.graph.graph import NodeId
from studio.protocol.messages import Picture
from studio.protocol.pictures import PictureMemory


@pytest.fixture
def sides() -> Iterator[tuple[PictureMemory, PictureMemory]]:
    """The window's and the worker's view of one memory."""
    window = PictureMemory.create()
    worker = PictureMemory(os.dup(window.file))
    yield window, worker
    window.close()
    worker.close()


@pytest.mark.parametrize(("width", "height", "channels"), [(1, 1, 3), (7, 5, 4), (640, 480, 3), (1500, 1500, 4)])
def test_pixels_arrive_as_they_were(
    sides: tuple[PictureMemory, PictureMemory], width: int, height: int, channels: int
) -> None:
    window, worker = sides
    pixels = os.urandom(width * height * channels)
    picture = worker.write(pixels, width, height, channels)
    assert picture is not None
    assert (picture.width, picture.height, picture.channels) == (width, height, channels)
    assert window.read(picture) == pixels
    assert window.read(picture) == pixels


def test_a_picture_of_8192_pixels_arrives_and_its_memory_is_given_back(
    sides: tuple[PictureMemory, PictureMemory],
) -> None:
    window, worker = sides
    pixels = bytes(8192 * 8192 * 3)
    picture = worker.write(pixels, 8192, 8192)
    assert picture is not None
    taken = os.fstat(window.file).st_blocks * 512
    worker.tidy()
    assert os.fstat(window.file).st_blocks * 512 == taken, "it was not read yet"
    assert window.read(picture) == pixels
    worker.tidy()
    assert os.fstat(window.file).st_blocks * 512 < taken / 100
    assert window.read(picture) is None


def test_a_larger_picture_is_missed(sides: tuple[PictureMemory, PictureMemory]) -> None:
    assert sides[1].write(bytes(8193 * 8193 * 4), 8193, 8193, 4) is None


def test_pixels_of_another_size_than_said_are_a_mistake(sides: tuple[PictureMemory, PictureMemory]) -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        sides[1].write(bytes(12), 2, 3)


def test_an_overwritten_picture_is_dropped(sides: tuple[PictureMemory, PictureMemory]) -> None:
    window, worker = sides
    first = worker.write(b"abc", 1, 1)
    assert first is not None
    later = [worker.write(b"xyz", 1, 1) for _ in range(100)]
    assert window.read(first) is None
    assert later[-1] is not None
    assert window.read(later[-1]) == b"xyz"


def test_the_writer_learns_what_was_seen(sides: tuple[PictureMemory, PictureMemory]) -> None:
    window, worker = sides
    picture = worker.write(b"abc", 1, 1)
    assert picture is not None
    assert not worker.seen(picture)
    window.read(picture)
    assert worker.seen(picture)


def test_no_picture_is_torn_while_both_sides_are_at_it(sides: tuple[PictureMemory, PictureMemory]) -> None:
    window, worker = sides
    edge = 700
    newest: list[Picture] = []
    over = threading.Event()

    def write() -> None:
        for turn in range(120):
            picture = worker.write(bytes([turn]) * (edge * edge * 3), edge, edge)
            assert picture is not None
            newest.append(picture)
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    read = 0
    while not over.is_set():
        if newest:
            # An old one, so that the writer is about to come around.
            pixels = window.read(newest[max(0, len(newest) - 16)])
            if pixels is not None:
                read += 1
                assert pixels.count(pixels[0]) == len(pixels)
    writer.join()
    assert read
    last = window.read(newest[-1])
    assert last is not None
    assert last[0] == 119


@given(
    st.builds(Picture, st.integers(-9, 99), st.integers(-9, 2**50), *[st.integers(-9, 99_999)] * 2, st.integers(-9, 9))
)
def test_a_picture_that_never_was_is_dropped(picture: Picture) -> None:
    window = PictureMemory.create()
    try:
        assert window.read(picture) is None
    finally:
        window.close()


def test_pictures_of_a_worker_before_are_not_taken_for_new_ones() -> None:
    before, after = PictureMemory.create(), PictureMemory.create()
    old = before.write(b"abc", 1, 1)
    assert old is not None
    after.write(b"xyz", 1, 1)
    assert after.read(old) is None
    before.close()
    after.close()


def test_the_memory_is_private_and_has_no_name() -> None:
    memory = PictureMemory.create()
    status = os.fstat(memory.file)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_nlink == 0
    assert not os.get_inheritable(memory.file)
    memory.close()


def test_the_other_side_cannot_take_pages_away(sides: tuple[PictureMemory, PictureMemory]) -> None:
    if not hasattr(os, "memfd_create"):
        pytest.skip("only Linux can seal a file")
    with pytest.raises(PermissionError):
        os.ftruncate(sides[1].file, 0)


def test_only_written_pictures_take_memory(sides: tuple[PictureMemory, PictureMemory]) -> None:
    assert os.fstat(sides[0].file).st_blocks * 512 < 2**20


def test_the_running_node_is_known_to_the_other_side(sides: tuple[PictureMemory, PictureMemory]) -> None:
    window, worker = sides
    assert window.node() is None
    for name in ("sampler", "upscale/décoder", "x" * 5000):
        worker.set_node(NodeId(name))
        assert window.node() == name[:2000]
    worker.set_node(None)
    assert window.node() is None


def test_a_closed_memory_holds_nothing(sides: tuple[PictureMemory, PictureMemory]) -> None:
    window, worker = sides
    picture = worker.write(b"abc", 1, 1)
    assert picture is not None
    window.close()
    window.close()
    assert window.read(picture) is None
    assert window.node() is None


def test_without_memfd_a_file_without_a_name_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    memory = PictureMemory.create()
    assert list(tmp_path.iterdir()) == []
    assert stat.S_IMODE(os.fstat(memory.file).st_mode) == 0o600
    picture = memory.write(b"abc", 1, 1)
    assert picture is not None
    assert memory.read(picture) == b"abc"
    memory.close()
