"""Masks: how much of each pixel is meant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.graph.errors import ValueRefused
from studio.sdk.socket_types import value_type
from studio.sdk.storage import Packed
from studio.sdk.values.arrays import frozen, pack_array, unpack_array
from studio.sdk.values.image import Image, check_unit_range


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A batch of masks of one size.

    `values`: (batch, height, width) float32 in [0, 1], read-only; 1 is inside. Raises `ValueRefused` for another shape or number type.
    """

    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        values = self.values
        if not isinstance(values, np.ndarray) or values.dtype != np.float32:
            kind = getattr(values, "dtype", type(values).__name__)
            raise ValueRefused(f"A mask is a float32 array, not {kind}.", mend="Mask.of() converts.")
        if values.ndim != 3 or 0 in values.shape:
            raise ValueRefused(f"A mask has the shape (batch, height, width), not {values.shape}.")
        object.__setattr__(self, "values", frozen(values))

    @classmethod
    def of(cls, values: ArrayLike) -> Mask:
        """From (height, width) or (batch, height, width); uint8 is taken as 0 .. 255, on/off as 0 and 1."""
        array = np.asarray(values)
        numbers = np.array(array, dtype=np.float32)
        if array.dtype == np.uint8:
            numbers /= 255
        return cls(numbers[None] if numbers.ndim == 2 else numbers)

    @property
    def batch(self) -> int:
        return int(self.values.shape[0])

    @property
    def height(self) -> int:
        return int(self.values.shape[1])

    @property
    def width(self) -> int:
        return int(self.values.shape[2])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    @property
    def nbytes(self) -> int:
        return int(self.values.nbytes)

    def image(self) -> Image:
        """As a grey picture: white inside, black outside."""
        return Image(self.values[..., None])

    @classmethod
    def from_image(cls, image: Image) -> Mask:
        """The brightness of a picture as a mask."""
        return cls(image.gray().pixels[..., 0].copy())

    def inverted(self) -> Mask:
        """What was inside is outside."""
        return Mask(np.float32(1) - self.values)

    def resized(self, width: int, height: int) -> Mask:
        """At another size."""
        return self if (width, height) == self.size else Mask.from_image(self.image().resized(width, height))

    def mean(self) -> float:
        """The share of the picture that lies inside."""
        return float(self.values.mean(dtype=np.float64))

    def check(self) -> None:
        """Raises `ValueRefused` for values that are not finite, or out of [0, 1]."""
        check_unit_range(self.values, "The mask", "Clip it with numpy.clip(values, 0, 1).")

    def pack(self) -> Packed:
        return Packed("Mask", {"values": pack_array(self.values)})

    @classmethod
    def unpack(cls, packed: Packed) -> Mask:
        return cls(unpack_array(packed.arrays["values"]))

    def __repr__(self) -> str:
        many = f"{self.batch} x " if self.batch > 1 else ""
        return f"Mask({many}{self.width} x {self.height})"
