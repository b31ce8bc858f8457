"""Random messages of every type, from the types' own hints."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import Enum
from typing import Any

from hypothesis import strategies as st

from studio.graph.diff import diff
from studio.graph.edits import AnyEdit
from studio.graph.graph import Graph
from studio.graph.spec import Catalog
from studio.protocol.messages import Event, Message
from tests.graph.catalog import CATALOG
from tests.strategies import graphs, numbers

SENT = typing.get_args(Message)
RECEIVED = typing.get_args(Event)

_texts = st.text(max_size=8) | st.sampled_from(["\ud800", "\0", '"\\\n', "\u2028"])
"""Paths may hold half of a surrogate pair, names anything."""


def any_of(cls: type) -> st.SearchStrategy[Any]:
    """Values of a message class."""
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{one.name: _of(hints[one.name]) for one in dataclasses.fields(cls)})


def _of(hint: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - any type
    if hint == AnyEdit:
        return st.builds(diff, graphs(most=3), graphs(most=3)) | st.builds(diff, st.just(Graph()), graphs(most=3))
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    scalars = {str: _texts, int: st.integers(), float: numbers, bool: st.booleans(), type(None): st.none()}
    if hint in scalars:
        return scalars[hint]
    if hint is Catalog:
        return st.sampled_from([Catalog(), CATALOG])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return any_of(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([_of(one) for one in arguments])
    if origin is tuple and Ellipsis in arguments:
        return st.lists(_of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(_of(one) for one in arguments))
    raise TypeError(f"no strategy for {hint}")
