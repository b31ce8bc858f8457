"""A node as the engine runs it: its spec, which is plain data, and the Python behind it, which is not."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from studio.graph.errors import DeclarationError
from studio.graph.spec import NodeSpec

DEFINITION = "definition"
"""The attribute under which `@node` leaves the definition on the function."""


@dataclass(frozen=True)
class NodeDefinition:
    """What `@node` makes of a function.

    `function` takes every input of the spec by keyword. With one output it returns that value; with several, a tuple in the order of
    `spec.outputs`; with none, None. A list on an input that takes one item is not its business: the engine maps over it.
    """

    spec: NodeSpec
    function: Callable[..., Any]
    needs: Callable[..., Collection[str]] | None = None
    """Which lazy inputs are wanted. Takes every eager input by keyword, returns names of lazy ones; those not named arrive as None."""
    files: tuple[str, ...] = ()
    """Parameters that are paths of files: their content counts in the key, not their name."""
    fingerprint: Callable[..., str] | None = None
    """Takes every parameter by keyword; what it returns counts in the key. For content that a parameter only names, such as a model."""
    volatile: bool = False
    """Never cached: each run computes it anew (the time, a camera)."""
    background: bool = False
    """A save: gives nothing that others wait for, so it may overlap the next node's work."""


def definition_of(function: object) -> NodeDefinition:
    """The definition of a decorated function. Raises `DeclarationError` where it is none."""
    if isinstance(function, NodeDefinition):
        return function
    definition = getattr(function, DEFINITION, None)
    if not isinstance(definition, NodeDefinition):
        name = getattr(function, "__qualname__", repr(function))
        raise DeclarationError(f"'{name}' is not a node.", where=name, mend="Put @node above the function.")
    return definition
