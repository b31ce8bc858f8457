"""Named arrays and a text as a safetensors file, so that other programs can look inside.

Layout (safetensors format): the header's length as 8 bytes, little endian; the header, JSON, padded with spaces to 8 bytes; then the
arrays, largest number type first, one after the other. The header's `__metadata__` holds `wirelight`, the text, and `checksum`, BLAKE2b-128
of that text and of all arrays with their names, types and shapes. The safetensors library writes from raw pointers or whole byte strings
only; values hand out views, and a video is not to be copied once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from itertools import accumulate
from math import prod
from typing import Any, BinaryIO, Final

from studio.graph.errors import CodecError
from studio.sdk.storage import Array

_WIDTHS: Final[Mapping[str, int]] = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
_MOST_HEADER: Final = 100_000_000


class Damaged(CodecError):
    """A stored file that is cut off, altered, or of another version."""


def can_store(array: Array) -> bool:
    """Whether its type of numbers can be written."""
    return array.dtype in _WIDTHS


def write_arrays(stream: BinaryIO, text: str, arrays: Mapping[str, Array]) -> int:
    """Write a file; gives the bytes written. Raises `OSError`."""
    names = sorted(arrays, key=lambda name: (-_WIDTHS[arrays[name].dtype], name))
    ends = [0, *accumulate(arrays[name].nbytes for name in names)]
    header: dict[str, Any] = {"__metadata__": {"wirelight": text, "checksum": _checksum(text, arrays)}}
    for name, start, end in zip(names, ends, ends[1:], strict=False):
        array = arrays[name]
        header[name] = {"dtype": array.dtype, "shape": list(array.shape), "data_offsets": [start, end]}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    stream.write(len(head).to_bytes(8, "little"))
    stream.write(head)
    for name in names:
        stream.write(arrays[name].data)
    return 8 + len(head) + ends[-1]


def read_arrays(data: bytes) -> tuple[str, dict[str, Array]]:
    """The text and the arrays that `write_arrays` wrote; the arrays share memory with `data`. Raises `Damaged`."""
    view = memoryview(data)
    length = int.from_bytes(view[:8], "little")
    if len(data) < 8 or length > min(_MOST_HEADER, len(data) - 8):
        raise Damaged("The stored file is cut off.")
    try:
        header = json.loads(bytes(view[8 : 8 + length]))
        metadata = header.pop("__metadata__")
        text, checksum = metadata["wirelight"], metadata["checksum"]
        arrays = dict(_arrays(header, view[8 + length :]))
        intact = _checksum(text, arrays) == checksum
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(f"The stored file cannot be read: {error}.") from error
    if not intact:
        raise Damaged("The stored file was altered.")
    return text, arrays


def _arrays(header: Mapping[str, Any], data: memoryview) -> Iterator[tuple[str, Array]]:
    for name, described in header.items():
        start, end = described["data_offsets"]
        shape = tuple(int(length) for length in described["shape"])
        if not 0 <= start <= end <= len(data) or end - start != prod(shape) * _WIDTHS[described["dtype"]]:
            raise ValueError(f"the array '{name}' is cut off")
        yield name, Array(described["dtype"], shape, data[start:end])


def _checksum(text: str, arrays: Mapping[str, Array]) -> str:
    digest = blake2b(text.encode(), digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()
