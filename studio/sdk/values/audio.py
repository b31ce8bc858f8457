"""Sound, and its mel spectrogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.graph.errors import ValueRefused
from studio.sdk.socket_types import value_type
from studio.sdk.storage import Packed
from studio.sdk.values.arrays import frozen, pack_array, unpack_array

LOUDEST: Final = 4.0
"""Samples further from 0 than this (12 dB over full scale) are a mistake, not a loud sound."""


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """A sound.

    `samples`: (channels, samples) float32, full scale is [-1, 1], read-only; `rate` in samples a second. Raises `ValueRefused` for
    another shape, number type or a rate outside 1 .. 768,000.
    """

    samples: NDArray[np.float32]
    rate: int

    def __post_init__(self) -> None:
        samples = self.samples
        if (
            not isinstance(samples, np.ndarray)
            or samples.dtype != np.float32
            or samples.ndim != 2
            or 0 in samples.shape
        ):
            shape = getattr(samples, "shape", type(samples).__name__)
            raise ValueRefused(
                f"A sound is a float32 array of the shape (channels, samples), not {shape}.",
                mend="Audio.of() converts.",
            )
        if type(self.rate) is not int or not 1 <= self.rate <= 768_000:
            raise ValueRefused(f"{self.rate} is not a sample rate.", mend="44100 and 48000 are usual.")
        object.__setattr__(self, "samples", frozen(samples))

    @classmethod
    def of(cls, samples: ArrayLike, rate: int) -> Audio:
        """From (samples,) or (channels, samples)."""
        numbers = np.array(samples, dtype=np.float32)
        return cls(numbers[None] if numbers.ndim == 1 else numbers, rate)

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def seconds(self) -> float:
        return float(self.samples.shape[1] / self.rate)

    @property
    def nbytes(self) -> int:
        return int(self.samples.nbytes)

    def check(self) -> None:
        """Raises `ValueRefused` for samples that are not finite, or far beyond full scale."""
        peak = float(np.abs(self.samples).max())
        if not np.isfinite(peak):
            raise ValueRefused("The sound has samples that are not finite.")
        if peak > LOUDEST:
            raise ValueRefused(f"The sound reaches {peak:.4g}; full scale is 1.", mend="Divide by the largest sample.")

    def pack(self) -> Packed:
        return Packed("Audio", {"samples": pack_array(self.samples)}, {"rate": self.rate})

    @classmethod
    def unpack(cls, packed: Packed) -> Audio:
        return cls(unpack_array(packed.arrays["samples"]), packed.meta["rate"])

    def __repr__(self) -> str:
        return f"Audio({self.seconds:.2f} s, {self.channels} x {self.rate} Hz)"


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Mel:
    """A mel spectrogram: what a vocoder speaks.

    `values`: (batch, bands, frames) float32, natural logarithm of the magnitude in each mel band, read-only; `rate` of the sound in
    samples a second, `hop` samples from frame to frame.
    """

    values: NDArray[np.float32]
    rate: int
    hop: int

    def __post_init__(self) -> None:
        values = self.values
        if not isinstance(values, np.ndarray) or values.dtype != np.float32 or values.ndim != 3 or 0 in values.shape:
            shape = getattr(values, "shape", type(values).__name__)
            raise ValueRefused(
                f"A mel spectrogram is a float32 array of the shape (batch, bands, frames), not {shape}."
            )
        if self.rate < 1 or self.hop < 1:
            raise ValueRefused(f"A rate of {self.rate} and a hop of {self.hop} are not possible.")
        object.__setattr__(self, "values", frozen(values))

    @property
    def nbytes(self) -> int:
        return int(self.values.nbytes)

    def check(self) -> None:
        """Raises `ValueRefused` for values that are not finite."""
        if not np.isfinite(self.values).all():
            raise ValueRefused("The mel spectrogram has values that are not finite.")

    def pack(self) -> Packed:
        return Packed("Mel", {"values": pack_array(self.values)}, {"rate": self.rate, "hop": self.hop})

    @classmethod
    def unpack(cls, packed: Packed) -> Mel:
        return cls(unpack_array(packed.arrays["values"]), packed.meta["rate"], packed.meta["hop"])
