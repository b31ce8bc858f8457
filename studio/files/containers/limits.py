"""Bounds for what files of strangers state, and the error for those that cannot be."""

from __future__ import annotations

import zlib
from typing import BinaryIO, Final

from studio.files.json_text import MOST_BYTES

MOST_PARTS: Final = 100_000
"""Chunks, boxes, tags or entries of one file that are looked at."""


class Damaged(Exception):
    """What a file states cannot be. The text says what, without a full stop."""


def read_exactly(file: BinaryIO, length: int, what: str) -> bytes:
    """The next bytes. Raises `Damaged` where the file ends before, or where they would be more than any workflow has."""
    if length > MOST_BYTES:
        raise Damaged(f"{what} is larger than {MOST_BYTES // 2**20} MB")
    data = file.read(length)
    if len(data) < length:
        raise Damaged(f"it ends within {what}")
    return data


def unpack(data: bytes, what: str) -> bytes:
    """What zlib packed, up to the size that a workflow may have. Raises `Damaged`."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise Damaged(f"{what} cannot be unpacked ({error})") from None
    if unpacker.unconsumed_tail:
        raise Damaged(f"{what} is larger than {MOST_BYTES // 2**20} MB when it is unpacked")
    if not unpacker.eof:
        raise Damaged(f"{what} is cut off")
    return text


def text_of(data: bytes) -> str:
    """A text in UTF-8, else in Latin-1, which takes every byte."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
