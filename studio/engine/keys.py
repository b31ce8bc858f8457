"""Content keys: equal keys mean equal results, in this run, after a restart, and on another machine.

A node's key is a digest (BLAKE2b, 128 bits) of its type, version and code, its parameters in a canonical form, and, for each linked
input, the key of the node that feeds it and the output's name (a Merkle tree). Node ids, titles, positions and the order in which
things are stored do not count. Every part is written with its length, so that no two different contents give the same bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final, NewType

from studio.graph.graph import Value
from studio.graph.spec import NodeSpec
from studio.graph.types import SocketType

Key = NewType("Key", bytes)
"""`KEY_BYTES` bytes; `key.hex()` is its written form, as in `Node.locked` and in the store's file names."""

KEY_BYTES: Final = 16
NO_KEY: Final = Key(b"")
"""Of a node that cannot have one: its type is unknown, or its lock is not a key."""
_FORMAT: Final = b"wirelight key 1"
"""Changes whenever the way keys are made does, so that no store mixes two ways."""

_EMPTY: Final[Mapping[str, str]] = {}
_NO_DEFAULT: Final = b""


class KeyMaker:
    """Makes the keys of all nodes of one type."""

    __slots__ = ("_head", "_names", "_parts")

    def __init__(self, spec: NodeSpec) -> None:
        self._head = b"".join(
            (_FORMAT, _text(spec.package), _text(spec.type), _text(spec.code), spec.version.to_bytes(8, signed=True))
        )
        self._parts = [
            (
                one.name,
                _text(one.name),
                one.type,
                canonical(one.default, one.type) if one.control is not None else _NO_DEFAULT,
            )
            for one in spec.inputs
        ]
        self._names = frozenset(spec.inputs_by_name)

    def key(
        self, parameters: Mapping[str, Value], inputs: Mapping[str, bytes], outside: Mapping[str, str] = _EMPTY
    ) -> Key:
        """The key of a node.

        `parameters`: at least those that differ from their default. `inputs`: for each linked input, `fed_by` of the output that feeds
        it; the value of a linked parameter does not count. `outside`: digests of what the node reads beyond the graph, by name; one
        with the name of a parameter stands for that parameter's value.
        """
        pieces = [self._head]
        for name, start, type, default in self._parts:
            if name in inputs:
                feed = inputs[name]
                pieces += (start, b"<", len(feed).to_bytes(8), feed)
            elif name in outside:
                pieces += (start, b"@", _text(outside[name]))
            elif name in parameters:
                pieces += (start, canonical(parameters[name], type))
            elif default is not _NO_DEFAULT:
                pieces += (start, default)
        for name in sorted(outside):
            if name not in self._names:
                pieces += (b"+", _text(name), _text(outside[name]))
        return Key(blake2b(b"".join(pieces), digest_size=KEY_BYTES).digest())


def fed_by(key: Key, output: str) -> bytes:
    """How an output counts in the key of what it feeds: by its node's key and its name."""
    return key + output.encode()


def derived_key(key: Key, *parts: str | bytes) -> Key:
    """A key that counts further parts: an effect's output folder, or what keeps a volatile node from ever meeting itself."""
    digest = blake2b(key, digest_size=KEY_BYTES)
    for part in parts:
        digest.update(_text(part) if isinstance(part, str) else len(part).to_bytes(8) + part)
    return Key(digest.digest())


def folder_part(folder: Path) -> str:
    """How an output folder counts in keys: by its absolute place."""
    return folder.absolute().as_posix()


def lock_key(lock: str) -> Key | None:
    """The key that a lock (`Node.locked`) names, or None where it is not one."""
    try:
        key = bytes.fromhex(lock)
    except ValueError:
        return None
    return Key(key) if len(key) == KEY_BYTES else None


def canonical(value: Value, type: SocketType) -> bytes:
    """Bytes for a parameter's value, equal where a socket of `type` would carry the same: 1 and 1.0 are one Float, but two Ints differ."""
    if type.name == "Float":
        if value.__class__ is float:
            return b"f" + struct.pack(">d", value)
        if isinstance(value, int):
            try:
                return b"f" + struct.pack(">d", float(value))
            except OverflowError:
                return _plain(value)
    elif type.name == "Int":
        if value.__class__ is float and math.isfinite(value) and value == int(value):
            return _plain(int(value))
        if isinstance(value, bool):
            return _plain(int(value))
    elif type.item is not None and isinstance(value, (list, tuple)):
        return b"l" + len(value).to_bytes(8) + b"".join(canonical(one, type.item) for one in value)
    return _plain(value)


def _plain(value: Value) -> bytes:
    """Bytes for plain data, told apart by its Python type. Iterative: a value may be nested as deeply as a file says."""
    if value.__class__ is str:
        return _text(value)
    pieces: list[bytes] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if one is None:
            pieces.append(b"n")
        elif isinstance(one, bool):
            pieces.append(b"t" if one else b"o")
        elif isinstance(one, str):
            pieces.append(_text(one))
        elif isinstance(one, int):
            digits = b"%x" % one
            pieces += (b"i", len(digits).to_bytes(8), digits)
        elif isinstance(one, float):
            pieces += (b"f", struct.pack(">d", one))
        elif isinstance(one, (list, tuple)):
            pieces += (b"l", len(one).to_bytes(8))
            waiting.extend(reversed(one))
        elif isinstance(one, Mapping):
            pieces += (b"d", len(one).to_bytes(8))
            for name in sorted(one, reverse=True):
                waiting += (one[name], name)
        else:
            raise TypeError(f"a parameter cannot hold {type(one).__name__}")
    return b"".join(pieces)


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"s" + len(data).to_bytes(8) + data
