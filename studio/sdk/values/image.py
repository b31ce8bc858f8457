"""Pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.graph.errors import ValueRefused
from studio.sdk.socket_types import value_type
from studio.sdk.storage import Packed
from studio.sdk.values.arrays import frozen, pack_array, unpack_array

if TYPE_CHECKING:
    from studio.sdk.values.mask import Mask

Pixels: TypeAlias = NDArray[np.float32]

TOLERANCE: Final = 1e-3
"""How far out of [0, 1] arithmetic may carry a value before it counts as a mistake."""
LUMA: Final = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
"""Share of red, green and blue in brightness (ITU-R BT.709)."""
_SAMPLE: Final = ("nearest", "linear", "cubic", "area", "lanczos")


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A batch of pictures of one size.

    `pixels`: (batch, height, width, channels) float32 in [0, 1], read-only; 1 channel grey, 3 red green blue, 4 with straight
    (not premultiplied) alpha; sRGB values as they stand in files, top row first. Arithmetic works on all values, alpha included, and may
    leave [0, 1]; `clamped` brings them back. Raises `ValueRefused` for another shape or number type.
    """

    pixels: Pixels

    __array_ufunc__ = None  # numpy leaves `array - image` to us

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.float32:
            kind = getattr(pixels, "dtype", type(pixels).__name__)
            raise ValueRefused(f"Pixels are a float32 array, not {kind}.", mend="Image.of() converts.")
        if pixels.ndim != 4 or pixels.shape[3] not in (1, 3, 4) or 0 in pixels.shape:
            raise ValueRefused(
                f"Pixels have the shape (batch, height, width, 1, 3 or 4 channels), not {pixels.shape}.",
                mend="Image.of() adds what is missing.",
            )
        object.__setattr__(self, "pixels", frozen(pixels))

    @classmethod
    def of(cls, values: ArrayLike) -> Image:
        """From (height, width), (height, width, channels) or (batch, height, width, channels); uint8 is taken as 0 .. 255."""
        array = np.asarray(values)
        scale = 255.0 if array.dtype == np.uint8 else 1.0
        pixels = np.array(array, dtype=np.float32)
        if scale != 1.0:
            pixels /= scale
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        if pixels.ndim == 3:
            pixels = pixels[None]
        return cls(pixels)

    @classmethod
    def solid(cls, width: int, height: int, color: Sequence[float], batch: int = 1) -> Image:
        """One colour all over; `color` has 1, 3 or 4 numbers in [0, 1]."""
        return cls(np.broadcast_to(np.asarray(color, dtype=np.float32), (batch, height, width, len(color))).copy())

    @classmethod
    def stack(cls, images: Sequence[Image]) -> Image:
        """All pictures as one batch. Raises `ValueRefused` where they differ in size, or where there is none."""
        if not images:
            raise ValueRefused("There is no picture to stack.")
        channels = max(image.channels for image in images)
        first = images[0]
        for image in images:
            if image.size != first.size:
                raise ValueRefused(
                    f"A batch has pictures of one size: {first.width} x {first.height} and {image.width} x {image.height} differ.",
                    mend="Resize them first, or keep them as a list.",
                )
        return cls(np.concatenate([image.with_channels(channels).pixels for image in images]))

    @property
    def batch(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[2])

    @property
    def channels(self) -> int:
        return int(self.pixels.shape[3])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    @property
    def nbytes(self) -> int:
        return int(self.pixels.nbytes)

    def __len__(self) -> int:
        return self.batch

    def __getitem__(self, index: int) -> Image:
        """One picture of the batch."""
        return Image(self.pixels[range(self.batch)[index]][None].copy())

    def __iter__(self) -> Iterator[Image]:
        return (self[index] for index in range(self.batch))

    def __add__(self, other: Image | float) -> Image:
        return Image(self.pixels + self._operand(other))

    __radd__ = __add__

    def __sub__(self, other: Image | float) -> Image:
        return Image(self.pixels - self._operand(other))

    def __rsub__(self, other: float) -> Image:
        return Image(np.float32(other) - self.pixels)

    def __mul__(self, other: Image | float) -> Image:
        return Image(self.pixels * self._operand(other))

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> Image:
        return Image(self.pixels / np.float32(other))

    def _operand(self, other: Image | float) -> Pixels | np.float32:
        if not isinstance(other, Image):
            return np.float32(other)
        if other.size != self.size or other.batch not in (1, self.batch) or other.channels not in (1, self.channels):
            raise ValueRefused(
                f"Pictures of {_described(self)} and of {_described(other)} cannot be combined.",
                mend="Bring them to one size and the same channels first.",
            )
        return other.pixels

    def lerp(self, other: Image, amount: float) -> Image:
        """The way from this picture to another: 0 this, 1 the other."""
        share = np.float32(amount)
        return Image(self.pixels * (1 - share) + self._operand(other) * share)

    def map(self, change: Callable[[Pixels], NDArray[Any]]) -> Image:
        """`change` on each picture of the batch, (height, width, channels) float32. It may return another size, or drop a lone channel."""
        changed = [np.asarray(change(picture), dtype=np.float32) for picture in self.pixels]
        return Image(np.stack([one[:, :, None] if one.ndim == 2 else one for one in changed]))

    def clamped(self) -> Image:
        """Values below 0 become 0, above 1 become 1."""
        return Image(np.clip(self.pixels, np.float32(0), np.float32(1)))

    def mean(self) -> float:
        """Of all values."""
        return float(self.pixels.mean(dtype=np.float64))

    def gradient(self) -> NDArray[np.float32]:
        """Steepness of the brightness, per pixel: (batch, height, width)."""
        bright = self.gray().pixels[:, :, :, 0]
        right = np.diff(bright, axis=2, append=bright[:, :, -1:])
        down = np.diff(bright, axis=1, append=bright[:, -1:, :])
        return np.hypot(right, down)

    def gray(self) -> Image:
        """Brightness as one channel (ITU-R BT.709 weights on the sRGB values). Alpha is left out."""
        if self.channels == 1:
            return self
        return Image((self.pixels[..., :3] @ LUMA)[..., None])

    def rgb(self) -> Image:
        """Red, green and blue; alpha is left out, not laid over a ground."""
        if self.channels == 3:
            return self
        return Image(np.repeat(self.pixels, 3, axis=3) if self.channels == 1 else self.pixels[..., :3].copy())

    def rgba(self) -> Image:
        """With alpha; opaque where there was none."""
        if self.channels == 4:
            return self
        colours = self.rgb().pixels
        return Image(np.concatenate([colours, np.ones_like(colours[..., :1])], axis=3))

    def with_channels(self, channels: int) -> Image:
        """As 1 (brightness), 3 or 4 channels."""
        return {1: self.gray, 3: self.rgb, 4: self.rgba}[channels]()

    def alpha(self) -> Mask:
        """Opacity; 1 everywhere where there is no alpha."""
        from studio.sdk.values.mask import Mask

        if self.channels == 4:
            return Mask(self.pixels[..., 3].copy())
        return Mask(np.ones(self.pixels.shape[:3], dtype=np.float32))

    def cropped(self, x: int, y: int, width: int, height: int) -> Image:
        """The rectangle with its upper left corner at (x, y). Raises `ValueRefused` where it does not lie inside."""
        if min(x, y) < 0 or min(width, height) < 1 or x + width > self.width or y + height > self.height:
            raise ValueRefused(
                f"{width} x {height} at ({x}, {y}) does not lie inside a picture of {self.width} x {self.height}."
            )
        return Image(self.pixels[:, y : y + height, x : x + width].copy())

    def resized(self, width: int, height: int, method: str = "area") -> Image:
        """At another size. `method`: nearest, linear, cubic, lanczos, or area, which averages to shrink and is linear to grow."""
        if (width, height) == self.size:
            return self
        import cv2

        if method not in _SAMPLE:
            raise ValueRefused(f"There is no resizing method '{method}'.", mend=f"Known: {', '.join(_SAMPLE)}.")
        grows = width > self.width or height > self.height
        how = {
            "nearest": cv2.INTER_NEAREST,
            "linear": cv2.INTER_LINEAR,
            "cubic": cv2.INTER_CUBIC,
            "area": cv2.INTER_LINEAR if grows else cv2.INTER_AREA,
            "lanczos": cv2.INTER_LANCZOS4,
        }[method]
        return self.map(lambda picture: cv2.resize(picture, (width, height), interpolation=how)).clamped()

    def to_uint8(self) -> NDArray[np.uint8]:
        """(batch, height, width, channels), 0 .. 255, rounded."""
        scaled: NDArray[np.float32] = np.clip(self.pixels, np.float32(0), np.float32(1)) * np.float32(255)
        return np.rint(scaled).astype(np.uint8)

    def check(self) -> None:
        """Raises `ValueRefused` for values that are not finite, or out of [0, 1]."""
        check_unit_range(self.pixels, "The picture", "Return image.clamped().")

    def pack(self) -> Packed:
        return Packed("Image", {"pixels": pack_array(self.pixels)})

    @classmethod
    def unpack(cls, packed: Packed) -> Image:
        return cls(unpack_array(packed.arrays["pixels"]))

    def __repr__(self) -> str:
        return f"Image({_described(self)})"


def check_unit_range(numbers: NDArray[np.float32], what: str, mend: str) -> None:
    """Raises `ValueRefused` where numbers are not finite, or further out of [0, 1] than `TOLERANCE`."""
    low, high = float(numbers.min()), float(numbers.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueRefused(f"{what} has values that are not finite.", mend="Look for a division by zero.")
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise ValueRefused(f"{what} has values from {low:.4g} to {high:.4g}; it goes from 0 to 1.", mend=mend)


def _described(image: Image) -> str:
    many = f"{image.batch} x " if image.batch > 1 else ""
    return f"{many}{image.width} x {image.height}, {image.channels} channel{'s' if image.channels > 1 else ''}"
