"""Moving pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.graph.errors import ValueRefused
from studio.sdk.socket_types import value_type
from studio.sdk.storage import Packed
from studio.sdk.values.arrays import frozen, pack_array, unpack_array
from studio.sdk.values.audio import Audio
from studio.sdk.values.image import Image


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """Pictures in time, with a sound or without.

    `frames`: (frames, height, width, 3) uint8 sRGB, read-only: a quarter of the memory of an `Image`; `rate` in frames a second,
    above 0. Raises `ValueRefused` for another shape or number type.
    """

    frames: NDArray[np.uint8]
    rate: float
    audio: Audio | None = None

    def __post_init__(self) -> None:
        frames = self.frames
        if (
            not isinstance(frames, np.ndarray)
            or frames.dtype != np.uint8
            or frames.ndim != 4
            or frames.shape[3] != 3
            or 0 in frames.shape
        ):
            shape = getattr(frames, "shape", type(frames).__name__)
            raise ValueRefused(
                f"A video is a uint8 array of the shape (frames, height, width, 3), not {shape}.",
                mend="Video.of() makes one of a batch of pictures.",
            )
        if not 0 < self.rate <= 1000:
            raise ValueRefused(f"{self.rate} frames a second are not possible.")
        object.__setattr__(self, "frames", frozen(frames))

    @classmethod
    def of(cls, images: Image, rate: float, audio: Audio | None = None) -> Video:
        """The pictures of a batch, one after the other."""
        return cls(images.rgb().to_uint8(), rate, audio)

    def images(self) -> Image:
        """All frames as a batch of pictures."""
        return Image.of(self.frames)

    @property
    def seconds(self) -> float:
        return float(self.frames.shape[0] / self.rate)

    @property
    def nbytes(self) -> int:
        return int(self.frames.nbytes) + (self.audio.nbytes if self.audio is not None else 0)

    def check(self) -> None:
        """Raises `ValueRefused` where the sound is not one."""
        if self.audio is not None:
            self.audio.check()

    def pack(self) -> Packed:
        arrays = {"frames": pack_array(self.frames)}
        if self.audio is None:
            return Packed("Video", arrays, {"rate": self.rate})
        arrays["samples"] = pack_array(self.audio.samples)
        return Packed("Video", arrays, {"rate": self.rate, "sound_rate": self.audio.rate})

    @classmethod
    def unpack(cls, packed: Packed) -> Video:
        frames = unpack_array(packed.arrays["frames"])
        samples = packed.arrays.get("samples")
        sound = None if samples is None else Audio(unpack_array(samples), packed.meta["sound_rate"])
        return cls(frames, packed.meta["rate"], sound)
