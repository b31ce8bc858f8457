"""Small files of every kind with texts inside, as other programs write them: made byte by byte, after the specifications."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Mapping

from PIL import Image
from PIL.PngImagePlugin import PngInfo


def picture() -> Image.Image:
    return Image.new("RGB", (4, 3), (200, 30, 40))


def png(texts: Mapping[str, str], *, kind: str = "tEXt") -> bytes:
    info = PngInfo()
    for key, text in texts.items():
        if kind == "iTXt":
            info.add_itxt(key, text, zip=True)
        else:
            info.add_text(key, text, zip=kind == "zTXt")
    held = io.BytesIO()
    picture().save(held, "PNG", pnginfo=info)
    return held.getvalue()


def exif(pairs: Mapping[int, str] | None = None, comment: bytes = b"", order: str = "<") -> bytes:
    """TIFF of ASCII tags and a user comment."""
    tags = {tag: (2, text.encode() + b"\0") for tag, text in (pairs or {}).items()}
    inner = {0x9286: (7, comment)} if comment else {}
    first = 8 + 2 + 12 * (len(tags) + bool(inner)) + 4
    body, at = b"", first
    entries = []
    for tag, (kind, held) in sorted(tags.items()):
        entries.append(struct.pack(order + "HHII", tag, kind, len(held), at))
        body += held
        at += len(held)
    if inner:
        entries.append(struct.pack(order + "HHII", 0x8769, 4, 1, at))
        body += (
            struct.pack(order + "H", 1)
            + struct.pack(order + "HHII", 0x9286, 7, len(comment), at + 18)
            + b"\0" * 4
            + comment
        )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return head + b"".join(entries) + b"\0" * 4 + body


def webp(exif_data: bytes) -> bytes:
    held = io.BytesIO()
    picture().save(held, "WEBP", exif=exif_data)
    return held.getvalue()


def jpeg(exif_data: bytes = b"", xmp: bytes = b"") -> bytes:
    held = io.BytesIO()
    options = {"exif": b"Exif\0\0" + exif_data} if exif_data else {}
    picture().save(held, "JPEG", **options, **({"xmp": xmp} if xmp else {}))
    return held.getvalue()


def avif(exif_data: bytes) -> bytes:
    held = io.BytesIO()
    picture().save(held, "AVIF", exif=exif_data)
    return held.getvalue()


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", len(content) + 8) + kind + content


def mp4(texts: Mapping[str, str]) -> bytes:
    """Tags with names, as `-movflags use_metadata_tags` writes them."""
    keys = b"".join(box(b"mdta", key.encode()) for key in texts)
    items = b"".join(
        box(struct.pack(">I", at), box(b"data", struct.pack(">II", 1, 0), text.encode()))
        for at, text in enumerate(texts.values(), start=1)
    )
    handler = box(b"hdlr", b"\0" * 8 + b"mdta" + b"\0" * 12)
    meta = box(b"meta", handler, box(b"keys", struct.pack(">II", 0, len(texts)), keys), box(b"ilst", items))
    return box(b"ftyp", b"isom\0\0\0\0") + box(b"mdat", b"\1" * 50) + box(b"moov", box(b"udta", meta))


def mp4_comment(text: str) -> bytes:
    """One iTunes comment, as VideoHelperSuite writes it."""
    data = box(b"data", struct.pack(">II", 1, 0), text.encode())
    meta = box(b"meta", b"\0" * 4, box(b"hdlr", b"\0" * 8 + b"mdir" + b"\0" * 12), box(b"ilst", box(b"\xa9cmt", data)))
    return box(b"ftyp", b"isom\0\0\0\0") + box(b"moov", box(b"udta", meta))


def element(id: int, content: bytes) -> bytes:
    width = (id.bit_length() + 7) // 8
    return id.to_bytes(width) + (len(content) | 1 << 56).to_bytes(8) + content


def webm(texts: Mapping[str, str]) -> bytes:
    tags = b"".join(
        element(
            0x7373,
            element(0x63C0, b"")
            + element(0x67C8, element(0x45A3, key.upper().encode()) + element(0x4487, text.encode())),
        )
        for key, text in texts.items()
    )
    return element(0x1A45DFA3, b"") + element(0x18538067, element(0x1549A966, b"\0") + element(0x1254C367, tags))


def vorbis(texts: Mapping[str, str]) -> bytes:
    lines = [f"{key}={text}".encode() for key, text in texts.items()]
    return (
        struct.pack("<I", 3)
        + b"own"
        + struct.pack("<I", len(lines))
        + b"".join(struct.pack("<I", len(one)) + one for one in lines)
    )


def flac(texts: Mapping[str, str]) -> bytes:
    held = vorbis(texts)
    return b"fLaC" + b"\0" + (34).to_bytes(3) + b"\0" * 34 + b"\x84" + len(held).to_bytes(3) + held


def ogg(texts: Mapping[str, str]) -> bytes:
    def page(data: bytes) -> bytes:
        lengths = b"\xff" * (len(data) // 255) + bytes([len(data) % 255])
        return b"OggS" + b"\0" * 22 + bytes([len(lengths)]) + lengths + data

    return page(b"OpusHead" + b"\0" * 11) + page(b"OpusTags" + vorbis(texts))


def mp3(texts: Mapping[str, str]) -> bytes:
    frames = b""
    for key, text in texts.items():
        body = b"\3" + key.encode() + b"\0" + text.encode() + b"\0"
        frames += b"TXXX" + struct.pack(">I", len(body)) + b"\0\0" + body
    size = len(frames)
    seven = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + seven + frames + b"\xff\xfb"


def safetensors(texts: Mapping[str, str]) -> bytes:
    head = json.dumps(
        {"__metadata__": dict(texts), "x": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}
    ).encode()
    return struct.pack("<Q", len(head)) + head + b"\0"


def packed_bomb(size: int) -> bytes:
    """A PNG whose compressed text unpacks into `size` zeros."""
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(b"0" * 2**20) for _ in range(size // 2**20)) + packer.flush()
    chunk = b"workflow\0\0" + data
    whole = png({})
    at = whole.index(b"IDAT") - 4
    return (
        whole[:at]
        + struct.pack(">I", len(chunk))
        + b"zTXt"
        + chunk
        + struct.pack(">I", zlib.crc32(b"zTXt" + chunk))
        + whole[at:]
    )
