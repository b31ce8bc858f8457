"""A canvas in unit coordinates that draws a picture and its depth at once."""

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

SUPERSAMPLE = 2


class Canvas:
    """A square picture being drawn, and how near each of its pixels is.

    Coordinates and lengths are fractions of the side, origin top left. Depth is 0 (far) to 255 (near), as depth
    ControlNets expect it.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._side = size * SUPERSAMPLE
        self._image = Image.new("RGB", (self._side, self._side))
        self._depth = Image.new("L", (self._side, self._side))
        self._draw = ImageDraw.Draw(self._image)
        self._draw_depth = ImageDraw.Draw(self._depth)

    def gradient(self, top: Colour, bottom: Colour, until: float = 1.0) -> None:
        """Fill the picture down to `until` with colours running from `top` to `bottom`; its depth is 0."""
        rows = max(1, round(until * self._side))
        column = np.linspace(np.asarray(top, np.float32), np.asarray(bottom, np.float32), rows)[:, None]
        self._image.paste(Image.fromarray(column.astype(np.uint8)).resize((self._side, rows)), (0, 0))

    def polygon(self, points: Sequence[Point], fill: Colour, depth: int) -> None:
        scaled = [(x * self._side, y * self._side) for x, y in points]
        self._draw.polygon(scaled, fill=fill)
        self._draw_depth.polygon(scaled, fill=depth)

    def rectangle(self, left: float, top: float, right: float, bottom: float, fill: Colour, depth: int) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], fill, depth)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour, depth: int) -> None:
        box = [c * self._side for c in (x - rx, y - ry, x + rx, y + ry)]
        self._draw.ellipse(box, fill=fill)
        self._draw_depth.ellipse(box, fill=depth)

    def disc(self, x: float, y: float, radius: float, fill: Colour, depth: int) -> None:
        self.ellipse(x, y, radius, radius, fill, depth)

    def ring(self, x: float, y: float, radius: float, width: float, fill: Colour, depth: int) -> None:
        box = [c * self._side for c in (x - radius, y - radius, x + radius, y + radius)]
        self._draw.ellipse(box, outline=fill, width=round(width * self._side))
        self._draw_depth.ellipse(box, outline=depth, width=round(width * self._side))

    def line(self, points: Sequence[Point], width: float, fill: Colour, depth: int) -> None:
        scaled = [(x * self._side, y * self._side) for x, y in points]
        pixels = max(1, round(width * self._side))
        self._draw.line(scaled, fill=fill, width=pixels, joint="curve")
        self._draw_depth.line(scaled, fill=depth, width=pixels, joint="curve")

    def picture(self) -> NDArray[np.uint8]:
        """The picture, (size, size, 3) uint8 RGB."""
        return np.asarray(self._image.resize((self.size, self.size), Image.Resampling.BOX))

    def depth(self) -> NDArray[np.uint8]:
        """Its depth, (size, size) uint8, 255 nearest."""
        return np.asarray(self._depth.resize((self.size, self.size), Image.Resampling.BOX))


def jitter(colour: Colour, rng: random.Random, amount: float = 10) -> Colour:
    """The colour with each channel moved by up to `amount`."""
    r, g, b = (min(255, max(0, round(c + rng.uniform(-amount, amount)))) for c in colour)
    return r, g, b


def shade(colour: Colour, by: float) -> Colour:
    """The colour times `by`: below 1 darker, above 1 lighter."""
    r, g, b = (min(255, round(c * by)) for c in colour)
    return r, g, b
