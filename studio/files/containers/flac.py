"""FLAC (RFC 9639) and Ogg (RFC 3533) with Vorbis comments."""

from __future__ import annotations

from typing import BinaryIO, Final

from studio.files.containers.limits import MOST_PARTS, Damaged, read_exactly, text_of

_COMMENTS: Final = 4
_OGG_HEADS: Final = (b"\x03vorbis", b"OpusTags", b"\x7fFLAC")
_MOST_OGG: Final = 16 * 2**20


def is_flac(head: bytes) -> bool:
    return head.startswith(b"fLaC")


def is_ogg(head: bytes) -> bool:
    return head.startswith(b"OggS")


def read(file: BinaryIO, size: int) -> dict[str, str]:
    """The Vorbis comments, by their names in small letters."""
    file.seek(4)
    for _ in range(MOST_PARTS):
        head = file.read(4)
        if len(head) < 4:
            raise Damaged("the sound ends within its heads")
        length = int.from_bytes(head[1:])
        if head[0] & 0x7F == _COMMENTS:
            return comments(read_exactly(file, length, "its tags"))
        if head[0] & 0x80:
            break
        file.seek(length, 1)
    return {}


def read_ogg(file: BinaryIO, size: int) -> dict[str, str]:
    """The comments of the second packet of the first stream."""
    data = b""
    while len(data) < _MOST_OGG:
        head = file.read(27)
        if len(head) < 27 or head[:4] != b"OggS":
            break
        lengths = file.read(head[26])
        data += file.read(sum(lengths))
        for mark in _OGG_HEADS[:2]:
            at = data.find(mark)
            if at >= 0 and lengths and lengths[-1] < 255:
                return comments(data[at + len(mark) :])
    return {}


def comments(data: bytes) -> dict[str, str]:
    """Names and texts of a block of Vorbis comments; as many as are there whole."""
    texts: dict[str, str] = {}
    at = 4 + int.from_bytes(data[:4], "little")
    count = int.from_bytes(data[at : at + 4], "little")
    at += 4
    for _ in range(min(count, MOST_PARTS)):
        length = int.from_bytes(data[at : at + 4], "little")
        if at + 4 + length > len(data) or len(data) < at + 4:
            break
        name, equals, text = data[at + 4 : at + 4 + length].partition(b"=")
        if equals:
            texts.setdefault(text_of(name).lower(), text_of(text))
        at += 4 + length
    return texts
