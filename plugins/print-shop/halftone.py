"""Halftone: a picture as dots of one colour, as newspapers print it."""

from __future__ import annotations

import math

import numpy as np

from studio.sdk import Color, ColorPicker, Image, Slider, node


@node("print-shop/Halftone", aliases=("dots", "newspaper", "screen"))
def halftone(
    image: Image,
    spacing: float = Slider(8.0, 2, 64, unit="px"),
    angle: float = Slider(45.0, 0, 90, unit="°"),
    ink: Color = ColorPicker("#14161a"),
    paper: Color = ColorPicker("#f4efe6"),
) -> Image:
    """Print a picture in dots: the darker a place, the larger its dots.

    Args:
        image: What is printed. Its colours are left out.
        spacing: From dot to dot.
        angle: How far the rows of dots are turned.
        ink: Colour of the dots.
        paper: Colour between them.
    """
    turn = math.radians(angle)
    y, x = np.mgrid[: image.height, : image.width].astype(np.float32) + 0.5
    along = (x * math.cos(turn) + y * math.sin(turn)) * (2 * math.pi / spacing)
    across = (y * math.cos(turn) - x * math.sin(turn)) * (2 * math.pi / spacing)
    # Two cosines make a hill at every dot; ranked, each height is as frequent as any other, so that the inked share is the darkness.
    hills = np.cos(along) + np.cos(across)
    ranks = np.empty(hills.size, dtype=np.float32)
    ranks[np.argsort(hills, axis=None)] = (np.arange(hills.size, dtype=np.float32) + 0.5) / hills.size
    threshold = ranks.reshape(hills.shape)
    inked = (image.gray().pixels[..., 0] < threshold)[..., None]
    return Image(np.where(inked, np.array(ink.rgb, dtype=np.float32), np.array(paper.rgb, dtype=np.float32)))
