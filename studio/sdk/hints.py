"""Type hints as socket types."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar, Union

from studio.graph.errors import DeclarationError
from studio.graph.types import ANY, CHOICE, SocketType, list_of, one_of, plain, variable
from studio.sdk.socket_types import name_of_class

T = TypeVar("T")


class _Lazy:
    """The mark of a lazy input."""


_LAZY: Final = _Lazy()

Lazy: TypeAlias = Annotated[T | None, _LAZY]
"""`on: Lazy[Image]`: computed only where the node's `needs` asks for it, else None."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What an argument's type hint says. `choices` where it is a `Literal`."""

    type: SocketType
    optional: bool = False
    lazy: bool = False
    choices: tuple[str, ...] = ()


class NoSocketType(Exception):
    """A hint that no socket has. `what` and `mend` for the author."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.what = what
        self.mend = mend


def hints_of(function: Callable[..., Any], local: Mapping[str, object]) -> dict[str, Any]:
    """The evaluated type hints, whether or not they are texts. Raises `DeclarationError` for a name that is not there at run time."""
    try:
        return typing.get_type_hints(function, localns=dict(local), include_extras=True)
    except NameError as error:
        raise DeclarationError(
            f"The type hint '{error.name}' is not known when the node is declared.",
            where=function.__qualname__,
            mend="Import it at the top of the module, not under `if TYPE_CHECKING:`.",
        ) from error
    except TypeError as error:
        raise DeclarationError(f"A type hint cannot be read: {error}.", where=function.__qualname__) from error


def read_hint(hint: Any) -> Hint:  # noqa: ANN401 - a type hint may be anything
    """The socket that a hint describes. Raises `NoSocketType`."""
    lazy = False
    if typing.get_origin(hint) is Annotated:
        lazy = any(isinstance(mark, _Lazy) for mark in hint.__metadata__)
        hint = hint.__origin__
    options = _options(hint)
    optional = type(None) in options
    rest = tuple(one for one in options if one is not type(None))
    if not rest:
        raise NoSocketType("None is no socket type.", "Name the type that the socket takes.")
    choices: tuple[str, ...] = ()
    if len(rest) == 1 and typing.get_origin(rest[0]) is Literal:
        choices = _literals(rest[0])
        return Hint(CHOICE, optional, lazy, choices)
    types_ = [_single(one) for one in rest]
    return Hint(types_[0] if len(types_) == 1 else one_of(*types_), optional and not lazy, lazy, choices)


def _options(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401
    if typing.get_origin(hint) in (Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _literals(hint: Any) -> tuple[str, ...]:  # noqa: ANN401
    values = typing.get_args(hint)
    if not all(isinstance(one, str) for one in values):
        raise NoSocketType("A choice is between texts.", 'Write Literal["this", "that"].')
    return values


def _single(hint: Any) -> SocketType:  # noqa: ANN401
    if hint is Any:
        return ANY
    if isinstance(hint, TypeVar):
        if hint.__constraints__ or hint.__bound__ is not None:
            raise NoSocketType(
                f"The type variable {hint.__name__} is bounded; a generic socket takes every type.",
                "Write the alternatives as `Image | Latent`.",
            )
        return variable(hint.__name__)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list and len(arguments) == 1:
        item = read_hint(arguments[0])
        if item.optional:
            raise NoSocketType("The items of a list cannot be missing.", "Write list[Image], without `| None`.")
        return list_of(item.type)
    name = name_of_class(hint) if isinstance(hint, type) and origin is None else None
    if name is not None:
        return plain(name)
    if hint is list or hint in (tuple, set, dict) or origin is not None:
        raise NoSocketType(f"{_written(hint)} is no socket type.", "For several values of one type, write list[Image].")
    raise NoSocketType(
        f"{_written(hint)} is no socket type.",
        "Use a type of the SDK, or make the class one with @value_type.",
    )


def _written(hint: Any) -> str:  # noqa: ANN401
    return hint.__qualname__ if isinstance(hint, type) and typing.get_origin(hint) is None else str(hint)
