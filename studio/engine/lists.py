"""Lists map over a node by themselves: a list on an input that takes one item means one call for each item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from studio.graph.errors import ValueRefused
from studio.graph.types import SocketType

R = TypeVar("R")


def depth_taken(type: SocketType) -> int | None:
    """How many lists deep an input of this type takes its value; None where it takes any value as it is."""
    if type.variable or type.name == "Any":
        return None
    if type.item is not None:
        inner = depth_taken(type.item)
        return None if inner is None else inner + 1
    depths = [depth_taken(option) for option in type.options]
    return None if None in depths else max((depth for depth in depths if depth is not None), default=0)


def depth_of(value: object) -> int:
    """How many lists deep a value is. An empty list is one deep."""
    depth = 0
    while isinstance(value, list):
        depth += 1
        if not value:
            break
        value = value[0]
    return depth


def map_over(
    arguments: Mapping[str, Any],
    taken: Mapping[str, int | None],
    call: Callable[[Mapping[str, Any]], tuple[R, ...]],
    outputs: int,
    node: str = "",
) -> tuple[Any, ...]:
    """Call once, or once for each item; lists of lists from the outside in.

    `taken`: how deep each input takes its value, as `depth_taken` says. Gives as many results as the node has `outputs`: of one call, or
    lists of them. Lists have one length, or a single item, which goes with each of the others. Raises `ValueRefused` where they differ.
    """
    lists = {
        name: arguments[name]
        for name, depth in taken.items()
        if depth is not None and depth_of(arguments.get(name)) > depth
    }
    if not lists:
        return call(arguments)
    longest = max(lists, key=lambda name: len(lists[name]) if len(lists[name]) != 1 else -1)
    count = len(lists[longest])
    for name, items in lists.items():
        if len(items) not in (1, count):
            raise ValueRefused(
                f"Here are {_items(len(items))}, but '{longest}' has {_items(count)}.",
                node=node,
                socket=name,
                mend="Lists that go through a node together need the same length, or a single item.",
            )
    results = []
    for at in range(count):
        one = {name: items[at if len(items) > 1 else 0] for name, items in lists.items()}
        results.append(map_over({**arguments, **one}, taken, call, outputs, node))
    return tuple([result[output] for result in results] for output in range(outputs))


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"
