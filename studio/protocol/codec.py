"""Messages to bytes and back: frames of a header (magic, length) and a JSON array of messages. What comes in is validated here."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, Final, NoReturn

from studio.graph.codec import decode_union, encode
from studio.graph.errors import CodecError, ProtocolError
from studio.protocol.messages import VERSION, Event, Message

MOST_BYTES: Final = 512 * 2**20
"""A longer frame is refused. The graph of 100,000 nodes takes 10 MB."""
_MAGIC: Final = b"WLF1"
_HEADER: Final = struct.Struct(">4sI")
_MEND: Final = "Restart the program; if it stays so, two versions of it are mixed: install it again."


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
_from_json = json.JSONDecoder(parse_constant=_no_constant).decode


def pack(messages: Sequence[Message] | Sequence[Event]) -> bytes:
    """One frame. Raises `ProtocolError` for what is not plain data, for numbers that are not finite, and for frames above `MOST_BYTES`."""
    try:
        body = _to_json(encode(messages, list[Message | Event])).encode("ascii")
    except (ValueError, TypeError, RecursionError) as error:
        raise ProtocolError(f"A message cannot be sent: {error}.") from None
    if len(body) > MOST_BYTES:
        raise ProtocolError(f"A message has {len(body)} bytes; at most {MOST_BYTES} can be sent.")
    return _HEADER.pack(_MAGIC, len(body)) + body


def read_frame(stream: BinaryIO) -> bytes | None:
    """The body of the next frame, or None at the end of the stream. Raises `ProtocolError` for what is no frame."""
    header = stream.read(_HEADER.size)
    if not header:
        return None
    if not _MAGIC.startswith(header[:4]) or (len(header) >= 4 and header[:4] != _MAGIC):
        raise ProtocolError("Something else than our messages came through the pipe.", mend=_MEND)
    if len(header) < _HEADER.size:
        raise ProtocolError("A message broke off.")
    length: int = _HEADER.unpack(header)[1]
    if length > MOST_BYTES:
        raise ProtocolError(f"A message announces {length} bytes.", mend=_MEND)
    body = stream.read(length)
    if len(body) < length:
        raise ProtocolError("A message broke off.")
    return body


def unpack_messages(body: bytes) -> list[Message]:
    """The messages in a frame's body. Raises `ProtocolError` where any is not one."""
    return _unpack(list[Message], body)


def unpack_events(body: bytes) -> list[Event]:
    """The events in a frame's body. Raises `ProtocolError` where any is not one."""
    return _unpack(list[Event], body)


def _unpack(kind: object, body: bytes) -> list[Any]:
    try:
        plain = _from_json(body.decode("ascii"))
        if not isinstance(plain, list):
            raise ProtocolError("A frame holds no list of messages.", mend=_MEND)
        return list(decode_union(kind, plain, "message"))
    except CodecError as error:
        raise ProtocolError(error.what, where=error.where, mend=_MEND) from None
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"A frame is not JSON: {str(error)[:200]}.", mend=_MEND) from None


def check_version(version: int) -> None:
    """Raises `ProtocolError` where the other side speaks another version than ours."""
    if version != VERSION:
        raise ProtocolError(f"The other side speaks version {version} of the messages, this one {VERSION}.", mend=_MEND)
