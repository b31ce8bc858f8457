from __future__ import annotations

import contextlib
import io
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from studio.files.json_text import MOST_BYTES
from studio.files.media import KEY, embed_workflow, read_workflow_text, write_workflow_into
from studio.graph.errors import FileProblem, WorkflowUnreadable
from tests.files.pictures import SIGNATURE, chunk, png

TEXT = '{"format": "wirelight", "title": "Größe"}\n'


def carrying(content: bytes, flags: bytes = b"\1\0") -> bytes:
    return chunk(b"iTXt", KEY.encode() + b"\0" + flags + b"\0\0" + content)


def kept(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    return path


def test_other_programs_read_the_text_and_the_same_pixels(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    before = Image.effect_mandelbrot((64, 48), (-2, -1, 1, 1), 50)
    before.save(buffer, "PNG")
    path = kept(tmp_path, embed_workflow(buffer.getvalue(), TEXT * 100))
    with Image.open(path) as after:
        after.load()
        assert after.info[KEY] == TEXT * 100
        assert after.tobytes() == before.tobytes()
    assert path.stat().st_size < len(buffer.getvalue()) + 500
    assert read_workflow_text(path) == TEXT * 100


def test_text_that_another_program_wrote_uncompressed_is_read(tmp_path: Path) -> None:
    assert read_workflow_text(kept(tmp_path, png(carrying(TEXT.encode(), b"\0\0")))) == TEXT


def test_text_behind_the_pixels_is_found_and_replaced(tmp_path: Path) -> None:
    other = chunk(b"iTXt", b"prompt\0\0\0\0\0a cat")
    path = kept(tmp_path, png(other, after=(carrying(zlib.compress(b"old")),)))
    assert read_workflow_text(path) == "old"
    write_workflow_into(path, TEXT)
    assert read_workflow_text(path) == TEXT
    assert path.read_bytes().count(KEY.encode()) == 1
    assert other in path.read_bytes()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text: str) -> None:
    data = embed_workflow(embed_workflow(png(), "earlier"), text)
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        assert picture.info[KEY] == text


def test_other_files_carry_none(tmp_path: Path) -> None:
    for content in (b"", b"\x89PNG", b"GIF89a", TEXT.encode(), png()):
        assert read_workflow_text(kept(tmp_path, content)) is None
        if content != png():
            with pytest.raises(ValueError, match="not a PNG"):
                embed_workflow(content, TEXT)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (png()[:-20], "cut off"),
        (SIGNATURE, "cut off"),
        (SIGNATURE + b"\xff\xff\xff\xffIDAT", "cut off"),
        (
            png(carrying(zlib.compress(TEXT.encode())).replace(b"\0\0\1\0", b"\0\0\1\1")[:-1] + b"!"),
            "checksum is wrong",
        ),
        (png(carrying(b"no zlib stream")), "damaged"),
        (png(carrying(zlib.compress(TEXT.encode())[:-9])), "cut off"),
        (png(carrying(zlib.compress(b"\xff\xfe\xff"))), "is no text"),
        (png(chunk(b"iTXt", KEY.encode() + b"\0")), ""),
    ],
    ids=["no end", "signature alone", "endless chunk", "checksum", "no stream", "half a stream", "no text", "empty"],
)
def test_a_damaged_picture_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    path = kept(tmp_path, data)
    if not words:
        assert read_workflow_text(path) == ""
        return
    with pytest.raises(WorkflowUnreadable, match=words) as caught:
        read_workflow_text(path)
    assert str(path) in str(caught.value)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(MOST_BYTES // 2**20 + 1)) + packer.flush()
    assert len(bomb) < 2**20
    with pytest.raises(WorkflowUnreadable, match="too large"):
        read_workflow_text(kept(tmp_path, png(carrying(bomb))))


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkflowUnreadable, match="No such file"):
        read_workflow_text(tmp_path / "gone.png")
    with pytest.raises(FileProblem, match="No such file"):
        write_workflow_into(tmp_path / "gone.png", TEXT)


def test_nothing_is_written_into_what_is_no_whole_picture(tmp_path: Path) -> None:
    for data in (b"GIF89a", png()[:-5]):
        path = kept(tmp_path, data)
        with pytest.raises(FileProblem, match="PNG"):
            write_workflow_into(path, TEXT)
        assert path.read_bytes() == data


@given(st.data())
def test_damage_anywhere_gives_a_text_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(embed_workflow(png(), TEXT))
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=3)):
        whole[at] = data.draw(st.integers(0, 255))
    path = kept(tmp_path_factory.getbasetemp(), bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    with contextlib.suppress(WorkflowUnreadable):
        read_workflow_text(path)
