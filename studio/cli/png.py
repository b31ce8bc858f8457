"""The least that makes a PNG file (ISO/IEC 15948): previews are written without any picture library."""

from __future__ import annotations

import struct
import zlib
from typing import Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES: Final = {1: 0, 3: 2, 4: 6}


def png(pixels: bytes, width: int, height: int, channels: int) -> bytes:
    """A PNG of 8-bit grey, RGB or RGBA pixels: rows top down, without padding."""
    row = width * channels
    if len(pixels) != row * height or channels not in _COLOUR_TYPES:
        raise ValueError(f"{len(pixels)} bytes are not {width} x {height} x {channels}")
    raw = b"".join(b"\0" + pixels[at : at + row] for at in range(0, len(pixels), row))
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(raw, 1)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
