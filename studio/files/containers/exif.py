"""Exif (CIPA DC-008) in TIFF form: texts of its first and of the Exif directory, and `key:text` pairs as ComfyUI writes them."""

from __future__ import annotations

import struct
from typing import Final

from studio.files.containers.limits import text_of

_ASCII, _UNDEFINED = 2, 7
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_NAMES: Final = {
    0x010E: "description",
    0x010F: "make",
    0x0110: "model",
    0x0131: "software",
    0x013B: "artist",
    0x9C9C: "comment",
}
_USER_COMMENT: Final = 0x9286
_EXIF_DIRECTORY: Final = 0x8769
_MOST_ENTRIES: Final = 2000
_MOST_DIRECTORIES: Final = 8
_PAIRS: Final = (
    "prompt",
    "workflow",
    "extra",
    "parameters",
    "generation_data",
    "invokeai_metadata",
    "invokeai_workflow",
    "wirelight",
)


def read(data: bytes) -> dict[str, str]:
    """The texts by name; `parameters` is the user comment. What cannot be is passed over: directories that lead in circles, values
    beyond the end.
    """
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return {}
    texts: dict[str, str] = {}
    waiting, seen = [struct.unpack(order + "I", data[4:8])[0]], set[int]()
    while waiting and len(seen) < _MOST_DIRECTORIES:
        at = waiting.pop(0)
        if at in seen or at + 2 > len(data):
            continue
        seen.add(at)
        count = min(struct.unpack(order + "H", data[at : at + 2])[0], _MOST_ENTRIES)
        for entry in range(at + 2, min(at + 2 + 12 * count, len(data) - 11), 12):
            tag, kind, number, value = struct.unpack(order + "HHI4s", data[entry : entry + 12])
            if tag == _EXIF_DIRECTORY:
                waiting.append(struct.unpack(order + "I", value)[0])
            elif kind in _SIZES:
                _take(tag, kind, _value(data, order, number * _SIZES[kind], value), texts)
    return texts


def _value(data: bytes, order: str, length: int, value: bytes) -> bytes:
    if length <= 4:
        return value[:length]
    start: int = struct.unpack(order + "I", value)[0]
    return data[start : start + length]


def _take(tag: int, kind: int, held: bytes, texts: dict[str, str]) -> None:
    if tag == _USER_COMMENT and kind in (_UNDEFINED, _ASCII):
        texts.setdefault("parameters", _comment(held))
        return
    if kind != _ASCII:
        return
    text = text_of(held.rstrip(b"\0"))
    key, colon, rest = text.partition(":")
    if colon and key.strip().lower() in _PAIRS:
        texts.setdefault(key.strip().lower(), rest)
    elif tag in _NAMES:
        texts.setdefault(_NAMES[tag], text)


def _comment(held: bytes) -> str:
    """A user comment: eight bytes name the encoding. `UNICODE` is UTF-16 without saying of which order: letters tell."""
    code, rest = held[:8], held[8:]
    if code.rstrip(b"\0") == b"UNICODE":
        if rest[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return rest.decode("utf-16", "replace").rstrip("\0")
        big = rest[0:200:2].count(0) >= rest[1:200:2].count(0)
        return rest.decode("utf-16-be" if big else "utf-16-le", "replace").rstrip("\0")
    return text_of((rest if code.rstrip(b"\0") in (b"ASCII", b"JIS", b"") else held).rstrip(b"\0"))
