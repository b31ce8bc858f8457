"""Small PNG files, made by hand."""

from __future__ import annotations

import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def png(*between: bytes, after: tuple[bytes, ...] = ()) -> bytes:
    """A 2x2 grey picture, with these chunks before and after its pixels."""
    header = chunk(b"IHDR", (2).to_bytes(4) + (2).to_bytes(4) + b"\x08\0\0\0\0")
    pixels = chunk(b"IDAT", zlib.compress(b"\0\x10\x20\0\x30\x40"))
    return b"".join((SIGNATURE, header, *between, pixels, *after, chunk(b"IEND", b"")))
