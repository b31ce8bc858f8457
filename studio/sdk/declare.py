"""`@node`: a function becomes a node. Its type hints are its sockets, its defaults its controls, its docstring its help."""

from __future__ import annotations

import functools
import inspect
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar, cast, get_origin

from studio.graph import spec
from studio.graph.check import value_problems
from studio.graph.errors import DeclarationError
from studio.graph.graph import NodeId
from studio.graph.spec import Control, Input, Migration, NodeSpec, Output
from studio.graph.types import SocketType, innermost
from studio.sdk.controls import Declared
from studio.sdk.definition import DEFINITION, NodeDefinition
from studio.sdk.digest import code_digest
from studio.sdk.docstring import Help, read_docstring
from studio.sdk.hints import Hint, NoSocketType, hints_of, read_hint

F = TypeVar("F", bound=Callable[..., Any])

_TYPE: Final = re.compile(r"[A-Za-z][\w-]*(/[A-Za-z][\w-]*)+")
_CONTROLS: Final[Mapping[str, tuple[type, ...]]] = {
    "Int": (spec.Number, spec.Seed),
    "Float": (spec.Number,),
    "Bool": (spec.Toggle,),
    "Text": (spec.TextField, spec.Options, spec.ModelField),
    "Choice": (spec.Options,),
    "Color": (spec.ColorField,),
    "Curve": (spec.CurveField,),
    "FilePath": (spec.FileField,),
}
"""Which controls edit which type."""


def node(
    type: str,
    *,
    title: str = "",
    version: int = 1,
    needs: Callable[..., Collection[str]] | None = None,
    output: str = "",
    aliases: Sequence[str] = (),
    migrations: Sequence[Migration] = (),
    effect: bool = False,
    live: bool = False,
    volatile: bool = False,
    background: bool = False,
    fingerprint: Callable[..., str] | None = None,
    deprecated: str = "",
) -> Callable[[F], F]:
    """Make a function a node of the type `category/Name`. The function itself stays as it is, to be called like any other.

    An argument without a default is a socket that has to be linked; `X | None = None` one that may be left open; `Lazy[X]` one that is
    computed only where `needs`, called with the other arguments that it names, returns its name. A default, plain or a control, makes a
    parameter. A `NamedTuple` as result gives one output a field; a single output is called `output`, or after its type.

    `version` counts changes of the node's arguments, and `migrations` says how to get from each to the next. `aliases` are further words to
    find it by. `effect`: it is run for what it does, as saving is (a node without outputs always is). `live`: it reports steps
    with previews. `volatile`: its result is never kept. `background`: it saves something, which may overlap the next node's work.
    `fingerprint`: called with the parameters that it names; what it returns counts in the key of the result, beside the parameters.
    `deprecated`: what to use instead.

    Raises `DeclarationError`, naming the function, the argument and the mend, for a function that cannot be a node.
    """
    local = sys._getframe(1).f_locals

    def declare(function: F) -> F:
        reader = _Reader(function, local)
        if version < 1:
            raise reader.error(f"The version is {version}.", mend="Versions are counted from 1.")
        declared = NodeSpec(
            type=_checked_type(type, function),
            title=title or _title(type),
            doc=reader.help.text,
            inputs=reader.inputs(),
            outputs=reader.outputs(output),
            version=version,
            code=code_digest(function),
            effect=effect or not reader.has_result,
            live=live,
            aliases=tuple(aliases),
            migrations=tuple(migrations),
            deprecated=deprecated,
        )
        reader.check_help(declared)
        _check_migrations(declared, function)
        definition = NodeDefinition(
            declared,
            function,
            needs=_lazy_needs(needs, declared, function),
            files=tuple(
                one.name
                for one in declared.inputs
                if isinstance(one.control, spec.FileField) and one.control.kind == "open"
            ),
            fingerprint=_naming(fingerprint, "fingerprint", declared.parameters, function),
            volatile=volatile,
            background=background,
        )
        reader.leave_plain_defaults()
        setattr(function, DEFINITION, definition)
        return function

    return declare


class _Reader:
    """Reads one function's declaration."""

    def __init__(self, function: Callable[..., Any], local: Mapping[str, object]) -> None:
        if not inspect.isfunction(function) or inspect.iscoroutinefunction(function):
            raise DeclarationError(
                "A node is a plain function.", where=getattr(function, "__qualname__", repr(function))
            )
        self.function = function
        self.local = local
        self.hints = hints_of(function, local)
        self.signature = inspect.signature(function)
        self.help: Help = read_docstring(function.__doc__)

    def error(self, what: str, argument: str = "", mend: str = "") -> DeclarationError:
        where = f"{self.function.__module__}.{self.function.__qualname__}"
        return DeclarationError(what, where=f"{where}, argument '{argument}'" if argument else where, mend=mend)

    @property
    def has_result(self) -> bool:
        return self.hints.get("return", None) not in (None, type(None))

    def inputs(self) -> tuple[Input, ...]:
        inputs = tuple(self._input(name, one) for name, one in self.signature.parameters.items())
        parameters = {one.name for one in inputs if one.control is not None}
        for one in inputs:
            if one.shown is not None and one.shown.parameter not in parameters - {one.name}:
                raise self.error(
                    f"It is shown by the parameter '{one.shown.parameter}', which is not there.",
                    one.name,
                    f"Parameters are: {', '.join(sorted(parameters))}.",
                )
        return inputs

    def _input(self, name: str, argument: inspect.Parameter) -> Input:
        if argument.kind not in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY):
            raise self.error(
                "Every input of a node has a name.",
                name,
                "Leave out *args, **kwargs and `/`; a list takes several values.",
            )
        if name not in self.hints:
            raise self.error("The type hint is missing.", name, f"Write `{name}: Image`, or what it takes.")
        try:
            hint = read_hint(self.hints[name])
        except NoSocketType as refused:
            raise self.error(refused.what, name, refused.mend) from None
        doc = self.help.arguments.get(name, "")
        default = argument.default
        if isinstance(default, Declared):
            control = self._fitting(name, hint, default.control)
            type = hint.type if not isinstance(control, spec.Options) else SocketType("Choice")
            declared = Input(name, type, doc, control, default.default, shown=default.shown, advanced=default.advanced)
            return self._parameter(declared, hint)
        if default is argument.empty or default is None:
            if default is None and not (hint.optional or hint.lazy):
                raise self.error("None is no value of its type.", name, f"Write `{name}: {hint.type} | None = None`.")
            optional = default is None if hint.lazy else hint.optional
            return Input(name, hint.type, doc, optional=optional, lazy=hint.lazy)
        return self._parameter(Input(name, hint.type, doc, self._plain_control(name, hint, default), default), hint)

    def _parameter(self, declared: Input, hint: Hint) -> Input:
        if hint.optional or hint.lazy:
            raise self.error(
                "An input that may be missing, or is lazy, holds no value of its own.",
                declared.name,
                "Give it the default None, or leave out `| None` and Lazy.",
            )
        value = declared.default
        if isinstance(value, float) and not math.isfinite(value):
            raise self.error(f"The default is {value}.", declared.name, "Give a finite number.")
        if declared.type.name == "Float" and isinstance(value, int) and not isinstance(value, bool):
            declared = replace(declared, default=float(value))
        for problem in value_problems(NodeId("default"), declared, declared.default):
            raise self.error(f"The default does not fit: {problem.what}", declared.name, problem.mend)
        return declared

    def _fitting(self, name: str, hint: Hint, control: Control) -> Control:
        if not isinstance(control, _CONTROLS.get(hint.type.name, ())):
            known = ", ".join(one.__name__ for one in _CONTROLS.get(hint.type.name, ()))
            raise self.error(
                f"The control {control.__class__.__name__} does not edit {hint.type}.",
                name,
                f"Controls for it: {known}."
                if known
                else "Only numbers, texts, choices, colours and paths have controls.",
            )
        if hint.choices and isinstance(control, spec.Options) and control.choices != hint.choices:
            raise self.error("The choices of the hint and of the control differ.", name, "Write them once.")
        return control

    def _plain_control(self, name: str, hint: Hint, default: object) -> Control:
        if hint.choices:
            return spec.Options(hint.choices)
        match hint.type.name:
            case "Int":
                return spec.Number(step=1)
            case "Float":
                return spec.Number()
            case "Bool":
                return spec.Toggle()
            case "Text":
                return spec.TextField()
            case "Color":
                return spec.ColorField()
            case "Curve":
                return spec.CurveField()
            case "FilePath":
                return spec.FileField()
        raise self.error(
            f"{hint.type} cannot have the default {default!r}.",
            name,
            f"Leave the default out, or write `{name}: {hint.type} | None = None`.",
        )

    def outputs(self, name: str) -> tuple[Output, ...]:
        if "return" not in self.hints and self.signature.return_annotation is inspect.Signature.empty:
            raise self.error("The type hint of the result is missing.", mend="Write `-> Image:`, or `-> None:`.")
        if not self.has_result:
            return ()
        hint = self.hints["return"]
        origin = get_origin(hint)
        if isinstance(origin, type) and hasattr(origin, "_fields"):
            hint = origin  # a generic NamedTuple: its fields name the type variables themselves
        if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
            fields, docs = hints_of(hint, self.local), self.help.outputs
            return tuple(Output(field, self._result(fields[field]), docs.get(field, "")) for field in hint._fields)
        result = self._result(hint)
        named = name or _output_name(result)
        return (Output(named, result, self.help.result or self.help.outputs.get(named, "")),)

    def _result(self, hint: Any) -> SocketType:  # noqa: ANN401 - a type hint may be anything
        try:
            read = read_hint(hint)
        except NoSocketType as refused:
            raise self.error(f"The result: {refused.what}", mend=refused.mend) from None
        if read.optional or read.lazy:
            raise self.error("A result cannot be missing.", mend="Raise ValueRefused where there is none.")
        return read.type

    def check_help(self, declared: NodeSpec) -> None:
        """A description of what is not there is a slip of the pen."""
        for name in self.help.arguments:
            if name not in declared.inputs_by_name:
                raise self.error(f"The docstring describes the argument '{name}', which is not there.")
        for name in self.help.outputs:
            if name not in declared.outputs_by_name:
                raise self.error(f"The docstring describes the output '{name}', which is not there.")

    def leave_plain_defaults(self) -> None:
        function = cast(Any, self.function)
        if function.__defaults__:
            function.__defaults__ = tuple(_plain(one) for one in function.__defaults__)
        if function.__kwdefaults__:
            function.__kwdefaults__ = {name: _plain(one) for name, one in function.__kwdefaults__.items()}


def _plain(default: object) -> object:
    return default.default if isinstance(default, Declared) else default


def _checked_type(type: str, function: Callable[..., Any]) -> str:
    if not _TYPE.fullmatch(type):
        raise DeclarationError(
            f"'{type}' cannot be a node type.", where=function.__qualname__, mend="Write category/Name, as image/Blur."
        )
    return type


def _title(type: str) -> str:
    """`EncodePrompt` gives `Encode prompt`, `VAEDecode` gives `VAE decode`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+|[a-z]+|\d+", type.rpartition("/")[2])
    return " ".join(word if at == 0 or word.isupper() else word.lower() for at, word in enumerate(words))


_SHORT: Final = {"Int": "number", "Float": "number", "Bool": "value", "Any": "value", "FilePath": "path"}


def _output_name(type: SocketType) -> str:
    """`TextEncoder` gives `text_encoder`, a list of it `text_encoders`; a generic or mixed type gives `value`."""
    single = innermost(type)
    if single.variable or single.options:
        name = "value"
    else:
        own = single.name.rpartition(".")[2]
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", own).replace("-", "_").lower()
        name = _SHORT.get(own, words)
    return f"{name}s" if type.item is not None else name


def _check_migrations(declared: NodeSpec, function: Callable[..., Any]) -> None:
    where = function.__qualname__
    steps = [migration.to for migration in declared.migrations]
    if sorted(set(steps)) != steps or any(not 1 < step <= declared.version for step in steps):
        raise DeclarationError(
            f"The migrations lead to the versions {steps}; the node's version is {declared.version}.",
            where=where,
            mend="One migration for each new version, in their order, none beyond the node's own.",
        )
    for migration in declared.migrations[-1:] if steps and steps[-1] == declared.version else ():
        for name in (*migration.renamed.values(), *migration.added, *migration.replaced):
            if name not in declared.inputs_by_name:
                raise DeclarationError(
                    f"The migration to version {migration.to} names '{name}', which is not there.", where=where
                )
        for name in migration.renamed_outputs.values():
            if name not in declared.outputs_by_name:
                raise DeclarationError(
                    f"The migration to version {migration.to} names the output '{name}', which is not there.",
                    where=where,
                )


def _lazy_needs(
    needs: Callable[..., Collection[str]] | None, declared: NodeSpec, function: Callable[..., Any]
) -> Callable[..., Collection[str]] | None:
    lazy = {one.name for one in declared.inputs if one.lazy}
    if bool(lazy) != (needs is not None):
        raise DeclarationError(
            "It has lazy inputs, but does not say which it needs." if lazy else "It has no lazy inputs to ask for.",
            where=function.__qualname__,
            mend="Give @node a function `needs` and mark inputs with Lazy[...]: the two belong together.",
        )
    asked = _naming(needs, "needs", [one for one in declared.inputs if not one.lazy], function)
    if asked is None:
        return None

    def wanted(**given: object) -> Collection[str]:
        names: Collection[str] = asked(**given)
        if isinstance(names, str) or not set(names) <= lazy:
            raise DeclarationError(
                f"`needs` of {declared.type} returned {names!r}.",
                where=function.__qualname__,
                mend=f"Return a set of names; lazy inputs are: {', '.join(sorted(lazy))}.",
            )
        return names

    return wanted


def _naming(
    asked: Callable[..., Any] | None, what: str, known: Iterable[Input], function: Callable[..., Any]
) -> Callable[..., Any] | None:
    """The function, to be called with all of `known` by keyword: it gets those that it names."""
    if asked is None:
        return None
    names = {one.name for one in known}
    arguments = inspect.signature(asked).parameters.values()
    takes_all = any(one.kind is one.VAR_KEYWORD for one in arguments)
    wanted = {one.name for one in arguments if one.kind is not one.VAR_KEYWORD}
    if not wanted <= names:
        raise DeclarationError(
            f"`{what}` takes {', '.join(sorted(wanted - names))}, which the node does not give it.",
            where=function.__qualname__,
            mend=f"It may take: {', '.join(sorted(names))}.",
        )

    @functools.wraps(asked)
    def call(**given: object) -> Any:  # noqa: ANN401 - whatever the author's function returns
        return asked(**(given if takes_all else {name: value for name, value in given.items() if name in wanted}))

    return call
