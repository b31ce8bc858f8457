"""PNG (specification 3rd edition, 11.3.3): tEXt, zTXt and iTXt, eXIf, and ComfyUI's own `comf` of animated pictures."""

from __future__ import annotations

import zlib
from typing import BinaryIO, Final

from studio.files.containers import exif
from studio.files.containers.limits import MOST_PARTS, Damaged, read_exactly, text_of, unpack

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_WANTED: Final = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"comf")


def is_png(head: bytes) -> bool:
    return head.startswith(_SIGNATURE)


def read(file: BinaryIO, size: int) -> dict[str, str]:
    """The texts of all chunks. A chunk with a wrong checksum is passed over; one that cannot be unpacked raises `Damaged`."""
    texts: dict[str, str] = {}
    at, kind = len(_SIGNATURE), b""
    for _ in range(MOST_PARTS):
        file.seek(at)
        head = file.read(8)
        length, kind = int.from_bytes(head[:4]), head[4:]
        if len(head) < 8 or at + 12 + length > size:
            break
        if kind in _WANTED:
            data = read_exactly(file, length, "a text")
            if zlib.crc32(kind + data).to_bytes(4) == file.read(4):
                _take(kind, data, texts)
        if kind == b"IEND":
            break
        at += 12 + length
    if kind != b"IEND" and not texts:
        raise Damaged("the picture is cut off, and its first part holds no text")
    return texts


def _take(kind: bytes, data: bytes, texts: dict[str, str]) -> None:
    if kind == b"eXIf":
        for key, text in exif.read(data).items():
            texts.setdefault(key, text)
        return
    name, _, rest = data.partition(b"\0")
    key = name.decode("latin-1")
    if kind == b"zTXt":
        text = text_of(unpack(rest[1:], f"the text '{key[:40]}'"))
    elif kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:]
        content = rest.split(b"\0", 2)[-1]
        text = text_of(unpack(content, f"the text '{key[:40]}'") if packed else content)
    else:
        text = text_of(rest)
    texts.setdefault(key, text)
