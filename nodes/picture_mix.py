"""Two pictures become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

import numpy as np

from studio.sdk import Image, Mask, Number, Slider, ValueRefused, node
from studio.sdk.values.image import Pixels

MODES: Final[Mapping[str, Callable[[Pixels, Pixels], Pixels]]] = {
    "normal": lambda below, above: above,
    "multiply": lambda below, above: below * above,
    "screen": lambda below, above: 1 - (1 - below) * (1 - above),
    "overlay": lambda below, above: np.where(below < 0.5, 2 * below * above, 1 - 2 * (1 - below) * (1 - above)),
    "soft light": lambda below, above: (1 - 2 * above) * below * below + 2 * above * below,
    "hard light": lambda below, above: np.where(above < 0.5, 2 * below * above, 1 - 2 * (1 - below) * (1 - above)),
    "lighten": np.maximum,
    "darken": np.minimum,
    "add": lambda below, above: below + above,
    "subtract": lambda below, above: below - above,
    "difference": lambda below, above: np.abs(below - above),
}
"""Blend modes after the W3C's Compositing and Blending Level 1; soft light is the formula of Pegtop, which has no kink."""


@node("image/Blend", aliases=("mix", "layer", "multiply", "screen", "overlay", "difference"))
def blend(
    below: Image,
    above: Image,
    mode: Literal[
        "normal",
        "multiply",
        "screen",
        "overlay",
        "soft light",
        "hard light",
        "lighten",
        "darken",
        "add",
        "subtract",
        "difference",
    ] = "normal",
    amount: float = Slider(1.0, 0, 1),
    mask: Mask | None = None,
) -> Image:
    """Lay one picture over another.

    The upper one is resized to the lower one where they differ. Its transparency counts; the result is as transparent as the lower one.

    Args:
        below: The ground.
        above: What is laid over it.
        mode: How the colours meet.
        amount: 0 shows only the ground, 1 all of the upper picture.
        mask: Where the upper picture is laid; everywhere without one.
    """
    upper = above.resized(*below.size)
    ground, over = paired(below.with_channels(max(below.channels, 3)), upper)
    mixed = np.clip(MODES[mode](ground.pixels[..., :3], over.rgb().pixels), 0, 1).astype(np.float32)
    share = np.float32(amount) * over.alpha().values
    if mask is not None:
        share = share * fitted(mask, below, below.batch if mask.batch > 1 else 1)
    colours = ground.pixels[..., :3] + (mixed - ground.pixels[..., :3]) * share[..., None]
    return Image(np.concatenate([colours, ground.pixels[..., 3:]], axis=3))


@node("image/Paste", aliases=("composite", "place", "overlay"))
def paste(
    below: Image,
    above: Image,
    x: int = Number(0, -16384, 16384, step=1, unit="px"),
    y: int = Number(0, -16384, 16384, step=1, unit="px"),
    mask: Mask | None = None,
) -> Image:
    """Put a picture at a place on another, at its own size. What reaches beyond the ground is left away.

    Args:
        below: The ground.
        above: What is put on it. Its transparency counts.
        x: Where its left edge comes to lie.
        y: Where its upper edge comes to lie.
        mask: Which part of the upper picture is put; all of it without one.
    """
    ground, over = paired(below, above)
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + over.width, ground.width), min(y + over.height, ground.height)
    if left >= right or top >= bottom:
        return below
    colours = ground.with_channels(max(ground.channels, 3))
    share = over.alpha().values
    if mask is not None:
        share = share * fitted(mask, over, over.batch if mask.batch > 1 else 1)
    inside = np.s_[:, top - y : bottom - y, left - x : right - x]
    part = share[inside][..., None]
    pixels = colours.pixels.copy()
    place = pixels[:, top:bottom, left:right]
    place[..., :3] += (over.rgb().pixels[inside] - place[..., :3]) * part
    if pixels.shape[3] == 4:
        place[..., 3:] += (1 - place[..., 3:]) * part
    return Image(pixels)


@node("image/JoinBatch", title="Join batches", aliases=("append", "stack", "ImageBatch"))
def join_batch(first: Image, second: Image) -> Image:
    """The pictures of one batch behind those of another. The second ones are brought to the size of the first.

    Args:
        first: The batch that comes first.
        second: What follows. Where the proportions differ, its middle is taken.
    """
    scale = max(first.width / second.width, first.height / second.height)
    across, down = max(round(second.width * scale), first.width), max(round(second.height * scale), first.height)
    scaled = second if second.size == first.size else second.resized(across, down, "linear")
    fitting = scaled.cropped((across - first.width) // 2, (down - first.height) // 2, *first.size)
    channels = max(first.channels, second.channels)
    return Image(np.concatenate([first.with_channels(channels).pixels, fitting.with_channels(channels).pixels]))


@node("image/JoinAlpha", title="Join transparency", aliases=("cut out", "alpha"))
def join_alpha(image: Image, mask: Mask) -> Image:
    """Make a picture transparent outside a mask.

    Args:
        image: The picture; transparency that it has is replaced.
        mask: What stays visible. It is resized to the picture.
    """
    alpha = fitted(mask, image, image.batch)
    return Image(np.concatenate([image.rgb().pixels, alpha[..., None]], axis=3))


def paired(first: Image, second: Image) -> tuple[Image, Image]:
    """Both as batches of the same length: a single picture goes with every one of the other's. Raises `ValueRefused` otherwise."""
    count = max(first.batch, second.batch)
    for one in (first, second):
        if one.batch not in (1, count):
            raise ValueRefused(
                f"Batches of {first.batch} and {second.batch} pictures do not go together.",
                mend="Make them equally long, or one of them a single picture.",
            )
    return _repeated(first, count), _repeated(second, count)


def fitted(mask: Mask, image: Image, batch: int) -> Pixels:
    """(1 or batch, height, width): the mask at the picture's size. Raises `ValueRefused` where it has another number of masks."""
    values = mask.resized(*image.size).values
    if len(values) not in (1, batch):
        raise ValueRefused(
            f"{len(values)} masks do not fit {batch} pictures.", socket="mask", mend="Use one mask, or one each."
        )
    return np.broadcast_to(values, (batch, *values.shape[1:])) if batch > 1 else values


def _repeated(image: Image, count: int) -> Image:
    return image if image.batch == count else Image(np.repeat(image.pixels, count, axis=0))
