"""Trivial nodes for `engine.py`: what they cost by themselves is next to nothing, so that what the program adds can be seen."""

from __future__ import annotations

from studio.sdk import Image, node


@node("bench/Mix")
def mix(a: float = 0.0, b: float = 0.0) -> float:
    """About three microseconds of arithmetic."""
    total = a
    for step in range(40):
        total = total * 0.5 + step
    return total + b


@node("bench/Picture")
def picture(level: float = 0.5) -> Image:
    """8 x 8 pixels."""
    return Image.solid(8, 8, (level, level, level))


@node("bench/Invert")
def invert(image: Image) -> Image:
    """The opposite of 8 x 8 pixels."""
    return Image(1 - image.pixels)
