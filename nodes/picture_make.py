"""Pictures from nothing."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from studio.sdk import Color, ColorPicker, Image, Number, Seed, Slider, node
from studio.sdk.values.image import Pixels

LARGEST = 16384


@node("image/Solid", title="Solid colour", aliases=("fill", "constant", "color"))
def solid(
    color: Color = ColorPicker("#808080"),
    width: int = Number(512, 1, LARGEST, step=8, unit="px"),
    height: int = Number(512, 1, LARGEST, step=8, unit="px"),
    batch: int = Number(1, 1, 256, step=1),
) -> Image:
    """One colour all over.

    Args:
        color: With transparency, the picture is transparent.
        width: Width of the picture.
        height: Height of the picture.
        batch: Number of pictures.
    """
    return Image.solid(width, height, [*color.rgb, color.alpha] if color.alpha < 1 else color.rgb, batch)


@node("image/Gradient", aliases=("ramp", "fade"))
def gradient(
    start: Color = ColorPicker("#000000"),
    end: Color = ColorPicker("#ffffff"),
    shape: Literal["line", "circle"] = "line",
    angle: float = Slider(0.0, 0, 360, unit="°"),
    width: int = Number(512, 1, LARGEST, step=8, unit="px"),
    height: int = Number(512, 1, LARGEST, step=8, unit="px"),
) -> Image:
    """Pass from one colour to another.

    Args:
        start: The colour at the left, or in the middle of the circle.
        end: The colour at the right, or in the corners.
        shape: Along a line, or from the middle outwards.
        angle: Direction of the line; 0 goes to the right, 90 downwards.
        width: Width of the picture.
        height: Height of the picture.
    """
    x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2)[None, :]
    y = (np.arange(height, dtype=np.float32) + 0.5 - height / 2)[:, None]
    if shape == "circle":
        share = np.hypot(x, y) / (math.hypot(width, height) / 2)
    else:
        across, down = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        length = abs(across) * width + abs(down) * height
        share = (x * across + y * down) / length + 0.5
    clear = min(start.alpha, end.alpha) < 1
    first = np.asarray([*start.rgb, start.alpha] if clear else start.rgb, dtype=np.float32)
    last = np.asarray([*end.rgb, end.alpha] if clear else end.rgb, dtype=np.float32)
    return Image.of(first + (last - first) * np.clip(share, 0, 1)[..., None])


@node("image/Grain", title="Add grain", aliases=("noise", "film"))
def grain(
    image: Image,
    strength: float = Slider(0.08, 0, 1),
    coarse: float = Slider(1.0, 1, 16, unit="px"),
    seed: int = Seed(),
) -> Image:
    """Lay random grain over a picture, strongest in the middle tones as on film. The same seed gives the same grain.

    Args:
        strength: Standard deviation of the grain in middle grey.
        coarse: Size of a grain.
        seed: Where the random numbers begin.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    height, width = max(round(image.height / coarse), 1), max(round(image.width / coarse), 1)
    drawn = random.standard_normal((image.batch, height, width), dtype=np.float32)
    fine = np.stack([_enlarged(one, image.width, image.height) for one in drawn])[..., None]
    colours = image.pixels[..., :3] if image.channels == 4 else image.pixels
    weight = 4 * colours * (1 - colours) * np.float32(strength)
    grained = np.clip(colours + fine * weight, 0, 1).astype(np.float32)
    return Image(np.concatenate([grained, image.pixels[..., 3:]], axis=3) if image.channels == 4 else grained)


def _enlarged(values: Pixels, width: int, height: int) -> Pixels:
    import cv2

    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
