"""Masks: made, changed, combined."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from nodes.picture_mix import fitted
from studio.sdk import Color, ColorPicker, Image, Mask, Number, Slider, node


@node("mask/FromImage", title="Picture to mask", aliases=("convert", "luma", "threshold"))
def from_image(image: Image, channel: Literal["brightness", "red", "green", "blue", "alpha"] = "brightness") -> Mask:
    """One channel of a picture as a mask: white is inside.

    Args:
        channel: Which one. A grey picture has the same in all colours.
    """
    if channel == "brightness":
        return Mask.from_image(image)
    if channel == "alpha":
        return image.alpha()
    return Mask(image.rgb().pixels[..., ("red", "green", "blue").index(channel)].copy())


@node("mask/ToImage", title="Mask to picture", aliases=("convert", "MaskToImage"))
def to_image(mask: Mask) -> Image:
    """A mask as a grey picture: white is inside."""
    return Image(mask.values[..., None].copy())


@node("mask/Solid", title="Even mask", aliases=("full", "empty", "SolidMask"))
def solid(
    value: float = Slider(1.0, 0, 1),
    width: int = Number(512, 1, 16384, step=8, unit="px"),
    height: int = Number(512, 1, 16384, step=8, unit="px"),
) -> Mask:
    """A mask that is the same all over.

    Args:
        value: 1 is inside, 0 outside.
        width: Width of the mask.
        height: Height of the mask.
    """
    return Mask(np.full((1, height, width), value, dtype=np.float32))


@node("mask/ByColor", title="Mask by colour", aliases=("key", "chroma", "select"))
def by_color(
    image: Image,
    color: Color = ColorPicker("#00ff00"),
    tolerance: float = Slider(0.1, 0, 1),
    softness: float = Slider(0.05, 0, 1),
) -> Mask:
    """Inside is what has a certain colour.

    Args:
        color: The colour that is looked for.
        tolerance: How far a colour may be off; 1 is from black to white.
        softness: Width of the soft edge beyond the tolerance.
    """
    distance = np.sqrt(((image.rgb().pixels - np.asarray(color.rgb, dtype=np.float32)) ** 2).mean(axis=3))
    inside = (tolerance + softness - distance) / max(softness, 1e-6)
    return Mask(np.clip(inside, 0, 1).astype(np.float32))


@node("mask/Shape", title="Mask shape", aliases=("rectangle", "ellipse", "circle", "region"))
def shape(
    shape: Literal["rectangle", "ellipse"] = "rectangle",
    width: int = Number(512, 1, 16384, step=8, unit="px"),
    height: int = Number(512, 1, 16384, step=8, unit="px"),
    x: float = Slider(0.5, 0, 1),
    y: float = Slider(0.5, 0, 1),
    across: float = Slider(0.5, 0, 1),
    down: float = Slider(0.5, 0, 1),
) -> Mask:
    """A rectangle or an ellipse. Places and sizes are shares of the whole.

    Args:
        shape: What is inside.
        width: Width of the mask.
        height: Height of the mask.
        x: Middle of the shape, from the left.
        y: Middle of the shape, from above.
        across: Width of the shape.
        down: Height of the shape.
    """
    # Each pixel counts by the share of its middle: exact for whole pixels, hard at the edge.
    right = np.abs((np.arange(width) + 0.5) / width - x)[None, :]
    below = np.abs((np.arange(height) + 0.5) / height - y)[:, None]
    if shape == "rectangle":
        inside = (right <= across / 2) & (below <= down / 2)
    else:
        inside = (right / max(across / 2, 1e-9)) ** 2 + (below / max(down / 2, 1e-9)) ** 2 <= 1
    return Mask.of(inside)


@node("mask/Invert", title="Invert mask", aliases=("negative",))
def invert(mask: Mask) -> Mask:
    """What was inside is outside."""
    return mask.inverted()


@node("mask/Threshold", title="Harden mask", aliases=("binary", "cut"))
def threshold(mask: Mask, level: float = Slider(0.5, 0, 1)) -> Mask:
    """Make a soft mask hard.

    Args:
        level: What is this much inside or more is wholly inside.
    """
    return Mask.of(mask.values >= np.float32(level))


@node("mask/Grow", title="Grow or shrink mask", aliases=("dilate", "erode", "expand", "contract"))
def grow(mask: Mask, pixels: int = Slider(8, -256, 256, unit="px")) -> Mask:
    """Move the edge of a mask outwards, or inwards.

    Args:
        pixels: How far; below 0 the mask shrinks.
    """
    if pixels == 0:
        return mask
    edge = 2 * abs(pixels) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (edge, edge))
    change = cv2.dilate if pixels > 0 else cv2.erode
    return Mask(np.stack([np.asarray(change(one, disc), dtype=np.float32) for one in mask.values]))


@node("mask/Feather", title="Feather mask", aliases=("blur", "soften"))
def feather(mask: Mask, radius: float = Slider(8.0, 0, 256, unit="px")) -> Mask:
    """Make the edge of a mask soft.

    Args:
        radius: Standard deviation of the Gaussian.
    """
    if radius == 0:
        return mask
    soft = [cv2.GaussianBlur(one, (0, 0), radius, borderType=cv2.BORDER_REFLECT) for one in mask.values]
    return Mask(np.clip(np.stack(soft), 0, 1).astype(np.float32))


@node("mask/Combine", title="Combine masks", aliases=("union", "intersect", "add", "subtract"))
def combine(
    first: Mask, second: Mask, mode: Literal["union", "intersection", "difference", "either"] = "union"
) -> Mask:
    """Two masks become one. The second is resized to the first.

    Args:
        first: A mask.
        second: Another mask.
        mode: Inside is what lies in one of them or both; in both; in the first only; in exactly one.
    """
    count = max(first.batch, second.batch)
    a, b = fitted(first, first.image(), count), fitted(second, first.image(), count)
    combined: NDArray[np.float32] = {
        "union": np.maximum(a, b),
        "intersection": np.minimum(a, b),
        "difference": np.minimum(a, 1 - b),
        "either": np.maximum(np.minimum(a, 1 - b), np.minimum(b, 1 - a)),
    }[mode]
    return Mask(combined.astype(np.float32))
