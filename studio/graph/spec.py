"""What a node type declares: its inputs, parameters, outputs, and how each is edited. Plain data, so that it crosses every border."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeAlias

from studio.graph.graph import REROUTE, Value, empty
from studio.graph.types import SocketType, variable


@dataclass(frozen=True, slots=True)
class Number:
    """A number that drags, types and does arithmetic. `low` and `high` are inclusive, None is unbounded."""

    low: float | None = None
    high: float | None = None
    step: float | None = None
    unit: str = ""
    slider: bool = False


@dataclass(frozen=True, slots=True)
class Seed:
    """A whole number from 0 to 2**63 - 1, which can be kept, randomized or stepped after each run."""


@dataclass(frozen=True, slots=True)
class TextField:
    """Words. `lines` above 1 makes an area; `prompt` turns on weights, highlighting and token count."""

    lines: int = 1
    prompt: bool = False
    placeholder: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """One of a fixed set of texts."""

    choices: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    """Further texts that are accepted and not offered: names that other programs give to the same things."""


@dataclass(frozen=True, slots=True)
class Toggle:
    """On or off."""


@dataclass(frozen=True, slots=True)
class ColorField:
    """A colour as `#rrggbb` or `#rrggbbaa`."""


@dataclass(frozen=True, slots=True)
class CurveField:
    """A curve that is drawn by hand, as the text of `studio.graph.curve`."""


@dataclass(frozen=True, slots=True)
class FileField:
    """A path. `kind` is `open`, `save` or `folder`; `patterns` are globs such as `*.png`."""

    kind: str = "open"
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelField:
    """A model of the library, by name. `kind` is `checkpoint`, `vae`, `lora`, `controlnet`, `upscaler` ..."""

    kind: str


Control: TypeAlias = Number | Seed | TextField | Options | Toggle | ColorField | CurveField | FileField | ModelField


@dataclass(frozen=True, slots=True)
class Shown:
    """The control is shown while another parameter has one of these values."""

    parameter: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """An argument of a node. With a `control` it is a parameter, which holds a value and may be linked; without, a socket alone."""

    name: str
    type: SocketType
    doc: str = ""
    control: Control | None = None
    default: Value = None
    optional: bool = False
    """Not linked and no default: the node runs all the same, and gets None."""
    lazy: bool = False
    """Computed only where the node asks for it."""
    shown: Shown | None = None
    advanced: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """A named result of a node."""

    name: str
    type: SocketType
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Migration:
    """How parameters and links saved for version `to - 1` of a node type become those of `to`. Data, so that every side can apply it."""

    to: int
    renamed: Mapping[str, str] = field(default_factory=empty)
    """Old input or parameter name to new."""
    renamed_outputs: Mapping[str, str] = field(default_factory=empty)
    dropped: tuple[str, ...] = ()
    added: Mapping[str, Value] = field(default_factory=empty)
    """Values that keep the old behaviour where the new default differs."""
    replaced: Mapping[str, Mapping[str, Value]] = field(default_factory=empty)
    """Parameter (new name) to a table from old values, written as text, to new ones."""
    type: str = ""
    """The node's new type, where it was renamed."""


@dataclass(frozen=True)
class NodeSpec:
    """A node type as data.

    `code` is a digest of the code that computes it, part of every content key. `effect` marks a node that is run for what it does
    (saving a file) and not only for what it gives. `live` marks one that reports steps with previews.
    """

    type: str
    title: str
    doc: str = ""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    version: int = 1
    package: str = "wirelight"
    code: str = ""
    effect: bool = False
    live: bool = False
    aliases: tuple[str, ...] = ()
    migrations: tuple[Migration, ...] = ()
    deprecated: str = ""

    @cached_property
    def inputs_by_name(self) -> Mapping[str, Input]:
        return {one.name: one for one in self.inputs}

    @cached_property
    def outputs_by_name(self) -> Mapping[str, Output]:
        return {one.name: one for one in self.outputs}

    @cached_property
    def parameters(self) -> tuple[Input, ...]:
        """The inputs that hold a value."""
        return tuple(one for one in self.inputs if one.control is not None)

    @cached_property
    def sockets(self) -> tuple[Input, ...]:
        """The inputs that can only be linked."""
        return tuple(one for one in self.inputs if one.control is None)

    @property
    def category(self) -> str:
        """`image` of `image/Invert`."""
        return self.type.rpartition("/")[0]


@dataclass(frozen=True)
class Catalog:
    """All node types that a worker offers. `fingerprint` names the state of the code they were read from."""

    specs: Mapping[str, NodeSpec] = field(default_factory=dict)
    fingerprint: str = ""

    def get(self, type: str) -> NodeSpec | None:
        """The spec of a node type, or None where nothing offers it."""
        return self.specs.get(type)

    @classmethod
    def of(cls, specs: Iterable[NodeSpec], fingerprint: str = "") -> Catalog:
        """A catalog of these specs and the structural ones."""
        return cls({spec.type: spec for spec in (*STRUCTURAL, *specs)}, fingerprint)


_T: Final = variable("T")
STRUCTURAL: Final = (
    NodeSpec(
        REROUTE,
        "Reroute",
        "A bend in a wire.",
        inputs=(Input("value", _T),),
        outputs=(Output("value", _T),),
        aliases=("dot", "bend"),
    ),
)
"""Node types that the graph itself knows."""
