"""Tells what a picture shows, without anything learnt: colours by distance, shapes by overlap, scenes by comparison.

Its own accuracy on true renders is measured by the benchmark beside the models' figures. Shapes are judged on plain
backgrounds only.
"""

import functools
import random
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from train.drawing import Canvas
from train.pictures import SIZE, draw
from train.scenes import GROUNDS, LIGHT, SKIES, SUBJECT_COLOURS, SUBJECTS
from train.shapes import COLOURS, OFF_CENTER, POSITIONS, SHAPES, SIZES, Attributes, draw_shape

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

FEWEST_PIXELS = 12
VARIANTS = 24  # renders of each scene that a picture is compared with


@dataclass(frozen=True, slots=True)
class Seen:
    """A shape found in a picture: its names, centre and radius, the latter as fractions of the side.

    None where nothing was found.
    """

    background: str
    colour: str | None = None
    shape: str | None = None
    x: float = 0.0
    y: float = 0.0
    radius: float = 0.0


def nearest_colour(rgb: NDArray[np.float32]) -> str:
    return min(COLOURS, key=lambda name: float(((np.asarray(COLOURS[name]) - rgb) ** 2).sum()))


def normalised(mask: Mask) -> tuple[Mask, tuple[float, float, float]] | None:
    """The mask's bounding box stretched to 32x32, with its centre and half its longer side in pixels."""
    rows, columns = np.where(mask)
    if len(rows) < FEWEST_PIXELS:
        return None
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    cut = cv2.resize(mask[top:bottom, left:right].astype(np.float32), (32, 32), interpolation=cv2.INTER_AREA)
    return cut > 0.5, ((left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top) / 2)


@functools.cache
def templates() -> dict[str, tuple[Mask, float]]:
    """Each shape stretched to 32x32, and half its longer side over its radius."""
    masks = {}
    for shape in SHAPES:
        canvas = Canvas(256)
        draw_shape(canvas, shape, 0.5, 0.5, 0.35, (255, 255, 255))
        found = normalised(canvas.picture()[..., 0] > 127)
        assert found is not None
        masks[shape] = found[0], found[1][2] / (0.35 * 256)
    return masks


def look(pixels: Pixels, within: Mask | None = None) -> Seen:
    """Find the largest thing that stands out from the corners' colour, inside `within` where given."""
    image = pixels.astype(np.float32)
    side = image.shape[0]
    k = max(2, side // 20)
    corners = [image[:k, :k], image[:k, -k:], image[-k:, :k], image[-k:, -k:]]
    behind = np.median(np.concatenate([c.reshape(-1, 3) for c in corners]), axis=0)
    nothing = Seen(nearest_colour(behind))
    distance = np.sqrt(((image - behind) ** 2).sum(-1))
    if within is not None:
        distance = np.where(within, distance, 0)
    mask = distance > 40
    if mask.sum() < FEWEST_PIXELS:
        return nothing
    mask = distance > max(40.0, 0.5 * float(np.percentile(distance[mask], 75)))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return nothing
    mask = parts == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
    found = normalised(mask)
    if found is None:
        return nothing
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    colour = nearest_colour(np.median(image[inner if inner.sum() > 8 else mask], axis=0))
    overlap = {s: (t & found[0]).sum() / (t | found[0]).sum() for s, (t, _) in templates().items()}
    shape = max(overlap, key=lambda s: float(overlap[s]))
    x, y, half = (value / side for value in found[1])
    return Seen(nothing.background, colour, shape, x, y, half / templates()[shape][1])


def judge_one(pixels: Pixels, said: Attributes) -> dict[str, bool]:
    seen = look(pixels)
    position = min(POSITIONS, key=lambda p: (POSITIONS[p][0] - seen.x) ** 2 + (POSITIONS[p][1] - seen.y) ** 2)
    drawn = seen.radius / (1 if said["position"] == "center" else OFF_CENTER)
    size = min(SIZES, key=lambda s: abs(drawn - SIZES[s]))
    return {
        "shape": seen.shape == said["shape"],
        "colour": seen.colour == said["colour"],
        "background": seen.background == said["background_colour"],
        "position": position == said["position"],
        "size": size == said["size"],
    }


def judge_two(pixels: Pixels, said: Attributes) -> dict[str, bool]:
    side = pixels.shape[0]
    first = np.zeros((side, side), bool)
    if said["relation"] == "left":
        first[:, : side // 2] = True
    else:
        first[: side // 2] = True
    a, b = look(pixels, first), look(pixels, ~first)
    return {
        "shape": a.shape == said["shape"],
        "colour": a.colour == said["colour"],
        "other_shape": b.shape == said["other_shape"],
        "other_colour": b.colour == said["other_colour"],
        "background": a.background == said["background_colour"],
    }


def scene_signature(pixels: Pixels) -> NDArray[np.float32]:
    """The middle of a scene, where its subject stands, 4 pixels a value: sun, moon and clouds lie outside."""
    side = pixels.shape[0]
    middle = pixels[round(0.1 * side) : round(0.88 * side), round(0.16 * side) : round(0.84 * side)]
    small = cv2.resize(middle, (22, 25), interpolation=cv2.INTER_AREA).astype(np.float32)
    small[:5, :4] = small[:5, -4:] = 0
    return small


@functools.cache
def known_scenes(time: str, ground: str) -> tuple[list[tuple[str, str | None]], NDArray[np.float32]]:
    """Subject and colour of true renders under one sky and on one ground, and their signatures."""
    rng = random.Random(f"{time} {ground}")
    names: list[tuple[str, str | None]] = []
    signatures = []
    for subject in SUBJECTS[ground]:
        for colour in SUBJECT_COLOURS.get(subject, (None,)):
            for _ in range(VARIANTS):
                fixed = {"time": time, "ground": ground, "subject": subject} | ({"colour": colour} if colour else {})
                signatures.append(scene_signature(draw(rng, "scene", fixed).pixels))
                names.append((subject, colour))
    return names, np.stack(signatures)


def look_at_scene(pixels: Pixels) -> Attributes:
    """The sky by the colour of the top rows, the ground by the bottom rows, the subject by the most alike render."""
    side = pixels.shape[0]
    image = pixels.astype(np.float32)
    top = image[: max(1, side // 20)].mean((0, 1))
    bottom = np.median(image[-max(1, side // 16) :].reshape(-1, 3), axis=0)
    time = min(SKIES, key=lambda t: float(((np.asarray(SKIES[t][0]) - top) ** 2).sum()))
    lit = {g: np.asarray(GROUNDS[g]) * np.asarray(LIGHT[time]) for g in GROUNDS}
    ground = min(lit, key=lambda g: float(((lit[g] - bottom) ** 2).sum()))
    names, signatures = known_scenes(time, ground)
    if side != SIZE:
        pixels = cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    apart = np.abs(signatures - scene_signature(pixels)).mean((1, 2, 3))
    subject, colour = names[int(apart.argmin())]
    seen: Attributes = {"time": time, "ground": ground, "subject": subject}
    return seen | ({"colour": colour} if colour else {})


def judge_scene(pixels: Pixels, said: Attributes) -> dict[str, bool]:
    seen = look_at_scene(pixels)
    return {name: seen.get(name) == value for name, value in said.items() if name != "kind"}


def judge(pixels: Pixels, said: Attributes) -> dict[str, bool]:
    """Which of the attributes that a caption says the picture, (h, w, 3) uint8 RGB, shows rightly."""
    return {"one": judge_one, "two": judge_two, "scene": judge_scene}[said["kind"]](pixels, said)


def tally(pictures: Pixels, said: list[Attributes]) -> dict[str, float]:
    """Shares of right answers, as `kind.attribute`; `kind.all` where every attribute is right."""
    answers: dict[str, list[bool]] = {}
    for pixels, attributes in zip(pictures, said, strict=True):
        right = judge(pixels, attributes)
        for name, value in {**right, "all": all(right.values())}.items():
            answers.setdefault(f"{attributes['kind']}.{name}", []).append(value)
    return {name: sum(values) / len(values) for name, values in sorted(answers.items())}
