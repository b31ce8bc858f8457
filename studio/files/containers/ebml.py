"""WebM and Matroska (RFC 8794, RFC 9559): simple tags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from studio.files.containers.limits import MOST_PARTS, read_exactly, text_of

_SEGMENT, _TAGS, _TAG, _SIMPLE, _NAME, _STRING = 0x18538067, 0x1254C367, 0x7373, 0x67C8, 0x45A3, 0x4487
_INSIDE: Final = frozenset({_SEGMENT, _TAGS, _TAG})
_DEEPEST: Final = 6


def is_ebml(head: bytes) -> bool:
    return head.startswith(b"\x1a\x45\xdf\xa3")


def read(file: BinaryIO, size: int) -> dict[str, str]:
    """The texts of all tags; their names, which Matroska writes in capitals, in small letters."""
    texts: dict[str, str] = {}
    _walk(file, 0, size, 0, texts)
    return texts


def _walk(file: BinaryIO, start: int, end: int, depth: int, texts: dict[str, str]) -> None:
    if depth > _DEEPEST:
        return
    for id, begin, stop in _elements(file, start, end):
        if id in _INSIDE:
            _walk(file, begin, stop, depth + 1, texts)
        elif id == _SIMPLE:
            name = text = ""
            for part, at, until in _elements(file, begin, stop):
                if part in (_NAME, _STRING):
                    file.seek(at)
                    held = text_of(read_exactly(file, until - at, "a tag").rstrip(b"\0"))
                    name, text = (held, text) if part == _NAME else (name, held)
            if name and text:
                texts.setdefault(name.lower(), text)


def _elements(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Id, and where the content begins and ends. One of unknown length goes to the end of what it is in."""
    at = start
    for _ in range(MOST_PARTS):
        file.seek(at)
        head = file.read(12)
        id, id_width = _number(head, keep_marker=True)
        length, width = _number(head[id_width:], keep_marker=False)
        if not id_width or not width or at >= end:
            return
        begin = at + id_width + width
        unknown = length == (1 << 7 * width) - 1
        stop = end if unknown else begin + length
        if stop > end:
            return
        yield id, begin, stop
        at = stop


def _number(data: bytes, *, keep_marker: bool) -> tuple[int, int]:
    """A number of variable width and its width; width 0 where there is none."""
    if not data or not data[0]:
        return 0, 0
    width = 9 - data[0].bit_length()
    if len(data) < width:
        return 0, 0
    number = int.from_bytes(data[:width])
    return (number if keep_marker else number & ((1 << 7 * width) - 1)), width
