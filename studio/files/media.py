"""Workflows inside pictures: a PNG carries the workflow file's text in a compressed iTXt chunk (PNG specification 1.2, 11.3.4.5)."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from studio.files.atomic import write_atomically
from studio.files.json_text import MOST_BYTES
from studio.graph.errors import FileProblem, WorkflowUnreadable

KEY: Final = "wirelight"
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_START: Final = KEY.encode() + b"\0"
_MOST_CHUNKS: Final = 1_000_000
_COPY: Final = "Use another copy of the picture."


def read_workflow_text(path: Path | str) -> str | None:
    """The text of the workflow file inside a PNG; None where the file is no PNG or carries none.

    Reads chunk by chunk and no pixels. Raises `WorkflowUnreadable` where the file cannot be read, is cut off before a workflow was
    found, or carries one that is damaged or larger than `MOST_BYTES`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _find(file, path)
    except OSError as error:
        raise WorkflowUnreadable(path, f"The file cannot be read: {error.strerror or error}.") from error


def embed_workflow(png: bytes, text: str) -> bytes:
    """The PNG with the text of a workflow file inside, in place of one that it carried. Raises `ValueError` where `png` is no whole PNG."""
    if not png.startswith(_SIGNATURE):
        raise ValueError("not a PNG")
    parts: list[bytes] = [_SIGNATURE]
    chunk = _text_chunk(text)
    at = len(_SIGNATURE)
    for kind, start, length in _chunks(io.BytesIO(png)):
        end = start + length + 4
        if kind == b"IDAT" and chunk:
            parts.append(chunk)
            chunk = b""
        if not (kind == b"iTXt" and png.startswith(_START, start)):
            parts.append(png[at:end])
        at = end
        if kind == b"IEND":
            return b"".join(parts)
    raise ValueError("a PNG that is cut off")


def write_workflow_into(path: Path | str, text: str) -> None:
    """Put the text of a workflow file into a PNG file, in place of one that it carried.

    Raises `FileProblem` where the file is no whole PNG, and `WriteFailed`.
    """
    path = Path(path)
    try:
        png = path.read_bytes()
    except OSError as error:
        raise FileProblem(path, f"The file cannot be read: {error.strerror or error}.") from error
    try:
        changed = embed_workflow(png, text)
    except ValueError as error:
        raise FileProblem(path, f"This is {error}.", mend="Choose a PNG picture.") from None
    write_atomically(path, changed)


def is_png(path: Path) -> bool:
    """Whether a file begins as a PNG does. False where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False


def _find(file: BinaryIO, path: Path) -> str | None:
    if file.read(len(_SIGNATURE)) != _SIGNATURE:
        return None
    kind = b""
    for kind, start, length in _chunks(file):
        if kind == b"iTXt" and file.read(min(length, len(_START))) == _START:
            if length > MOST_BYTES:
                raise WorkflowUnreadable(path, "The workflow in this picture is too large.", field=KEY)
            file.seek(start)
            return _text(file.read(length), file.read(4), path)
    if kind != b"IEND":
        raise WorkflowUnreadable(path, "The picture is cut off, and its first part carries no workflow.", mend=_COPY)
    return None


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place of the data and length of every chunk that is there whole. The file's position may be moved in between."""
    at = len(_SIGNATURE)
    size = file.seek(0, io.SEEK_END)
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[:4])
        if len(head) < 8 or at + 12 + length > size:
            return
        kind = head[4:]
        yield kind, at + 8, length
        if kind == b"IEND":
            return
        at += 12 + length


def _text(data: bytes, crc: bytes, path: Path) -> str:
    """The text of an iTXt chunk: keyword, 0, compressed or not, method, language, 0, translated keyword, 0, text in UTF-8."""
    if zlib.crc32(b"iTXt" + data).to_bytes(4) != crc:
        raise WorkflowUnreadable(
            path, "The workflow in this picture is damaged: its checksum is wrong.", field=KEY, mend=_COPY
        )
    flags, rest = data[len(_START) : len(_START) + 2], data[len(_START) + 2 :]
    _, _, rest = rest.partition(b"\0")
    _, _, content = rest.partition(b"\0")
    if flags[:1] == b"\1":
        content = _unpacked(content, path)
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise WorkflowUnreadable(path, "The workflow in this picture is no text.", field=KEY, mend=_COPY) from None


def _unpacked(content: bytes, path: Path) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(content, MOST_BYTES)
    except zlib.error as error:
        raise WorkflowUnreadable(
            path, f"The workflow in this picture is damaged: {error}.", field=KEY, mend=_COPY
        ) from None
    if unpacker.unconsumed_tail or not unpacker.eof:
        what = "is too large" if unpacker.unconsumed_tail else "is cut off"
        raise WorkflowUnreadable(path, f"The workflow in this picture {what}.", field=KEY, mend=_COPY)
    return text


def _text_chunk(text: str) -> bytes:
    data = _START + b"\1\0\0\0" + zlib.compress(text.encode(), 6)
    return len(data).to_bytes(4) + b"iTXt" + data + zlib.crc32(b"iTXt" + data).to_bytes(4)
