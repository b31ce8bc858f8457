"""JPEG (ITU T.81) and its application segments: Exif and XMP in APP1, comments in COM."""

from __future__ import annotations

from typing import BinaryIO, Final

from studio.files.containers import exif, xmp
from studio.files.containers.limits import MOST_PARTS, text_of

_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_APP1, _COMMENT, _SCAN, _END = 0xE1, 0xFE, 0xDA, 0xD9


def is_jpeg(head: bytes) -> bool:
    return head.startswith(b"\xff\xd8\xff")


def read(file: BinaryIO, size: int) -> dict[str, str]:
    """The texts before the pixels. A file that is cut off there gives what it has."""
    texts: dict[str, str] = {}
    file.seek(2)
    for _ in range(MOST_PARTS):
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (_SCAN, _END):
            break
        data = file.read(max(int.from_bytes(head[2:]) - 2, 0))
        found: dict[str, str] = {}
        if head[1] == _APP1 and data.startswith(b"Exif\0\0"):
            found = exif.read(data)
        elif head[1] == _APP1 and data.startswith(_XMP):
            found = xmp.read(data[len(_XMP) :])
        elif head[1] == _COMMENT:
            found = {"comment": text_of(data)}
        for key, text in found.items():
            texts.setdefault(key, text)
    return texts
