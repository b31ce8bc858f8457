"""Sockets of a node whose type nothing here offers, as its file tells them: enough to draw it, and to pass it by."""

from __future__ import annotations

from typing import Any, Final

from studio.graph.errors import CodecError
from studio.graph.graph import Node
from studio.graph.spec import Input, NodeSpec, Output
from studio.graph.types import ANY, SocketType, parse_type

SOCKETS: Final = "sockets"
"""Key of a node's `extra`: {"inputs": [[name, type], ...], "outputs": [[name, type], ...]}. Types are ours where we have them."""


def remembered_spec(node: Node) -> NodeSpec | None:
    """The sockets that the file tells, without controls; None where it tells none."""
    held = node.extra.get(SOCKETS)
    if not isinstance(held, dict):
        return None
    inputs = tuple(Input(name, type, optional=True) for name, type in _pairs(held.get("inputs")))
    outputs = tuple(Output(name, type) for name, type in _pairs(held.get("outputs")))
    return NodeSpec(node.type, node.type, inputs=inputs, outputs=outputs, package="")


def _pairs(held: object) -> list[tuple[str, SocketType]]:
    """Names and types; what is no pair of texts is passed over."""
    pairs: list[Any] = held if isinstance(held, list) else []
    return [
        (one[0], _type(one[1]))
        for one in pairs
        if isinstance(one, list) and len(one) == 2 and isinstance(one[0], str) and isinstance(one[1], str)
    ]


def _type(text: str) -> SocketType:
    try:
        return parse_type(text)
    except CodecError:
        return ANY
