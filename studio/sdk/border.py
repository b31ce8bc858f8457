"""The border between nodes: what travels along a wire is checked here, once, as it leaves a node, and converted as it enters the next.

Conversions are those of the lattice in `studio.graph.types`, and no others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any, TypeAlias

from studio.graph.errors import ValueRefused
from studio.graph.types import SocketType, refusal
from studio.sdk.socket_types import class_of, plain_type_of, type_name
from studio.sdk.values.arrays import arrays_in
from studio.sdk.values.image import Image
from studio.sdk.values.mask import Mask
from studio.sdk.values.text import Color, Curve, FilePath

Convert: TypeAlias = Callable[[Any], Any]
"""From a value to that value as a socket takes it. Raises `ValueRefused`, which does not know the socket yet."""


def check_value(value: object, type: SocketType, *, node: str = "", socket: str = "") -> Any:  # noqa: ANN401 - of that type
    """`value` as a value of that type: right class, shape, number type and range, finite. Lists item by item.

    Raises `ValueRefused` with `node` and `socket`.
    """
    return _placed(_converter(type, True), value, node, socket)


def adapt_value(value: object, type: SocketType, *, node: str = "", socket: str = "") -> Any:  # noqa: ANN401 - of that type
    """As `check_value`, for a value that was checked as it left its node: only its type is looked at, not every number in it."""
    return _placed(_converter(type, False), value, node, socket)


def checker(type: SocketType) -> Convert:
    """`check_value` for one type, for whoever checks many values."""
    return _converter(type, True)


def adapter(type: SocketType) -> Convert:
    """`adapt_value` for one type, for whoever adapts many values."""
    return _converter(type, False)


def _placed(convert: Convert, value: object, node: str, socket: str) -> Any:  # noqa: ANN401 - of the converter's type
    try:
        return convert(value)
    except ValueRefused as refused:
        raise placed(refused, node, socket) from refused.__cause__


def placed(refused: ValueRefused, node: str, socket: str) -> ValueRefused:
    """The same refusal, with its place."""
    return ValueRefused(refused.what, node=node, socket=socket, mend=refused.mend)


@lru_cache(maxsize=4096)
def _converter(type: SocketType, deep: bool) -> Convert:
    if type.variable or type.name == "Any":
        return _any_deep if deep else _any
    if type.options:
        return _one_of(type, deep)
    if type.item is not None:
        return _list(_converter(type.item, deep))
    return _PLAIN.get(type.name) or _instance(type, deep)


def _any(value: object) -> object:
    if value is None:
        raise ValueRefused("Nothing was given.")
    return value


def _any_deep(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return [_any_deep(one) for one in value]
    if plain_type_of(value) is None:
        raise ValueRefused(
            f"{type(value).__name__} cannot travel along a wire.",
            mend="Return a value of the SDK, or make the class a socket type with @value_type.",
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueRefused(f"The number is {value}.")
    _check(value)
    return value


def _check(value: object) -> None:
    """The value's own check, and its arrays made read-only, which those of a plugin's type need not be."""
    check = getattr(value, "check", None)
    if check is not None:
        check()
    for array in arrays_in(value):
        if array.flags.writeable:
            array.setflags(write=False)


def _list(item: Convert) -> Convert:
    def convert(value: object) -> list[Any]:
        items = value if isinstance(value, (list, tuple)) else [value]
        converted = []
        for at, one in enumerate(items):
            try:
                converted.append(item(one))
            except ValueRefused as refused:
                raise ValueRefused(f"Item {at + 1} of the list: {refused.what}", mend=refused.mend) from refused
        return converted

    return convert


def _one_of(type: SocketType, deep: bool) -> Convert:
    converters = [(option, _converter(option, deep)) for option in type.options]

    def convert(value: object) -> Any:  # noqa: ANN401 - one of the options
        own = plain_type_of(value)
        exact = [
            each for option, each in converters if own == option or (option.item and isinstance(value, (list, tuple)))
        ]
        if exact:
            return exact[0](value)
        for option, each in converters:
            if own is not None and refusal(own, option) is None:
                return each(value)
        raise _not_a(type, value)

    return convert


def _instance(type: SocketType, deep: bool) -> Convert:
    def convert(value: object) -> object:
        cls = class_of(type.name)
        if cls is None:
            raise ValueRefused(f"Nothing here knows the type {type}.", mend="Enable the plugin that it comes from.")
        if not isinstance(value, cls):
            raise _not_a(type, value)
        if deep:
            _check(value)
        return value

    if type.name == "Image":
        return lambda value: convert(value.image() if isinstance(value, Mask) else value)
    return convert


def _not_a(expected: SocketType, value: object) -> ValueRefused:
    if value is None:
        return ValueRefused(f"Nothing was given; {expected} is needed.")
    own = type_name(value) or ("a list" if isinstance(value, (list, tuple)) else type(value).__name__)
    found = plain_type_of(value)
    why = refusal(found, expected) if found is not None else None
    said = f" {why.reason}" if why is not None and not why.reason.startswith(str(found)) else ""
    return ValueRefused(f"This is {own}, not {expected}.{said}")


def _int(value: object) -> int:
    if value.__class__ is int:
        return value
    if isinstance(value, Integral):
        return int(value)
    raise _not_a(SocketType("Int"), value)


def _float(value: object) -> float:
    if value.__class__ is float and math.isfinite(value):
        return value
    if not isinstance(value, Real):
        raise _not_a(SocketType("Float"), value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueRefused(f"The number is {number}.", mend="Look for a division by zero or an overflow.")
    return number


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise _not_a(SocketType("Bool"), value)


def _text(value: object) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return repr(_float(value))
    raise _not_a(SocketType("Text"), value)


def _choice(value: object) -> str:
    if isinstance(value, str):
        return str(value)
    raise _not_a(SocketType("Choice"), value)


def _color(value: object) -> Color:
    if isinstance(value, Color):
        return value
    if isinstance(value, str):
        return Color(value)
    raise _not_a(SocketType("Color"), value)


def _curve(value: object) -> Curve:
    if isinstance(value, Curve):
        return value
    if isinstance(value, str):
        return Curve(value)
    raise _not_a(SocketType("Curve"), value)


def _file_path(value: object) -> FilePath:
    if isinstance(value, FilePath):
        return value
    if isinstance(value, (str, PurePath)):
        return FilePath(value)
    raise _not_a(SocketType("FilePath"), value)


_PLAIN: dict[str, Convert] = {
    "Int": _int,
    "Float": _float,
    "Bool": _bool,
    "Text": _text,
    "Choice": _choice,
    "Color": _color,
    "Curve": _curve,
    "FilePath": _file_path,
}


def image_of(value: object) -> Image | None:
    """The picture that a value can be shown as, or None. For whoever shows results."""
    if isinstance(value, Image):
        return value
    return value.image() if isinstance(value, Mask) else None
