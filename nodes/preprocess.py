"""Pictures for ControlNets, made out of other pictures. None of these needs weights."""

from __future__ import annotations

import cv2
import numpy as np

from studio.sdk import Image, Seed, Slider, node


@node("control/Canny", title="Canny edges", aliases=("outline", "preprocessor", "CannyEdgePreprocessor"))
def canny(
    image: Image, low: float = Slider(0.4, 0, 1), high: float = Slider(0.8, 0, 1), blur: float = Slider(0.0, 0, 8)
) -> Image:
    """White lines where brightness changes sharply (Canny 1986), for ControlNets of that name.

    Args:
        image: The picture.
        low: A line goes on while the change is at least this strong.
        high: It begins where the change is this strong.
        blur: Smooth so many pixels first: fewer, longer lines.
    """
    made = []
    for pixels in _bytes(image):
        soft = cv2.GaussianBlur(pixels, (0, 0), blur) if blur > 0 else pixels
        made.append(cv2.Canny(np.ascontiguousarray(soft), low * 255, max(low, high) * 255))
    return _white_on_black(np.stack(made).astype(np.float32) / np.float32(255))


@node("control/Lineart", title="Line art", aliases=("drawing", "sketch", "preprocessor", "LineartStandard"))
def line_art(image: Image, blur: float = Slider(6.0, 0.5, 32), threshold: float = Slider(0.03, 0, 0.5)) -> Image:
    """White lines of a drawing: where a place is darker than what lies around it, for line art ControlNets.

    Args:
        image: The picture.
        blur: How far around it is looked, in pixels.
        threshold: Changes up to this strength are left out.
    """
    made = []
    for pixels in image.rgb().pixels:
        darker = (cv2.GaussianBlur(pixels, (0, 0), blur) - pixels).min(axis=2).clip(0, 1)
        lines = np.where(darker > threshold, darker, 0)
        strong = lines[lines > threshold]
        made.append((lines / max(float(np.median(strong)) if strong.size else 1.0, threshold, 1e-3)).clip(0, 1))
    return _white_on_black(np.stack(made).astype(np.float32))


@node("control/Shuffle", title="Shuffle content", aliases=("colours", "preprocessor", "ContentShuffle"))
def shuffle(image: Image, seed: int = Seed(), size: float = Slider(0.5, 0.1, 1)) -> Image:
    """Move everything around smoothly, so that colours and textures are left and shapes are lost: for shuffle ControlNets.

    Args:
        image: The picture.
        seed: Another one moves it otherwise.
        size: How far the waves of the movement are apart, as a share of the picture.
    """
    random = np.random.default_rng(seed)
    height, width = image.height, image.width
    waves = max(round(1 / size), 1) + 1
    across, down = (
        cv2.resize(
            random.random((waves, waves), dtype=np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        ).clip(0, 1)
        for _ in range(2)
    )
    moved = [
        cv2.remap(pixels, across * (width - 1), down * (height - 1), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        for pixels in image.rgb().pixels
    ]
    return Image(np.stack(moved).astype(np.float32))


def _bytes(image: Image) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    return [(pixels * 255).round().astype(np.uint8) for pixels in image.rgb().pixels]


def _white_on_black(lines: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Image:
    return Image(np.repeat(lines[..., None], 3, axis=3))
