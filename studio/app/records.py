"""The lines of a journal: what happened to a document, each with a checksum of its own."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, Union

from studio.app.stamp import Stamp
from studio.graph.codec import decode_union, encode
from studio.graph.edits import AnyEdit
from studio.graph.errors import CodecError

FORMAT: Final = 1


class How(StrEnum):
    """Where an edit came from."""

    DONE = "done"
    MERGED = "merged"
    """Part of a drag: one undo step with the edit before it."""
    UNDONE = "undone"
    REDONE = "redone"


@dataclass(frozen=True, slots=True)
class Started:
    """The snapshot. `workflow` is the document as a workflow file's text; `path` is empty for a document that was never saved."""

    format: int
    id: str
    workflow: str
    path: str = ""
    stamp: Stamp | None = None
    dirty: bool = False


@dataclass(frozen=True, slots=True)
class Edited:
    """The graph changed."""

    edit: AnyEdit
    how: How = How.DONE


@dataclass(frozen=True, slots=True)
class Sealed:
    """A drag ended."""


@dataclass(frozen=True, slots=True)
class Retitled:
    """The document's own title or description changed."""

    title: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Saved:
    """The document was written to a file as it is."""

    path: str
    stamp: Stamp


Record: TypeAlias = Union[Started, Edited, Sealed, Retitled, Saved]  # noqa: UP007 - the codec reads its members at run time


def to_line(record: Record) -> bytes:
    """A record as a line of a journal. Raises `CodecError` for a value that no file could hold, as NaN."""
    try:
        text = json.dumps(encode(record, Record), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise CodecError(f"This cannot be written to a file: {error}.", mend="Enter a plain, finite value.") from error
    data = text.encode("utf-8", "surrogatepass")
    return b"%08x %s\n" % (zlib.crc32(data), data)


def from_line(line: bytes) -> Record:
    """The record that `to_line` wrote. Raises `CodecError` where a byte of it is missing or wrong."""
    checksum, _, data = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(data):
        raise CodecError("The line is incomplete or damaged.")
    try:
        plain = json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise CodecError(f"The line is not JSON: {error}.") from error
    record: Record = decode_union(Record, plain)
    return record
