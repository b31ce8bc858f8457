"""Captioned pictures to learn from, drawn by lot from a seed."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from train.drawing import Canvas
from train.scenes import scene
from train.shapes import COLOURS, HELD_OUT, SHAPES, Attributes, draw_background, draw_shape, one_shape, two_shapes

SIZE = 128
MIX = {"one": 0.4, "two": 0.26, "scene": 0.34}


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn picture, (size, size, 3) uint8 RGB; its depth, (size, size) uint8, 255 nearest; its caption; and what
    the caption says."""

    pixels: NDArray[np.uint8]
    depth: NDArray[np.uint8]
    caption: str
    attributes: Attributes


def held_out(attributes: Attributes) -> bool:
    """True where a shape has the colour that no training picture gives it."""
    pairs = {
        (attributes.get("shape"), attributes.get("colour")),
        (attributes.get("other_shape"), attributes.get("other_colour")),
    }
    return bool(pairs & HELD_OUT)


def draw(
    rng: random.Random, kind: str | None = None, fixed: Attributes | None = None, size: int = SIZE, plain: float = 0.75
) -> Picture:
    """Draw a picture of a kind ("one" shape, "two" shapes or a "scene"), or of any.

    `fixed` holds attributes that are not left to chance; `plain` is the share of plain backgrounds behind shapes.
    """
    kind = kind or rng.choices(list(MIX), list(MIX.values()))[0]
    canvas = Canvas(size)
    if kind == "scene":
        caption, said = scene(canvas, rng, fixed or {})
    else:
        caption, said = {"one": one_shape, "two": two_shapes}[kind](canvas, rng, fixed or {}, plain)
    return Picture(canvas.picture(), canvas.depth(), caption, said)


def draw_to_learn(rng: random.Random, kind: str | None = None, size: int = SIZE) -> Picture:
    """As `draw`, but never one of the combinations held out for the test."""
    while True:
        picture = draw(rng, kind, size=size)
        if not held_out(picture.attributes):
            return picture


def clutter(rng: random.Random, size: int = SIZE) -> NDArray[np.uint8]:
    """Many small shapes in any colour: more edges to learn from than a picture of one thing has."""
    canvas = Canvas(size)

    def tint() -> tuple[int, int, int]:
        known = rng.choice(list(COLOURS.values()))
        return known if rng.random() < 0.6 else (rng.randrange(256), rng.randrange(256), rng.randrange(256))

    draw_background(canvas, rng.choice(["plain", "plain", "gradient", "checker", "stripes"]), tint(), tint())
    for _ in range(rng.randrange(3, 11)):
        x, y, radius = rng.random(), rng.random(), rng.uniform(0.06, 0.2)
        if rng.random() < 0.85:
            draw_shape(canvas, rng.choice(SHAPES), x, y, radius, tint())
        else:
            canvas.line([(x, y), (rng.random(), rng.random())], rng.uniform(0.012, 0.05), tint(), depth=100)
    return canvas.picture()


def to_tensor(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """(n, h, w, 3) uint8 to (n, 3, h, w) float32 in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(images: torch.Tensor) -> NDArray[np.uint8]:
    """(n, 3, h, w) in [-1, 1] to (n, h, w, 3) uint8; what lies outside is clipped."""
    levels = (images.float().clamp(-1, 1) + 1) * 127.5
    return levels.round().byte().permute(0, 2, 3, 1).numpy()
