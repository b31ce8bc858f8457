"""One call of a node: inputs converted and checked, the function called, its outputs checked. Inputs stay as they were.

A numpy array of an input is read-only. A tensor of an input is handed out as a copy, since torch has no such thing; a function that
writes into it has done no harm, but is told all the same, so that it is mended before somebody relies on it.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Collection, Mapping
from types import FrameType, TracebackType
from typing import Any, TypeAlias

import numpy as np

from studio.graph.check import value_problems
from studio.graph.errors import UnknownSocket, ValueRefused
from studio.graph.graph import NodeId
from studio.graph.spec import Control, Input, NodeSpec, Number, TextField, Toggle
from studio.sdk.border import Convert, adapt_value, adapter, check_value, checker, placed
from studio.sdk.definition import NodeDefinition
from studio.sdk.values.arrays import arrays_in, map_tensors, tensors_in
from studio.sdk.values.image import Image
from studio.sdk.values.mask import Mask
from studio.sdk.values.text import Color, Curve, FilePath

_WITHOUT_TENSORS = frozenset({bool, int, float, str, type(None), Color, Curve, FilePath, Image, Mask})
"""Classes of values that are not looked into: most of what travels."""
_UNCHANGING = frozenset({bool, int, float, str, type(None), Color, Curve, FilePath})
_MEND = "Work on a copy: take array.copy() or tensor.clone() first."


class Caller:
    """Calls one node, again and again: what does not depend on the values is worked out once."""

    def __init__(self, definition: NodeDefinition) -> None:
        self._spec = definition.spec
        self._function = definition.function
        self._entrances = {one.name: _Entrance(one) for one in self._spec.inputs}
        self._defaults: dict[str, Any] = {}
        """Checked values that a call cannot change, so that all calls may share them."""
        self._exits: tuple[_Exit, ...] = tuple((one.name, checker(one.type)) for one in self._spec.outputs)

    def fixed(self, parameters: Mapping[str, object], linked: Collection[str], node: str = "") -> dict[str, Any]:
        """Values of all inputs but those that are linked, converted and checked; they may serve for many calls. Raises `ValueRefused`."""
        fixed: dict[str, Any] = {}
        defaults = self._defaults
        for one in self._spec.inputs:
            name = one.name
            if name in linked:
                continue
            if name in defaults and name not in parameters:
                fixed[name] = defaults[name]
                continue
            value = fixed[name] = _input(one, parameters, node)
            if name not in parameters and value.__class__ in _UNCHANGING:
                defaults[name] = value
        return fixed

    def call(self, fixed: Mapping[str, Any], linked: Mapping[str, object], node: str = "") -> tuple[Any, ...]:
        """The outputs of one call, in their declared order. `linked`: values that came along wires, by input.

        Raises `ValueRefused` for inputs and outputs that are not what the node declared; what the function raises goes through.
        """
        given = dict(fixed)
        guarded: list[tuple[str, Any, int]] = []
        for name, value in linked.items():
            entered = given[name] = self._entrances[name].enter(value, node)
            if entered.__class__ not in _WITHOUT_TENSORS:
                guarded.extend((name, tensor, _version(tensor)) for tensor in tensors_in(entered))
        try:
            result = self._function(**given)
        except ValueRefused as refused:
            if refused.node:
                raise
            raise placed(refused, node, refused.socket) from refused
        except Exception as error:
            # numpy raises ValueError, OpenCV a class of its own.
            socket = _written_input(error, given)
            if socket is None:
                raise
            raise _writes_into(node, socket) from error
        for name, tensor, version in guarded:
            if _version(tensor) != version:
                raise _writes_into(node, name)
        return self._outputs(result, node)

    def _outputs(self, result: object, node: str) -> tuple[Any, ...]:
        exits = self._exits
        if len(exits) == 1:
            return (_checked(exits[0], result, node),)
        if not exits and result is None:
            return ()
        if not isinstance(result, tuple) or len(result) != len(exits):
            raise self._wrong_count(result, node)
        return tuple([_checked(exit, value, node) for exit, value in zip(exits, result, strict=True)])

    def _wrong_count(self, result: object, node: str) -> ValueRefused:
        returned = f"but returned {type(result).__name__}."
        if not self._exits:
            return ValueRefused(f"It declares no output, {returned}", node=node)
        return ValueRefused(f"It has the outputs {', '.join(name for name, _ in self._exits)}, {returned}", node=node)


_Exit: TypeAlias = tuple[str, Convert]


def _checked(exit: _Exit, value: object, node: str) -> Any:  # noqa: ANN401 - of the declared type
    name, check = exit
    try:
        return check(value)
    except ValueRefused as refused:
        raise placed(refused, node, name) from refused.__cause__


class _Entrance:
    """Where values come into a node by a link."""

    __slots__ = ("_adapt", "_declared", "_ranged")

    def __init__(self, declared: Input) -> None:
        self._declared = declared
        self._adapt = adapter(declared.type)
        self._ranged = declared.control is not None and not _takes_all(declared.control)

    def enter(self, value: object, node: str) -> Any:  # noqa: ANN401 - of the declared type
        declared = self._declared
        if value is None:
            return _input(declared, {declared.name: None}, node)
        try:
            adapted = self._adapt(value)
        except ValueRefused as refused:
            raise placed(refused, node, declared.name) from refused.__cause__
        if self._ranged:
            _check_range(declared, adapted, node)
        return adapted if adapted.__class__ in _WITHOUT_TENSORS else map_tensors(adapted, _copy)


def call_node(definition: NodeDefinition, inputs: Mapping[str, object], node: str = "") -> dict[str, Any]:
    """The outputs of one call, by name.

    `inputs`: by name; parameters that are missing have their default. Lists on inputs that take one item are not mapped over. `node`: the
    id for errors. Raises `ValueRefused` and `UnknownSocket` for inputs and outputs that are not what the node declared; what the function
    raises goes through.
    """
    spec = definition.spec
    _check_names(spec, inputs, node)
    linked = {one.name: inputs[one.name] for one in spec.inputs if one.control is None and one.name in inputs}
    caller = Caller(definition)
    outputs = caller.call(caller.fixed(inputs, linked, node), linked, node)
    return dict(zip((one.name for one in spec.outputs), outputs, strict=True))


def prepare(spec: NodeSpec, inputs: Mapping[str, object], node: str = "") -> dict[str, Any]:
    """Every input of the spec, converted to its type and checked. Raises `ValueRefused` and `UnknownSocket`."""
    _check_names(spec, inputs, node)
    return {one.name: _input(one, inputs, node) for one in spec.inputs}


def _check_names(spec: NodeSpec, inputs: Mapping[str, object], node: str) -> None:
    for name in inputs:
        if name not in spec.inputs_by_name:
            raise UnknownSocket(node or spec.type, name, tuple(spec.inputs_by_name))


def _input(declared: Input, inputs: Mapping[str, object], node: str) -> Any:  # noqa: ANN401 - of the declared type
    value = inputs.get(declared.name)
    if value is None:
        if declared.name not in inputs and declared.control is not None:
            value = declared.default
        elif declared.optional or declared.lazy:
            return None
        else:
            raise ValueRefused(
                "The input is not connected.",
                node=node,
                socket=declared.name,
                mend=f"Connect an output of type {declared.type}.",
            )
    if declared.control is None:
        return map_tensors(adapt_value(value, declared.type, node=node, socket=declared.name), _copy)
    converted = check_value(value, declared.type, node=node, socket=declared.name)
    _check_range(declared, converted, node)
    return converted


def _check_range(declared: Input, value: object, node: str) -> None:
    for problem in value_problems(NodeId(node), declared, value):
        raise ValueRefused(problem.what, node=node, socket=declared.name, mend=problem.mend)


def _takes_all(control: Control) -> bool:
    """Whether whatever has the right type is right for the control."""
    if isinstance(control, Number):
        return control.low is None and control.high is None
    return isinstance(control, (TextField, Toggle))


def _copy(tensor: Any) -> Any:  # noqa: ANN401 - torch is not imported here
    return tensor.detach().clone()


def _version(tensor: Any) -> int:  # noqa: ANN401 - torch is not imported here
    """torch counts writes; a tensor made in inference mode has no counter."""
    return 0 if tensor.is_inference() else int(tensor._version)


def _writes_into(node: str, socket: str) -> ValueRefused:
    return ValueRefused(
        "The node writes into its input, which others may still need.", node=node, socket=socket, mend=_MEND
    )


def _written_input(error: BaseException, given: Mapping[str, Any]) -> str | None:
    """The input whose read-only array somebody tried to write into; None where that is not what went wrong."""
    text = str(error)
    if "read-only" not in text and "readonly" not in text:
        return None
    arrays = {name: list(arrays_in(value)) for name, value in given.items()}
    holders = [name for name, held in arrays.items() if held]
    if len(holders) == 1:
        return holders[0]
    for frame, line in reversed(_frames(error.__traceback__)):
        for value in _values_named(frame, line):
            for name in holders:
                if any(np.may_share_memory(one, other) for one in arrays_in(value) for other in arrays[name]):
                    return name
    return None


def _frames(traceback: TracebackType | None) -> list[tuple[FrameType, int]]:
    found = []
    while traceback is not None:
        found.append((traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found


def _values_named(frame: FrameType, line: int) -> list[object]:
    """The local values that a line of source names, what it writes to first; all local values where the line cannot be read."""
    source = linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip()
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return list(frame.f_locals.values())
    targets: list[ast.AST] = []
    for one in ast.walk(tree):
        if isinstance(one, ast.Assign):
            targets.extend(one.targets)
        elif isinstance(one, ast.AugAssign):
            targets.append(one.target)
        elif isinstance(one, ast.Call):
            targets.extend(keyword.value for keyword in one.keywords if keyword.arg in ("out", "dst"))
    names = [one.id for place in (*targets, tree) for one in ast.walk(place) if isinstance(one, ast.Name)]
    return [frame.f_locals[name] for name in names if name in frame.f_locals]
