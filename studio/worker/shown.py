"""What a value looks like: pixels for whatever can be drawn, words for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from studio.sdk.socket_types import plain_type_of
from studio.sdk.values import Audio, Image, Latent, Mask, Mel, Noise, Schedule, Video

Pixels: TypeAlias = NDArray[np.uint8]

_LONGEST_TEXT: Final = 100_000
_WAVE: Final = (1024, 256)
"""Width and height of a drawn sound, and of a drawn schedule."""
_MOST_PLOTTED: Final = 512


@dataclass(frozen=True, slots=True)
class Shown:
    """One item of a value. `pixels`: (height, width, 3 or 4) uint8, in C order, or None; then `text` says what it is.

    `count` items are in the whole value; `width` and `height` are those of the item before it was scaled down.
    """

    type: str
    pixels: Pixels | None = None
    text: str = ""
    count: int = 1
    width: int = 0
    height: int = 0


def show(value: object, index: int = 0, largest: int = 8192) -> Shown:
    """Item `index` of a value, counted through lists and batches, at most `largest` wide and high. Beyond the last it is the last."""
    leaves = list(_leaves(value))
    counts = [_items(leaf) for leaf in leaves]
    count = sum(counts)
    if not leaves:
        return Shown("list", text="An empty list.", count=0)
    leaf, at = _find(leaves, counts, min(max(index, 0), count - 1))
    kind = plain_type_of(leaf)
    name = str(kind) if kind is not None else type(leaf).__name__
    whole = _drawn(leaf, at, largest)
    if whole is None:
        return Shown(name, text=_words(leaf), count=count)
    pixels, width, height = whole
    return Shown(name, pixels, _words(leaf) if not isinstance(leaf, (Image, Mask)) else "", count, width, height)


def plotted(value: object) -> tuple[float, ...]:
    """The numbers to plot of a value: a schedule's noise levels, of a list the first one's; at most 512, evenly taken. Else none."""
    leaf = next(_leaves(value), None)
    if not isinstance(leaf, Schedule):
        return ()
    places = np.linspace(0, leaf.steps, min(len(leaf.sigmas), _MOST_PLOTTED)).round().astype(int)
    return tuple(leaf.sigmas[at] for at in places)


def _find(leaves: Sequence[object], counts: Sequence[int], at: int) -> tuple[object, int]:
    for leaf, items in zip(leaves, counts, strict=True):
        if at < items:
            return leaf, at
        at -= items
    raise IndexError(at)


def _leaves(value: object) -> Iterator[object]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (list, tuple)):
            waiting.extend(reversed(one))
        else:
            yield one


def _items(leaf: object) -> int:
    if isinstance(leaf, (Image, Mask)):
        return leaf.batch
    if isinstance(leaf, Video):
        return len(leaf.frames)
    if isinstance(leaf, (Latent, Noise, Mel)):
        return len(leaf.tensor) if isinstance(leaf, (Latent, Noise)) else len(leaf.values)
    return 1


def _drawn(leaf: object, at: int, largest: int) -> tuple[Pixels, int, int] | None:
    """Pixels, and the width and height of the whole."""
    match leaf:
        case Image():
            whole = leaf.pixels[at]
        case Mask():
            whole = leaf.values[at][..., None]
        case Video():
            whole = leaf.frames[at]
        case Latent():
            whole = projected(leaf.tensor[at : at + 1], leaf.family)
        case Noise():
            whole = projected(leaf.tensor[at : at + 1])
        case Audio():
            whole = _wave(leaf)
        case Schedule():
            whole = _levels(leaf)
        case Mel():
            whole = _stretched(leaf.values[at][::-1])[..., None]
        case _:
            return None
    height, width = whole.shape[:2]
    return _colours(scaled_down(whole, largest)), width, height


def scaled_down(whole: NDArray[Any], largest: int) -> NDArray[Any]:
    """By a whole factor. Of each block four pixels are averaged: a small picture of a large one need not read all of it."""
    factor = -(-max(whole.shape[:2]) // largest)
    if factor == 1:
        return whole
    step = factor // 2
    height, width = whole.shape[0] // factor * factor, whole.shape[1] // factor * factor
    if not height or not width:
        return whole[::factor, ::factor]
    corners = [
        whole[top:height:factor, left:width:factor].astype(np.float32) for top in (0, step) for left in (0, step)
    ]
    return (sum(corners[1:], corners[0]) / 4).astype(whole.dtype)


def _colours(pixels: NDArray[Any]) -> Pixels:
    """(height, width, 3 or 4) uint8 of [0, 1] floats or uint8, of any channels."""
    if pixels.dtype != np.uint8:
        clipped = np.nan_to_num(np.clip(pixels, 0, 1)) * np.float32(255)
        pixels = np.rint(clipped).astype(np.uint8)
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels)


def projected(tensor: Any, family: str = "") -> Pixels:  # noqa: ANN401 - a torch tensor, which this module must not import
    """A latent, or a batch as a grid, in the colours that are known for its family; else in grey."""
    from studio.diffusion.preview import known_projection, preview

    return preview(tensor, known_projection(family))


def _wave(sound: Audio) -> NDArray[np.float32]:
    """The loudest swing of each moment, a band for each channel; white on black."""
    width, height = _WAVE
    band = height // sound.channels if sound.channels <= height else 1
    rows = []
    for samples in sound.samples[: height // band]:
        edges = np.linspace(0, len(samples), width + 1).astype(np.int64)[:-1]
        edges = np.minimum(edges, len(samples) - 1)
        high, low = np.maximum.reduceat(samples, edges), np.minimum.reduceat(samples, edges)
        level = np.linspace(1, -1, band, dtype=np.float32)[:, None]
        reach = np.float32(2 / band)
        rows.append(((level <= high + reach) & (level >= low - reach)).astype(np.float32))
    return np.concatenate(rows)[..., None]


def _levels(schedule: Schedule) -> NDArray[np.float32]:
    """The noise levels over the steps, the ground below them lit; on a logarithmic scale, at whose bottom 0 lies."""
    width, height = _WAVE
    sigmas = np.array(schedule.sigmas, dtype=np.float64)
    least = sigmas[sigmas > 0].min()
    logs = np.log(np.maximum(sigmas, least / 2))
    shares = (logs - logs.min()) / (logs.max() - logs.min())
    curve = np.interp(np.linspace(0, schedule.steps, width), np.arange(len(sigmas)), shares)
    level = np.linspace(1, 0, height)[:, None]
    line = np.abs(level - curve) * height < 1.5
    return np.where(line, 1.0, np.where(level < curve, 0.25, 0.0)).astype(np.float32)[..., None]


def _stretched(values: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = float(values.min()), float(values.max())
    return (values - np.float32(low)) / np.float32(max(high - low, 1e-6))


def _words(leaf: object) -> str:
    text = leaf if isinstance(leaf, str) else repr(leaf)
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " …"
