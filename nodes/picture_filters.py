"""Colour and sharpness of pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np

from studio.sdk import Image, Slider, node
from studio.sdk.values.image import LUMA, Pixels


@node("image/Invert", aliases=("negative",))
def invert(image: Image, amount: float = Slider(1.0, 0, 1)) -> Image:
    """Turn colours into their opposites. Transparency stays.

    Args:
        amount: 0 leaves the picture, 1 is the full negative, one half is grey.
    """
    return colours(image, lambda picture: picture + np.float32(amount) * (1 - 2 * picture))


@node("image/Blur", aliases=("gaussian", "soften"))
def blur(image: Image, radius: float = Slider(4.0, 0, 128, unit="px")) -> Image:
    """Soften a picture. The edge is mirrored, so that no dark rim appears.

    Args:
        radius: Standard deviation of the Gaussian; 0 leaves the picture.
    """
    if radius == 0:
        return image
    return image.map(lambda picture: _gaussian(picture, radius)).clamped()


@node("image/Sharpen", aliases=("unsharp mask",))
def sharpen(image: Image, amount: float = Slider(0.6, 0, 4), radius: float = Slider(1.5, 0.1, 32, unit="px")) -> Image:
    """Strengthen what is finer than the radius (unsharp masking).

    Args:
        amount: How much of the fine detail is added once more.
        radius: Size of the detail.
    """
    return colours(image, lambda picture: picture + np.float32(amount) * (picture - _gaussian(picture, radius)))


@node("image/Levels", aliases=("black point", "white point", "gamma", "tone"))
def levels(
    image: Image,
    black: float = Slider(0.0, 0, 1),
    white: float = Slider(1.0, 0, 1),
    gamma: float = Slider(1.0, 0.1, 10),
) -> Image:
    """Stretch the tones between a black and a white point.

    Args:
        black: What is this dark or darker becomes black.
        white: What is this light or lighter becomes white. Below `black`, the picture is turned into its negative.
        gamma: Above 1 the middle tones become lighter, below 1 darker.
    """
    span = white - black
    width = math.copysign(max(abs(span), 1e-6), span)

    def stretched(picture: Pixels) -> Pixels:
        share = np.clip((picture - np.float32(black)) / np.float32(width), np.float32(0), np.float32(1))
        return np.asarray(np.power(share, np.float32(1 / gamma)), dtype=np.float32)

    return colours(image, stretched)


@node("image/Adjust", title="Adjust colours", aliases=("brightness", "contrast", "saturation", "hue"))
def adjust(
    image: Image,
    brightness: float = Slider(0.0, -1, 1),
    contrast: float = Slider(1.0, 0, 4),
    saturation: float = Slider(1.0, 0, 4),
) -> Image:
    """Brightness, contrast and saturation.

    Args:
        brightness: Added to every colour; 0 leaves the picture.
        contrast: Distance from middle grey is multiplied by this; 1 leaves the picture.
        saturation: Distance from grey of the same brightness is multiplied by this; 0 is black and white, 1 leaves the picture.
    """

    def adjusted(picture: Pixels) -> Pixels:
        toned = (picture - np.float32(0.5)) * np.float32(contrast) + np.float32(0.5 + brightness)
        if toned.shape[2] == 1:
            return toned
        bright = (toned @ LUMA)[..., None]
        return np.asarray(bright + (toned - bright) * np.float32(saturation), dtype=np.float32)

    return colours(image, adjusted)


@node("image/Channel", title="Take channel", aliases=("red", "green", "blue", "grey", "gray", "grayscale"))
def channel(image: Image, channel: Literal["brightness", "red", "green", "blue", "alpha"] = "brightness") -> Image:
    """One channel of a picture, as a grey picture.

    Args:
        channel: Brightness weighs red, green and blue as the eye does.
    """
    if channel == "brightness":
        return image.gray()
    if channel == "alpha":
        return image.alpha().image()
    at = ("red", "green", "blue").index(channel)
    return Image(image.rgb().pixels[..., at : at + 1].copy())


@node("image/Edges", aliases=("canny", "outline", "lines"))
def edges(image: Image, low: float = Slider(0.2, 0, 1), high: float = Slider(0.5, 0, 1)) -> Image:
    """White lines where the brightness changes, on black (Canny 1986).

    Args:
        low: A fainter line is kept only where it continues a strong one.
        high: A change this strong always begins a line.
    """
    # 4 * 255 is the steepest a Sobel filter of 8-bit values gets.
    weak, strong = sorted((low * 1020, high * 1020))
    grey = image.gray().to_uint8()[..., 0]
    return Image.of(np.stack([np.asarray(cv2.Canny(one, weak, strong), dtype=np.uint8) for one in grey])[..., None])


def colours(image: Image, change: Callable[[Pixels], Pixels]) -> Image:
    """`change` on the colours of each picture, clamped; transparency stays."""

    def changed(picture: Pixels) -> Pixels:
        if picture.shape[2] < 4:
            return np.clip(change(picture), 0, 1).astype(np.float32)
        return np.concatenate([np.clip(change(picture[..., :3]), 0, 1).astype(np.float32), picture[..., 3:]], axis=2)

    return image.map(changed)


def _gaussian(picture: Pixels, radius: float) -> Pixels:
    if picture.shape[2] == 4:
        # Colours count as much as they are seen, or the hidden colours of clear pixels would bleed into the picture.
        soft = _gaussian(picture[..., :3] * picture[..., 3:], radius)
        alpha = _gaussian(picture[..., 3:], radius)
        return np.concatenate([soft / np.maximum(alpha, np.float32(1e-6)), alpha], axis=2)
    blurred = np.asarray(cv2.GaussianBlur(picture, (0, 0), radius, borderType=cv2.BORDER_REFLECT), dtype=np.float32)
    return blurred[:, :, None] if blurred.ndim == 2 else blurred
