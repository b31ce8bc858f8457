"""Dataclasses to plain JSON values and back, by their type hints. What comes in is validated here, once.

`encode(value)` leaves out fields that have their default. `decode(cls, plain)` refuses wrong types, unknown fields and numbers that
are not finite, and says where. A member of a union of dataclasses carries its class name as `is`. Classes with `to_plain` and
`from_plain` speak for themselves.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeAlias, TypeVar

from studio.graph.errors import CodecError

_T = TypeVar("_T")
_Encode = Callable[[Any], Any]
_Path: TypeAlias = str | None
"""Where something stands. None in the first pass, in which nobody asks."""
_Decode = Callable[[Any, _Path], Any]
_MOST_NESTED = 200
_TAG = "is"
"""No field can be called so: it is a word of Python's own."""


def encode(value: object, hint: object = None) -> Any:
    """Plain JSON data for `value`. `hint` is its static type where that is not just its class (a union, a mapping)."""
    return _encoder(hint if hint is not None else type(value))(value)


def decode(hint: type[_T], plain: object, where: str = "") -> _T:
    """The value of type `hint` that `plain` describes. Raises `CodecError`, with the path of the field in `where`."""
    decoder: _Decode = _decoder(typing.cast("Any", hint))
    try:
        # Paths take as long as all the rest together, so they are made only once one is needed.
        return typing.cast(_T, decoder(plain, None))
    except CodecError:
        pass
    except RecursionError:
        raise CodecError("The data is nested too deeply.", where=where) from None
    return typing.cast(_T, decoder(plain, where))


def decode_union(hint: object, plain: object, where: str = "") -> Any:
    """As `decode`, for a hint that is not a class: `A | B`, `tuple[A, ...]`, `Mapping[str, A]`."""
    return decode(typing.cast("type[Any]", hint), plain, where)


def check_value(value: object, where: _Path = "", _depth: int = 0) -> Any:
    """`value`, where it is plain data without NaN and infinities. Raises `CodecError`."""
    if value is None or value is True or value is False or type(value) is str or type(value) is int:
        return value
    if type(value) is float:
        if not math.isfinite(value):
            raise CodecError("A number is not finite.", where=where or "")
        return value
    if _depth > _MOST_NESTED:
        raise CodecError("The data is nested too deeply.", where=where or "")
    if isinstance(value, (list, tuple)):
        return [check_value(one, _item(where, at), _depth + 1) for at, one in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise CodecError(f"A key is {type(key).__name__}, not a text.", where=where or "")
        return {key: check_value(one, _join(where, key), _depth + 1) for key, one in value.items()}
    raise CodecError(f"{type(value).__name__} is not plain data.", where=where or "")


def _join(where: _Path, name: str) -> _Path:
    if where is None:
        return None
    return f"{where}.{name}" if where else name


def _item(where: _Path, at: int) -> _Path:
    return None if where is None else f"{where}[{at}]"


def _same(value: Any) -> Any:
    return value


@cache
def _encoder(hint: Any) -> _Encode:
    hint = _bare(hint)
    if hasattr(hint, "to_plain"):
        return lambda value: value.to_plain()
    if _is_dataclass(hint):
        return _dataclass_encoder(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value: value.value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union_encoder(arguments)
    if origin in (tuple, list, frozenset):
        items = [one for one in arguments if one is not Ellipsis]
        if origin is tuple and Ellipsis not in arguments:
            encoders = [_encoder(one) for one in items]
            return lambda value: [each(one) for each, one in zip(encoders, value, strict=True)]
        return _list_encoder(_later(_encoder, items[0]))
    if _is_mapping(origin):
        return _mapping_encoder(_encoder(arguments[0]), _later(_encoder, arguments[1]))
    return _same


def _list_encoder(get_item: Callable[[], _Encode]) -> _Encode:
    def to_plain(value: Any) -> Any:
        item = get_item()
        return [item(one) for one in value]

    return to_plain


def _mapping_encoder(key: _Encode, get_item: Callable[[], _Encode]) -> _Encode:
    def to_plain(value: Any) -> Any:
        item = get_item()
        return {key(name): item(one) for name, one in value.items()}

    return to_plain


def _later(make: Callable[[Any], Any], hint: Any) -> Callable[[], Any]:
    """Gives a coder that is built when it is first asked for, since types may contain themselves."""
    built: list[Any] = []

    def get() -> Any:
        if not built:
            built.append(make(hint))
        return built[0]

    return get


def _dataclass_encoder(cls: Any, tag: Mapping[str, str] | None = None) -> _Encode:
    """`tag`: what stands before the fields."""
    hints = typing.get_type_hints(cls)
    absent = dataclasses.MISSING

    def table(_: Any) -> Any:
        return [
            (one.name, _exact(hints[one.name]), _encoder(hints[one.name]), one.default, one.default_factory)
            for one in dataclasses.fields(cls)
        ]

    get_fields = _later(table, cls)

    def to_plain(value: Any) -> dict[str, Any]:
        plain: dict[str, Any] = {**tag} if tag else {}
        for name, exact, field_encoder, default, factory in get_fields():
            held = getattr(value, name)
            if held is default or (default is not absent and held == default and type(held) is type(default)):
                continue
            if factory is not absent and not held:
                continue
            plain[name] = held if type(held) is exact else field_encoder(held)
        return plain

    return to_plain


def _union_encoder(members: tuple[Any, ...]) -> _Encode:
    classes = [cls for cls in members if _is_dataclass(cls) and not hasattr(cls, "to_plain")]
    several = len(classes) > 1
    tagged = {cls: _dataclass_encoder(cls, {_TAG: cls.__name__} if several else None) for cls in classes}

    def to_plain(value: Any) -> Any:
        cls = type(value)
        encoder = tagged.get(cls) or _encoder(typing.cast("Any", cls))
        return encoder(value)

    return to_plain


@cache
def _decoder(hint: Any) -> _Decode:
    hint = _bare(hint)
    if hint is Any or hint is object:
        return check_value
    if hasattr(hint, "from_plain"):
        return _own_decoder(hint)
    if _is_dataclass(hint):
        return _dataclass_decoder(hint)
    if hint in (str, int, float, bool, type(None)):
        return _scalar_decoder(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_decoder(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return _literal_decoder(arguments)
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(arguments)
    if origin in (tuple, list, frozenset):
        return _sequence_decoder(origin, arguments)
    if _is_mapping(origin):
        return _mapping_decoder(arguments)
    raise TypeError(f"no plain form for {hint!r}")


def _is_dataclass(hint: Any) -> bool:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def _bare(hint: Any) -> Any:
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    return hint


def _is_mapping(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _expected(what: str, plain: object, where: _Path) -> CodecError:
    return CodecError(f"Expected {what}, found {_describe(plain)}.", where=where or "")


def _describe(plain: object) -> str:
    if plain is None:
        return "nothing"
    if isinstance(plain, (str, int, float)):
        return repr(plain)[:60]
    return (
        "a list"
        if isinstance(plain, (list, tuple))
        else "an object"
        if isinstance(plain, Mapping)
        else type(plain).__name__
    )


_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}


def _scalar_decoder(cls: Any) -> _Decode:
    def from_plain(plain: Any, where: _Path) -> Any:
        if type(plain) is cls and (cls is not float or math.isfinite(plain)):
            return plain
        if cls is float and type(plain) is int:
            return float(plain)
        if cls is float and type(plain) is float:
            raise CodecError("A number is not finite.", where=where or "")
        raise _expected(_WORDS[cls], plain, where)

    return from_plain


def _own_decoder(cls: Any) -> _Decode:
    def from_plain(plain: Any, where: _Path) -> Any:
        try:
            return cls.from_plain(plain)
        except CodecError as error:
            raise CodecError(error.what, where=where or "", mend=error.mend) from None

    return from_plain


def _enum_decoder(cls: Any) -> _Decode:
    def from_plain(plain: Any, where: _Path) -> Any:
        try:
            return cls(plain)
        except ValueError:
            raise _expected(f"one of {', '.join(str(one.value) for one in cls)}", plain, where) from None

    return from_plain


def _literal_decoder(allowed: tuple[Any, ...]) -> _Decode:
    def from_plain(plain: Any, where: _Path) -> Any:
        if plain in allowed:
            return plain
        raise _expected(f"one of {', '.join(map(str, allowed))}", plain, where)

    return from_plain


def _sequence_decoder(origin: Any, arguments: tuple[Any, ...]) -> _Decode:
    if origin is tuple and Ellipsis not in arguments:
        get_decoders = _later(lambda hints: [_decoder(one) for one in hints], arguments)

        def fixed(plain: Any, where: _Path) -> Any:
            decoders = get_decoders()
            if not isinstance(plain, (list, tuple)) or len(plain) != len(decoders):
                raise _expected(f"a list of {len(decoders)}", plain, where)
            if where is None:
                return tuple([each(one, None) for each, one in zip(decoders, plain, strict=True)])
            return tuple(
                [each(one, _item(where, at)) for at, (each, one) in enumerate(zip(decoders, plain, strict=True))]
            )

        return fixed
    get_item = _later(_decoder, arguments[0])

    def from_plain(plain: Any, where: _Path) -> Any:
        if not isinstance(plain, (list, tuple)):
            raise _expected("a list", plain, where)
        item = get_item()
        return origin([item(one, _item(where, at)) for at, one in enumerate(plain)])

    return from_plain


def _mapping_decoder(arguments: tuple[Any, ...]) -> _Decode:
    key, get_item, exact = _decoder(arguments[0]), _later(_decoder, arguments[1]), _exact(arguments[0])

    def from_plain(plain: Any, where: _Path) -> Any:
        if not isinstance(plain, (dict, Mapping)):
            raise _expected("an object", plain, where)
        item = get_item()
        if where is None:
            return {name if type(name) is exact else key(name, None): item(one, None) for name, one in plain.items()}
        return {key(name, where): item(one, _join(where, str(name))) for name, one in plain.items()}

    return from_plain


def _dataclass_decoder(cls: Any, tag: str | None = None) -> _Decode:
    """`tag`: a name that is no field, and may stand among them."""
    hints = typing.get_type_hints(cls)

    def table(_: Any) -> Any:
        return {one.name: (_exact(hints[one.name]), _decoder(hints[one.name])) for one in dataclasses.fields(cls)}

    get_fields = _later(table, cls)
    needed = frozenset(
        one.name
        for one in dataclasses.fields(cls)
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    )

    def from_plain(plain: Any, where: _Path) -> Any:
        if not isinstance(plain, (dict, Mapping)):
            raise _expected("an object", plain, where)
        fields = get_fields()
        arguments = {}
        for name, held in plain.items():
            field = fields.get(name)
            if field is None:
                if name == tag:
                    continue
                raise CodecError(f"There is no field '{name}'.", where=where or "", mend=f"Known: {', '.join(fields)}.")
            exact, decoder = field
            arguments[name] = (
                held if type(held) is exact else decoder(held, None if where is None else _join(where, name))
            )
        if not needed <= arguments.keys():
            missing = next(name for name in fields if name in needed and name not in arguments)
            raise CodecError(f"The field '{missing}' is missing.", where=where or "")
        return cls(**arguments)

    return from_plain


def _exact(hint: Any) -> Any:
    """The class whose instances need no further look, or None."""
    hint = _bare(hint)
    return hint if hint in (str, int, bool) else None


def _union_decoder(members: tuple[Any, ...]) -> _Decode:
    tagged: dict[str, Any] = {
        cls.__name__: cls for cls in members if _is_dataclass(cls) and not hasattr(cls, "from_plain")
    }
    rest = [_decoder(one) for one in members if one not in tagged.values()]
    several = len(tagged) > 1
    get_tagged = _later(
        lambda classes: {name: _dataclass_decoder(cls, _TAG if several else None) for name, cls in classes.items()},
        tagged,
    )

    def from_plain(plain: Any, where: _Path) -> Any:
        if several and isinstance(plain, (dict, Mapping)) and _TAG in plain:
            name = plain[_TAG]
            of_class = get_tagged().get(name) if isinstance(name, str) else None
            if of_class is None:
                raise _expected(f"one of {', '.join(tagged)}", name, _join(where, _TAG))
            return of_class(plain, where)
        if tagged and not several and isinstance(plain, (dict, Mapping)):
            return next(iter(get_tagged().values()))(plain, where)
        for decoder in rest:
            try:
                return decoder(plain, where)
            except CodecError:
                continue
        raise _expected(
            " or ".join([*tagged, *(_WORDS.get(one, str(one)) for one in members if one not in tagged.values())]),
            plain,
            where,
        )

    return from_plain
