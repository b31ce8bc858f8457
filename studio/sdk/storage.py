"""Values as bytes, for the cache on disk: each value class knows how to `pack` itself into named arrays and plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from studio.graph.errors import CodecError, ValueRefused
from studio.graph.graph import empty
from studio.sdk.socket_types import class_of, type_name

Bytes: TypeAlias = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Array:
    """Numbers in C order, little endian. `dtype` is safetensors' name: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL."""

    dtype: str
    shape: tuple[int, ...]
    data: Bytes

    @property
    def nbytes(self) -> int:
        return len(self.data) if not isinstance(self.data, memoryview) else self.data.nbytes


@dataclass(frozen=True, slots=True)
class Packed:
    """A value as it is stored. `type` is the name of its socket type, `list` for a list; `meta` is plain JSON data."""

    type: str
    arrays: Mapping[str, Array] = field(default_factory=empty)
    meta: Mapping[str, Any] = field(default_factory=empty)

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())


_LIST: Final = "list"
_NONE: Final = "None"
_PLAIN: Final = (bool, int, float, str)
_OVERHEAD: Final = 64
"""What a small Python object costs, roughly."""


def pack_value(value: object) -> Packed | None:
    """The value as it is stored, or None where it cannot be (models; a plugin's type without `pack`)."""
    if value is None:
        return Packed(_NONE)
    if isinstance(value, _PLAIN):
        return Packed(type_name(value) or type(value).__name__, meta={"value": value})
    if isinstance(value, (list, tuple)):
        return _pack_list(value)
    pack = getattr(value, "pack", None)
    if pack is None:
        return None
    packed = pack()
    if packed is not None and not isinstance(packed, Packed):
        raise CodecError(f"{type(value).__name__}.pack() returned {type(packed).__name__}, not Packed.")
    return packed


def _pack_list(items: Sequence[object]) -> Packed | None:
    arrays: dict[str, Array] = {}
    meta = []
    for at, item in enumerate(items):
        packed = pack_value(item)
        if packed is None:
            return None
        arrays.update((f"{at}/{name}", array) for name, array in packed.arrays.items())
        meta.append({"type": packed.type, "meta": dict(packed.meta)})
    return Packed(_LIST, arrays, {"items": meta})


def unpack_value(packed: Packed) -> object:
    """The value that was packed. Raises `CodecError` where nothing here knows its type or the data does not fit it."""
    if packed.type == _NONE:
        return None
    if packed.type == _LIST:
        return _unpack_list(packed)
    cls = class_of(packed.type)
    if cls is None:
        raise CodecError(f"Nothing here knows the type '{packed.type}'.", mend="Enable the plugin that it comes from.")
    try:
        if issubclass(cls, _PLAIN):
            return cls(packed.meta["value"])
        unpack = getattr(cls, "unpack", None)
        if unpack is None:
            raise CodecError(f"The type '{packed.type}' cannot be read back: it has no unpack().")
        return unpack(packed)
    except (KeyError, ValueError, TypeError, ValueRefused) as error:
        raise CodecError(f"The stored {packed.type} is damaged: {error}.") from error


def _unpack_list(packed: Packed) -> list[object]:
    arrays: dict[str, dict[str, Array]] = {}
    for name, array in packed.arrays.items():
        at, _, rest = name.partition("/")
        arrays.setdefault(at, {})[rest] = array
    items = packed.meta.get("items")
    if not isinstance(items, (list, tuple)):
        raise CodecError("The stored list is damaged: its items are missing.")
    return [unpack_value(Packed(item["type"], arrays.get(str(at), {}), item["meta"])) for at, item in enumerate(items)]


def size_of(value: object) -> int:
    """Bytes of memory that a value takes. Weights behind residents do not count: they are the residency's."""
    if isinstance(value, str):
        return _OVERHEAD + len(value)
    if value is None or isinstance(value, _PLAIN):
        return _OVERHEAD
    if isinstance(value, (list, tuple)):
        return _OVERHEAD + sum(size_of(one) for one in value)
    if isinstance(value, Mapping):
        return _OVERHEAD + sum(size_of(one) for one in value.values())
    nbytes = getattr(value, "nbytes", None)
    return _OVERHEAD + (int(nbytes) if nbytes is not None else 0)
