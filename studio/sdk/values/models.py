"""Models on wires: light handles. The weights are behind residents, which the engine moves between disk, memory and device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from studio.graph.graph import empty
from studio.sdk.resident import Resident, residents_of
from studio.sdk.socket_types import value_type

H = TypeVar("H", bound="Handle")


@dataclass(frozen=True, slots=True, eq=False)
class Handle:
    """What all models have in common.

    `weights`: what a node asks the running context for. `family`: how it is called and what fits it (`sd1`, `sdxl` ...). `options`:
    values that change how it is used, such as LoRAs or a kind of guidance. Models are never kept in the cache on disk.
    """

    weights: Resident[Any]
    family: str
    options: Mapping[str, Any] = field(default_factory=empty)

    def residents(self) -> tuple[Resident[Any], ...]:
        return (self.weights, *residents_of(self.options))

    def with_options(self: H, **options: Any) -> H:  # noqa: ANN401 - any value
        """The same weights, used differently."""
        return replace(self, options={**self.options, **options})


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Model(Handle):
    """A denoising network."""


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class TextEncoder(Handle):
    """Tokenizers and text encoders of a family."""


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class VAE(Handle):
    """An autoencoder between pictures (or sounds) and latents."""


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class ControlNet(Handle):
    """A network that steers a denoising network by a hint picture."""


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Vocoder(Handle):
    """A network that speaks a mel spectrogram."""


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Upscaler(Handle):
    """A network that makes pictures larger."""


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Pipeline(Handle):
    """A whole pipeline of diffusers, which is run as one. `family` is the name of its class."""
