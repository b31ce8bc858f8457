"""Files without the texts inside them: every byte of pixels and sounds stays."""

from __future__ import annotations

import io
import struct
from typing import Final

from studio.files.containers import flac, jpeg, png, riff

_PNG_TEXTS: Final = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"comf")
_RIFF_TEXTS: Final = (b"EXIF", b"XMP ", b"LIST", b"id3 ", b"ID3 ")
_EXIF_FLAG, _XMP_FLAG = 0x08, 0x04
_FLAC_COMMENTS: Final = 4


def strip_texts(data: bytes) -> bytes | None:
    """The file without its texts; None where it is of another kind, or not whole."""
    if png.is_png(data[:8]):
        return _png(data)
    if jpeg.is_jpeg(data[:3]):
        return _jpeg(data)
    if riff.is_riff(data[:12]):
        return _riff(data)
    return _flac(data) if flac.is_flac(data[:4]) else None


def _png(data: bytes) -> bytes | None:
    kept, at = [data[:8]], 8
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            return None
        if kind not in _PNG_TEXTS:
            kept.append(data[at:end])
        at = end
        if kind == b"IEND":
            return b"".join(kept)
    return None


def _jpeg(data: bytes) -> bytes | None:
    """Without APP1 (Exif, XMP), APP13 (Photoshop) and comments; the colour profile in APP2 stays."""
    kept, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xDA:
            return b"".join([*kept, data[at:]])
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker not in (0xE1, 0xED, 0xFE):
            kept.append(data[at:end])
        at = end
    return None


def _riff(data: bytes) -> bytes | None:
    kept, at = [], 12
    while at + 8 <= len(data):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if at + 8 + length > len(data):
            return None
        if kind == b"VP8X":
            flags = data[at + 8] & ~(_EXIF_FLAG | _XMP_FLAG) & 0xFF
            kept.append(data[at : at + 8] + bytes([flags]) + data[at + 9 : end])
        elif kind not in _RIFF_TEXTS:
            kept.append(data[at:end])
        at = end
    content = data[8:12] + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _flac(data: bytes) -> bytes | None:
    """The block of comments stays, as every FLAC has one, but without a comment."""
    file = io.BytesIO(data)
    kept, last = [file.read(4)], False
    while not last:
        head = file.read(4)
        if len(head) < 4:
            return None
        body = file.read(int.from_bytes(head[1:]))
        last = bool(head[0] & 0x80)
        if head[0] & 0x7F == _FLAC_COMMENTS:
            vendor = body[: 4 + int.from_bytes(body[:4], "little")]
            body = vendor + b"\0" * 4
        kept.append(head[:1] + len(body).to_bytes(3) + body)
    return b"".join([*kept, file.read()])
