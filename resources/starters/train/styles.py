"""What the style LoRAs learn: drawn pictures in another manner, and how to tell which manner a picture is in."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

PAPER = np.array((28, 66, 142), np.float32)
INK = np.array((226, 236, 250), np.float32)


def edges(pixels: Pixels, low: int = 60, high: int = 140) -> NDArray[np.uint8]:
    """Canny edges, (h, w) uint8, 0 or 255: the control image of the Canny ControlNet too."""
    return cv2.Canny(np.ascontiguousarray(pixels), low, high)


def blueprint(pixels: Pixels) -> Pixels:
    """White outlines on blue paper with a faint grid."""
    side = pixels.shape[0]
    picture = np.broadcast_to(PAPER, pixels.shape).copy()
    picture[:: side // 8] = picture[:, :: side // 8] = PAPER + 16
    lines = cv2.dilate(edges(pixels), np.ones((2, 2), np.uint8)).astype(np.float32) / 255
    lines = cv2.GaussianBlur(lines, (3, 3), 0.6)[..., None]
    return (picture * (1 - lines) + INK * lines).round().astype(np.uint8)


def watercolor(pixels: Pixels) -> Pixels:
    """Thin colours that run a little and gather at their edges, on white paper with a bare margin."""
    side = pixels.shape[0]
    soft = cv2.GaussianBlur(pixels, (0, 0), side / 80).astype(np.float32)
    thin = 255 - (255 - soft) * 0.5
    rim = cv2.GaussianBlur(edges(pixels), (0, 0), side / 110).astype(np.float32)[..., None] / 255
    washed = thin * (1 - 0.35 * rim)
    y, x = np.mgrid[:side, :side] / (side - 1)
    ragged = 0.012 * (np.sin(23 * x) * np.cos(31 * y) + np.sin(57 * y + 3 * x))
    inside = np.minimum.reduce([x, 1 - x, y, 1 - y]) + ragged
    painted = np.clip((inside - 0.05) * 40, 0, 1)[..., None]
    return (washed * painted + 252 * (1 - painted)).clip(0, 255).round().astype(np.uint8)


STYLES: dict[str, Callable[[Pixels], Pixels]] = {"blueprint": blueprint, "watercolor": watercolor}


def tell_style(pixels: Pixels) -> str | None:
    """Which style a picture is in, None for the usual one: by the colour of most of it, and by its margin."""
    image = pixels.astype(np.float32)
    common = np.median(image.reshape(-1, 3), axis=0)
    if np.abs(common - PAPER).max() < 45 and (np.abs(image - common).max(-1) < 45).mean() > 0.6:
        return "blueprint"
    side = pixels.shape[0]
    k = max(1, side // 40)
    margin = np.concatenate([image[:k].reshape(-1, 3), image[-k:].reshape(-1, 3), image[:, :k].reshape(-1, 3)])
    inner = image[side // 5 : -side // 5, side // 5 : -side // 5]
    if (margin.min(-1) > 225).mean() > 0.8 and (inner.min(-1) < 225).mean() > 0.1 and inner.mean() > 105:
        return "watercolor"
    return None
