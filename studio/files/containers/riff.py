"""RIFF: WebP (Exif and XMP chunks), and WAV (INFO lists and ID3)."""

from __future__ import annotations

import io
from typing import BinaryIO, Final

from studio.files.containers import exif, id3, xmp
from studio.files.containers.limits import MOST_PARTS, read_exactly, text_of

_INFO: Final = {b"ICMT": "comment", b"INAM": "title", b"ISFT": "software", b"IWRL": "wirelight"}


def is_riff(head: bytes) -> bool:
    return head.startswith(b"RIFF") and head[8:12] in (b"WEBP", b"WAVE")


def read(file: BinaryIO, size: int) -> dict[str, str]:
    """The texts of all chunks that are there whole."""
    texts: dict[str, str] = {}
    at = 12
    for _ in range(MOST_PARTS):
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if len(head) < 8 or at + 8 + length > size:
            break
        found: dict[str, str] = {}
        match head[:4]:
            case b"EXIF":
                found = exif.read(read_exactly(file, length, "its Exif part"))
            case b"XMP ":
                found = xmp.read(read_exactly(file, length, "its XMP part"))
            case b"LIST":
                found = _info(read_exactly(file, length, "a list of texts"))
            case b"id3 " | b"ID3 ":
                found = id3.read(io.BytesIO(read_exactly(file, length, "its tags")), length)
        for key, text in found.items():
            texts.setdefault(key, text)
        at += 8 + length + length % 2
    return texts


def _info(data: bytes) -> dict[str, str]:
    texts: dict[str, str] = {}
    at = 4
    while data[:4] == b"INFO" and at + 8 <= len(data):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name in _INFO:
            texts.setdefault(_INFO[name], text_of(data[at + 8 : at + 8 + length].rstrip(b"\0")))
        at += 8 + length + length % 2
    return texts
