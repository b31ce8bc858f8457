"""Palettes: a few colours, found in a picture, and pictures painted with them.

`Palette` is a socket type of this plugin: with `pack` and `unpack` its values are kept on disk between starts, like those of the program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.sdk import Array, Image, Packed, Slider, Toggle, ValueRefused, node, running, value_type


@value_type()
@dataclass(frozen=True, eq=False)
class Palette:
    """`colors`: (count, 3) float32 sRGB in [0, 1], from dark to light."""

    colors: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        return self.colors.nbytes

    def check(self) -> None:
        if self.colors.ndim != 2 or self.colors.shape[1] != 3 or len(self.colors) < 2:
            raise ValueRefused(f"A palette has at least two colours, not the shape {self.colors.shape}.")

    def pack(self) -> Packed:
        return Packed("Palette", {"colors": Array("F32", self.colors.shape, self.colors.tobytes())})

    @classmethod
    def unpack(cls, packed: Packed) -> Palette:
        colors = packed.arrays["colors"]
        return cls(np.frombuffer(colors.data, dtype=np.float32).reshape(colors.shape))


@node("print-shop/FindPalette", title="Find palette", aliases=("colors", "k-means"))
def find_palette(image: Image, count: int = Slider(6, 2, 32)) -> Palette:
    """Find the colours that stand best for a picture (k-means, begun with evenly spread brightness).

    Args:
        image: Where to look.
        count: How many colours.
    """
    pixels = image.rgb().pixels.reshape(-1, 3)
    pixels = pixels[:: max(len(pixels) // 20_000, 1)]
    by_brightness = pixels[np.argsort(pixels.sum(axis=1))]
    colors = by_brightness[np.linspace(0, len(pixels) - 1, count).round().astype(int)].copy()
    rounds = 20
    for done in range(rounds):
        nearest = _nearest(pixels, colors)
        for at in range(count):
            if (mine := pixels[nearest == at]).size:
                colors[at] = mine.mean(axis=0)
        running().progress(done + 1, rounds)
    return Palette(colors[np.argsort(colors.sum(axis=1))])


@node("print-shop/Reduce", title="Paint with palette", aliases=("posterize", "quantize", "dither"))
def reduce(image: Image, palette: Palette, dither: bool = Toggle(False)) -> Image:
    """Paint a picture with the colours of a palette alone.

    Args:
        image: What is painted anew. Transparency is left out.
        palette: The colours.
        dither: Mix colours by a pattern of dots where the palette has none that fits.
    """
    pixels = image.rgb().pixels
    if dither:
        steps = np.diff(palette.colors, axis=0)
        strength = np.float32(np.sqrt((steps**2).sum(axis=1)).mean())
        pixels = pixels + strength * _pattern(image.height, image.width)[None, :, :, None]
    nearest = _nearest(pixels.reshape(-1, 3), palette.colors)
    return Image(palette.colors[nearest].reshape(image.batch, image.height, image.width, 3))


def _nearest(pixels: NDArray[np.float32], colors: NDArray[np.float32]) -> NDArray[np.int64]:
    """For each pixel the index of the colour closest to it."""
    # |p - c|^2 without |p|^2, which is the same for all colours.
    distances: NDArray[np.float32] = (colors**2).sum(axis=1) - 2 * pixels @ colors.T
    nearest: NDArray[np.int64] = distances.argmin(axis=1)
    return nearest


def _pattern(height: int, width: int) -> NDArray[np.float32]:
    """Bayer's 4 x 4 matrix all over, in [-0.5, 0.5)."""
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], dtype=np.float32)
    centred = bayer / np.float32(16) - np.float32(0.5)
    return np.tile(centred, (height // 4 + 1, width // 4 + 1))[:height, :width]
