"""One call of a node: inputs converted and checked, the function called, its outputs checked. Inputs stay as they were.

A numpy array of an input is read-only. A tensor of an input is handed out as a copy, since torch has no such thing; a function that
writes into it has done no harm, but is told all the same, so that it is mended before somebody relies on it.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from studio.graph.check import value_problems
from studio.graph.errors import UnknownSocket, ValueRefused
from studio.graph.graph import NodeId
from studio.graph.spec import Input, NodeSpec
from studio.sdk.border import adapt_value, check_value
from studio.sdk.definition import NodeDefinition
from studio.sdk.values.arrays import arrays_in, map_tensors, tensors_in

_MEND = "Work on a copy: take array.copy() or tensor.clone() first."


def call_node(definition: NodeDefinition, inputs: Mapping[str, object], node: str = "") -> dict[str, Any]:
    """The outputs of one call, by name.

    `inputs`: by name; parameters that are missing have their default. Lists on inputs that take one item are not mapped over. `node`: the
    id for errors. Raises `ValueRefused` and `UnknownSocket` for inputs and outputs that are not what the node declared; what the function
    raises goes through.
    """
    spec = definition.spec
    given = prepare(spec, inputs, node)
    versions = {name: [(one, _version(one)) for one in tensors_in(value)] for name, value in given.items()}
    try:
        result = definition.function(**given)
    except ValueRefused as refused:
        if refused.node:
            raise
        raise ValueRefused(refused.what, node=node, socket=refused.socket, mend=refused.mend) from refused
    except Exception as error:
        # numpy raises ValueError, OpenCV a class of its own.
        socket = _written_input(error, given)
        if socket is None:
            raise
        raise _writes_into(node, socket) from error
    for name, tensors in versions.items():
        if any(_version(tensor) != version for tensor, version in tensors):
            raise _writes_into(node, name)
    return _outputs(spec, result, node)


def prepare(spec: NodeSpec, inputs: Mapping[str, object], node: str = "") -> dict[str, Any]:
    """Every input of the spec, converted to its type and checked. Raises `ValueRefused` and `UnknownSocket`."""
    for name in inputs:
        if name not in spec.inputs_by_name:
            raise UnknownSocket(node or spec.type, name, tuple(spec.inputs_by_name))
    return {one.name: _input(one, inputs, node) for one in spec.inputs}


def _input(declared: Input, inputs: Mapping[str, object], node: str) -> Any:  # noqa: ANN401 - of the declared type
    value = inputs.get(declared.name)
    if value is None:
        if declared.name not in inputs and declared.control is not None:
            value = declared.default
        elif declared.optional or declared.lazy:
            return None
        else:
            raise ValueRefused(
                "The input is not connected.", node=node, socket=declared.name, mend=f"Connect a {declared.type}."
            )
    if declared.control is None:
        return map_tensors(adapt_value(value, declared.type, node=node, socket=declared.name), _copy)
    converted = check_value(value, declared.type, node=node, socket=declared.name)
    for problem in value_problems(NodeId(node), declared, converted):
        raise ValueRefused(problem.what, node=node, socket=declared.name, mend=problem.mend)
    return converted


def _outputs(spec: NodeSpec, result: object, node: str) -> dict[str, Any]:
    if not spec.outputs:
        if result is not None:
            raise ValueRefused(f"It declares no output, but returned {type(result).__name__}.", node=node)
        return {}
    if len(spec.outputs) == 1:
        results: tuple[object, ...] = (result,)
    elif isinstance(result, tuple) and len(result) == len(spec.outputs):
        results = result
    else:
        names = ", ".join(one.name for one in spec.outputs)
        raise ValueRefused(f"It has the outputs {names}, but returned {type(result).__name__}.", node=node)
    return {
        one.name: check_value(value, one.type, node=node, socket=one.name)
        for one, value in zip(spec.outputs, results, strict=True)
    }


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
    """The local values that a line of source names, its first one first; all local values where the line cannot be read."""
    source = linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip()
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return list(frame.f_locals.values())
    names = [one.id for one in ast.walk(tree) if isinstance(one, ast.Name)]
    return [frame.f_locals[name] for name in names if name in frame.f_locals]
