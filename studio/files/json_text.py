"""JSON as we read and write it: oddities are marked instead of lost, and one change of a value is one changed line."""

from __future__ import annotations

import gc
import json
import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from json.encoder import encode_basestring
from typing import Any, Final

from studio.graph.errors import CodecError
from studio.graph.graph import Value

MOST_BYTES: Final = 64 * 2**20
"""Of one file. A larger one is refused unread, and none is written: one of 100,000 nodes takes about a third of it."""
MOST_VALUES: Final = 1_000_000
"""In one file, as `count_values` counts. Opening that many takes up to four seconds and half a gigabyte."""
MOST_NESTED: Final = 200
"""Levels within one value; the codec refuses deeper ones as well."""
_WIDTH: Final = 100
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_DIGITS: Final = re.compile("([0-9]+)")


class NotFinite(str):
    """A bare `NaN`, `Infinity` or `-Infinity`, or a number beyond the range of a float, as its text."""

    __slots__ = ()


class Repeated(dict[str, Any]):
    """An object in which a key stood several times. The last value holds; `earlier` are the others."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        last = {key: at for at, (key, _) in enumerate(pairs)}
        self.earlier = tuple((key, value) for at, (key, value) in enumerate(pairs) if last[key] != at)


def parse(text: str) -> Value:
    """The data of a JSON text, with `NotFinite` and `Repeated` where they occur.

    Raises `json.JSONDecodeError`, `RecursionError` for nesting beyond what Python takes, and `ValueError` for a whole number of more than
    some thousand digits.
    """
    with no_collection():
        return json.loads(text, object_pairs_hook=_object, parse_constant=NotFinite, parse_float=_float)


@contextmanager
def no_collection() -> Iterator[None]:
    """Hold off the garbage collector while a large tree without circles is built: it would walk what is there again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def count_values(text: str) -> int:
    """At most how many values a JSON text holds: a quick count that takes separators within strings for real ones."""
    return text.count(",") + text.count("{") + text.count("[")


class Numbering:
    """Names made unique by a number at their end, in constant time however many there are of one name."""

    def __init__(self, pattern: str) -> None:
        """`pattern` holds `{name}` and `{count}`."""
        self._pattern = pattern
        self._counts: dict[str, int] = {}

    def free(self, name: str, taken: Container[str]) -> str:
        """`name`, or where that is taken, the next free one made from it."""
        made, count = name, self._counts.get(name, 1)
        while made in taken:
            count += 1
            made = self._pattern.format(name=name, count=count)
        self._counts[name] = count
        return made


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    return held if len(held) == len(pairs) else Repeated(pairs)


def _float(text: str) -> float | NotFinite:
    value = float(text)
    return value if math.isfinite(value) else NotFinite(text)


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key under which `Blur_2` comes before `blur_10`. Equal for equal texts only."""
    parts = _DIGITS.split(text.casefold())
    words = tuple((len(part.lstrip("0")), part.lstrip("0")) if at % 2 else (0, part) for at, part in enumerate(parts))
    return (*words, (0, text))


def naturally(names: Iterable[str]) -> list[str]:
    """Names in the order a person expects."""
    return sorted(names, key=natural)


def lay_out(plain: Mapping[str, Any]) -> str:
    """A JSON text: a key or list item a line, but short lists, and short objects within lists, on one. Ends with a newline.

    Keys keep their order. Raises `CodecError` with the place for what is no plain data.
    """
    text = _object_text(plain, "", "", 0) + "\n"
    if not text.isascii():
        text = _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text


def _value_text(value: Value, pad: str, where: str, depth: int) -> str:
    if type(value) is str:
        return encode_basestring(value)
    if value is True or value is False or value is None or type(value) in (int, float):
        return _scalar_text(value, where)
    if depth > MOST_NESTED + 10:
        raise CodecError("The data is nested too deeply.", where=where)
    if isinstance(value, Mapping):
        return _object_text(value, pad, where, depth)
    if isinstance(value, (list, tuple)):
        return _list_text(value, pad, where, depth)
    if isinstance(value, str):
        return encode_basestring(value)
    raise CodecError(f"{type(value).__name__} is not plain data.", where=where)


def _scalar_text(value: Value, where: str) -> str:
    if type(value) is float:
        if not math.isfinite(value):
            raise CodecError("A number is not finite.", where=where)
        return float.__repr__(value)
    if type(value) is int:
        try:
            return int.__repr__(value)
        except ValueError:
            raise CodecError("A whole number has more digits than can be read back.", where=where) from None
    return "null" if value is None else "true" if value else "false"


def _object_text(value: Mapping[str, Any], pad: str, where: str, depth: int) -> str:
    if not value:
        return "{}"
    inner = pad + "  "
    lines = []
    for key, held in value.items():
        if not isinstance(key, str):
            raise CodecError(f"A key is {type(key).__name__}, not a text.", where=where)
        place = f"{where}.{key}" if where else key
        lines.append(f"{inner}{encode_basestring(key)}: {_value_text(held, inner, place, depth + 1)}")
    return "{\n" + ",\n".join(lines) + f"\n{pad}}}"


def _list_text(value: list[Any] | tuple[Any, ...], pad: str, where: str, depth: int) -> str:
    inner = pad + "  "
    items = [_value_text(one, inner, f"{where}[{at}]", depth + 1) for at, one in enumerate(value)]
    short = [_on_one_line(item) for item in items]
    if sum(map(len, short)) + 2 * len(short) <= _WIDTH:
        return f"[{', '.join(short)}]"
    lines = (one if len(one) <= _WIDTH else whole for one, whole in zip(short, items, strict=True))
    return "[\n" + ",\n".join(inner + line for line in lines) + f"\n{pad}]"


_BREAK: Final = re.compile(r"(?<=[{\[])\n *|\n *(?=[}\]])|(?P<between>\n *)")


def _on_one_line(text: str) -> str:
    """A laid-out value without its line breaks. Those within a JSON string are escaped, so that each one found is layout."""
    return text if "\n" not in text else _BREAK.sub(lambda found: " " if found["between"] else "", text)
