"""One stored result as a file (`array_file.py`): its text is the entry without its arrays, as JSON."""

from __future__ import annotations

import json
from typing import BinaryIO, Final

from studio.engine.array_file import Damaged, can_store, read_arrays, write_arrays
from studio.engine.entry import Entry, WrittenFile
from studio.graph.codec import decode, encode
from studio.sdk.storage import Packed, pack_value, unpack_value

_VERSION: Final = 1


def pack_entry(entry: Entry) -> list[Packed] | None:
    """All outputs as they are stored, or None where one of them cannot be."""
    packed = []
    for value in entry.outputs:
        one = pack_value(value)
        if one is None or not all(can_store(array) for array in one.arrays.values()):
            return None
        packed.append(one)
    return packed


def write_entry(stream: BinaryIO, entry: Entry, packed: list[Packed]) -> int:
    """Write a result whose outputs are packed already; gives the bytes written. Raises `OSError`."""
    arrays = {f"{at}/{name}": array for at, one in enumerate(packed) for name, array in one.arrays.items()}
    text = json.dumps(
        {
            "version": _VERSION,
            "outputs": [
                {"name": name, "type": one.type, "meta": dict(one.meta)}
                for name, one in zip(entry.names, packed, strict=True)
            ],
            "files": [encode(file) for file in entry.files],
        }
    )
    return write_arrays(stream, text, arrays)


def read_entry(data: bytes) -> Entry:
    """The result that `write_entry` wrote; its arrays share memory with `data`. Raises `Damaged`; `CodecError` for unknown types."""
    text, arrays = read_arrays(data)
    described = json.loads(text)
    if described["version"] != _VERSION:
        raise Damaged(f"The stored result is of version {described['version']}.")
    outputs = []
    for at, one in enumerate(described["outputs"]):
        start = f"{at}/"
        own = {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
        outputs.append(unpack_value(Packed(one["type"], own, one["meta"])))
    names = tuple(one["name"] for one in described["outputs"])
    return Entry(tuple(outputs), names, tuple(decode(WrittenFile, file) for file in described["files"]))
