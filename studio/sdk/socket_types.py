"""Which Python class stands for which socket type. Plugins add their own with `@value_type`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TypeVar

from studio.graph.errors import DeclarationError
from studio.graph.types import BUILT_IN, SocketType, parse_type, plain

C = TypeVar("C", bound=type)

_BY_NAME: dict[str, type] = {"Text": str, "Int": int, "Float": float, "Bool": bool, "Choice": str}
_BY_CLASS: dict[type, str] = {str: "Text", int: "Int", float: "Float", bool: "Bool"}
_RESERVED = frozenset({"list", "None", "Any", "Choice"})


def value_type(name: str = "") -> Callable[[C], C]:
    """Make a class a socket type, under `name` or its own.

    Values are treated as immutable. With `pack(self) -> Packed` and a classmethod `unpack(cls, packed)` they are kept on disk between
    starts; with an attribute or property `nbytes` the memory cache knows their size; with `check(self) -> None`, which raises
    `ValueRefused`, every value is checked as it leaves a node. Raises `DeclarationError` for a name that is taken.
    """

    def register(cls: C) -> C:
        own = name or cls.__name__
        held = _BY_NAME.get(own)
        replaces_itself = held is not None and (held.__module__, held.__qualname__) == (
            cls.__module__,
            cls.__qualname__,
        )
        if own in _RESERVED or (held is not None and not replaces_itself):
            raise DeclarationError(
                f"There is a socket type '{own}' already.", where=cls.__qualname__, mend="Give the class another name."
            )
        if parse_type(own) != plain(own):
            raise DeclarationError(f"'{own}' cannot name a socket type.", where=cls.__qualname__)
        _BY_NAME[own] = cls
        _BY_CLASS[cls] = own
        return cls

    return register


def class_of(name: str) -> type | None:
    """The class whose instances travel through sockets of a plain type, or None where nothing here knows it."""
    if name not in _BY_NAME:
        importlib.import_module("studio.sdk.values")
    return _BY_NAME.get(name)


def name_of_class(cls: type) -> str | None:
    """The socket type of a class, or None where it is none."""
    return _BY_CLASS.get(cls)


def type_name(value: object) -> str | None:
    """The name of a value's own socket type, or None where it has none."""
    return _BY_CLASS.get(type(value))


def plain_type_of(value: object) -> SocketType | None:
    """The socket type that a single value has of its own; None for lists, and for what no socket carries."""
    name = next((_BY_CLASS[cls] for cls in type(value).__mro__ if cls in _BY_CLASS), None)
    return None if name is None else plain(name)


def known_types() -> list[SocketType]:
    """All plain socket types, those of plugins included."""
    names = {one.name: one for one in BUILT_IN}
    names.update({name: plain(name) for name in _BY_NAME if name not in names})
    return list(names.values())
