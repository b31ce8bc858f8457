"""ISO base media files (ISO 14496-12): MP4, MOV, M4A by their tags in moov/udta/meta, AVIF and HEIC by their Exif and XMP items."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from studio.files.containers import exif, xmp
from studio.files.containers.limits import MOST_PARTS, read_exactly, text_of

_INSIDE: Final = frozenset({b"moov", b"udta", b"trak", b"ilst"})
_COMMENTS: Final = {
    b"\xa9cmt": "comment",
    b"\xa9nam": "title",
    b"\xa9too": "software",
    b"desc": "description",
    b"\xa9des": "description",
}
_DEEPEST: Final = 8
_MOST_META: Final = 80 * 2**20


def is_boxes(head: bytes) -> bool:
    return head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")


def read(file: BinaryIO, size: int) -> dict[str, str]:
    """The texts of the file's tags."""
    texts: dict[str, str] = {}
    _walk(file, 0, size, 0, texts)
    return texts


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, and where the content begins and ends, of each box that is there whole."""
    at = start
    for _ in range(MOST_PARTS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or at + 8 > end:
            return
        length, begin = int.from_bytes(head[:4]), at + 8
        if length == 1:
            length, begin = int.from_bytes(file.read(8)), at + 16
        elif length == 0:
            length = end - at
        if length < begin - at or at + length > end:
            return
        yield head[4:], begin, at + length
        at += length


def _walk(file: BinaryIO, start: int, end: int, depth: int, texts: dict[str, str]) -> None:
    if depth > _DEEPEST:
        return
    for kind, begin, stop in _boxes(file, start, end):
        if kind == b"meta":
            _meta(file, begin, stop, texts)
        elif kind in _INSIDE:
            _walk(file, begin, stop, depth + 1, texts)
        elif kind in _COMMENTS and stop - begin < _MOST_META:
            file.seek(begin)
            texts.setdefault(_COMMENTS[kind], text_of(read_exactly(file, stop - begin, "a tag")[4:]))


def _meta(file: BinaryIO, begin: int, stop: int, texts: dict[str, str]) -> None:
    """Tags with names (`keys` and `ilst`), iTunes tags, or items of a picture. QuickTime leaves out the four bytes of version and flags."""
    file.seek(begin)
    head = file.read(12)
    begin += 0 if head[4:8] in (b"hdlr", b"keys", b"ilst") else 4
    parts = {kind: (at, end) for kind, at, end in _boxes(file, begin, stop)}
    names = _keys(file, *parts[b"keys"]) if b"keys" in parts else []
    if b"ilst" in parts:
        for kind, at, end in _boxes(file, *parts[b"ilst"]):
            number = int.from_bytes(kind)
            name = names[number - 1] if 1 <= number <= len(names) else _COMMENTS.get(kind, "")
            for inner, data_at, data_end in _boxes(file, at, end):
                if name and inner == b"data":
                    file.seek(data_at + 8)
                    texts.setdefault(name, text_of(read_exactly(file, max(data_end - data_at - 8, 0), "a tag")))
    if b"iloc" in parts and b"iinf" in parts:
        _items(file, parts, texts)


def _keys(file: BinaryIO, at: int, end: int) -> list[str]:
    file.seek(at)
    data = io.BytesIO(read_exactly(file, end - at, "the names of its tags"))
    count = int.from_bytes(data.read(8)[4:])
    names: list[str] = []
    while len(names) < min(count, MOST_PARTS):
        length = int.from_bytes(data.read(4))
        name = data.read(4) and data.read(max(length - 8, 0))
        if not name:
            break
        names.append(text_of(name).rpartition(".")[2] if name.startswith(b"com.") else text_of(name))
    return names


def _items(file: BinaryIO, parts: dict[bytes, tuple[int, int]], texts: dict[str, str]) -> None:
    """Exif and XMP of AVIF and HEIC: `iinf` says which items they are, `iloc` where these lie."""
    wanted = _item_types(file, *parts[b"iinf"])
    for id, pieces in _locations(file, *parts[b"iloc"]).items():
        if id not in wanted:
            continue
        data = b""
        for offset, length in pieces:
            file.seek(offset)
            data += read_exactly(file, length, "a note")
        if wanted[id] == b"Exif":
            skip = int.from_bytes(data[:4]) + 4
            found = exif.read(data[skip:] if skip < len(data) else data)
        else:
            found = xmp.read(data)
        for key, text in found.items():
            texts.setdefault(key, text)


def _item_types(file: BinaryIO, at: int, end: int) -> dict[int, bytes]:
    file.seek(at)
    head = file.read(6)
    first = at + (6 if head[0] == 0 else 8)
    found: dict[int, bytes] = {}
    for kind, begin, stop in _boxes(file, first, end):
        file.seek(begin)
        data = file.read(min(stop - begin, 200))
        if kind != b"infe" or data[:1] not in (b"\2", b"\3"):
            continue
        wide = 4 if data[:1] == b"\3" else 2
        id, type = int.from_bytes(data[4 : 4 + wide]), data[6 + wide : 10 + wide]
        if type == b"Exif" or (type == b"mime" and b"rdf+xml" in data):
            found[id] = type
    return found


def _locations(file: BinaryIO, at: int, end: int) -> dict[int, list[tuple[int, int]]]:
    """By item: offset and length of its pieces. Only those that lie in the file itself."""
    file.seek(at)
    data = io.BytesIO(read_exactly(file, end - at, "its table of places"))
    version = data.read(4)[:1] or b"\0"
    sizes = data.read(2)
    if len(sizes) < 2:
        return {}
    offset_size, length_size, base_size, index_size = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4, sizes[1] & 15
    wide = 4 if version[0] == 2 else 2
    found: dict[int, list[tuple[int, int]]] = {}
    for _ in range(min(int.from_bytes(data.read(wide)), MOST_PARTS)):
        id = int.from_bytes(data.read(wide))
        method = int.from_bytes(data.read(2)) & 15 if version[0] else 0
        data.read(2)
        base = int.from_bytes(data.read(base_size))
        pieces = []
        for _ in range(min(int.from_bytes(data.read(2)), 64)):
            if version[0]:
                data.read(index_size)
            pieces.append((base + int.from_bytes(data.read(offset_size)), int.from_bytes(data.read(length_size))))
        if method == 0:
            found[id] = pieces
    return found
