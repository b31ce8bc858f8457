"""ID3v2 (versions 2.3 and 2.4): texts that a program names itself (TXXX), and comments (COMM)."""

from __future__ import annotations

from typing import BinaryIO, Final

from studio.files.containers.limits import read_exactly

_ENCODINGS: Final = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}


def is_id3(head: bytes) -> bool:
    return head.startswith(b"ID3")


def read(file: BinaryIO, size: int) -> dict[str, str]:
    """The texts by their names; a comment without one is `comment`."""
    head = file.read(10)
    if not is_id3(head) or len(head) < 10:
        return {}
    version = head[3]
    data = read_exactly(file, min(_seven_bits(head[6:10]), max(size - 10, 0)), "its tags")
    texts: dict[str, str] = {}
    at = 0
    while at + 10 <= len(data) and data[at]:
        name, raw = data[at : at + 4], data[at + 4 : at + 8]
        length = _seven_bits(raw) if version >= 4 else int.from_bytes(raw)
        body = data[at + 10 : at + 10 + length]
        if name == b"TXXX":
            key, text = _split(body[1:], body[:1])
            texts.setdefault(key.lower(), text)
        elif name == b"COMM":
            key, text = _split(body[4:], body[:1])
            texts.setdefault(key.lower() or "comment", text)
        at += 10 + length
    return texts


def _split(body: bytes, encoding: bytes) -> tuple[str, str]:
    """What stands before and behind the first zero letter."""
    text = body.decode(_ENCODINGS.get(encoding[0] if encoding else 0, "latin-1"), "replace")
    key, _, rest = text.partition("\0")
    return key.removeprefix("\ufeff"), rest.removeprefix("\ufeff").rstrip("\0")


def _seven_bits(data: bytes) -> int:
    number = 0
    for byte in data:
        number = number << 7 | byte & 0x7F
    return number
