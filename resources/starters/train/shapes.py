"""Simple shapes: one of them, or two in a relation, on a plain or patterned background."""

import math
import random

from train.drawing import Canvas, Colour, Point, jitter

COLOURS: dict[str, Colour] = {
    "red": (220, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (250, 220, 50),
    "green": (50, 165, 70),
    "blue": (40, 90, 215),
    "purple": (130, 60, 175),
    "pink": (250, 150, 190),
    "brown": (125, 75, 40),
    "black": (25, 25, 28),
    "white": (248, 248, 245),
    "gray": (135, 138, 142),
    "cyan": (70, 205, 220),
}
SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "heart", "diamond")
SIZES = {"small": 0.17, "medium": 0.24, "large": 0.34}
POSITIONS: dict[str, Point] = {
    "center": (0.5, 0.5),
    "left": (0.27, 0.5),
    "right": (0.73, 0.5),
    "top": (0.5, 0.27),
    "bottom": (0.5, 0.73),
}
OFF_CENTER = 0.8  # how much smaller a shape is when it stands aside, so that it stays inside the picture
BACKGROUNDS = ("plain", "gradient", "stripes", "checker")
PAIR_RADIUS = 0.2

# Never drawn for training: what the model makes of these shows whether it puts shape and colour together by itself.
HELD_OUT = frozenset(
    {
        ("heart", "purple"),
        ("star", "green"),
        ("cross", "orange"),
        ("square", "cyan"),
        ("circle", "brown"),
        ("diamond", "yellow"),
    }
)

Attributes = dict[str, str]


def with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def outline(shape: str, x: float, y: float, r: float) -> list[Point]:
    """The corners of a shape about (x, y) of half size `r`; a ring has none, it is two circles."""
    if shape == "square":
        q = r * 0.86
        return [(x - q, y - q), (x + q, y - q), (x + q, y + q), (x - q, y + q)]
    if shape == "triangle":
        return [(x, y - r), (x + r * 0.98, y + r * 0.78), (x - r * 0.98, y + r * 0.78)]
    if shape == "diamond":
        return [(x, y - r * 1.08), (x + r * 0.75, y), (x, y + r * 1.08), (x - r * 0.75, y)]
    if shape == "star":
        spokes = [(r * 1.12 if k % 2 == 0 else r * 0.45, k * math.pi / 5 - math.pi / 2) for k in range(10)]
        return [(x + s * math.cos(a), y + s * math.sin(a)) for s, a in spokes]
    if shape == "heart":
        turn = [2 * math.pi * k / 60 for k in range(60)]
        return [
            (
                x + r * math.sin(t) ** 3,
                y - r * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16.5,
            )
            for t in turn
        ]
    if shape == "cross":
        a, b = r * 0.95, r * 0.34
        quarter = [(b, -a), (b, -b), (a, -b)]
        turns = [(1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0)]
        return [(x + m * px + n * py, y + p * px + q * py) for m, n, p, q in turns for px, py in quarter]
    raise ValueError(shape)


def draw_shape(canvas: Canvas, shape: str, x: float, y: float, r: float, fill: Colour) -> None:
    if shape == "circle":
        canvas.disc(x, y, r, fill, depth=200)
    elif shape == "ring":
        canvas.ring(x, y, r, r * 0.38, fill, depth=200)
    else:
        canvas.polygon(outline(shape, x, y, r), fill, depth=200)


def draw_background(canvas: Canvas, kind: str, first: Colour, second: Colour) -> None:
    canvas.gradient(first, second if kind == "gradient" else first)
    if kind == "stripes":
        for i in range(1, 8, 2):
            canvas.rectangle(i / 8, 0, (i + 1) / 8, 1, second, depth=0)
    elif kind == "checker":
        for i in range(8):
            for j in range(1 - i % 2, 8, 2):
                canvas.rectangle(i / 8, j / 8, (i + 1) / 8, (j + 1) / 8, second, depth=0)


def background_words(kind: str, first: str, second: str, rng: random.Random) -> str:
    if kind == "plain":
        return rng.choice([f"{with_article(first)} background"] * 4 + [f"a plain {first} background"])
    if kind == "gradient":
        return rng.choice(
            [
                f"{with_article(first)} to {second} gradient background",
                f"a gradient background from {first} to {second}",
            ]
        )
    if kind == "stripes":
        return f"{with_article(first)} and {second} striped background"
    return f"{with_article(first)} and {second} {rng.choice(['checkered', 'checkerboard'])} background"


def choose_background(rng: random.Random, taken: set[str], plain: float) -> tuple[str, str, str]:
    kind = rng.choices(BACKGROUNDS, [plain, *[(1 - plain) / 3] * 3])[0]
    first, second = rng.sample([c for c in COLOURS if c not in taken], 2)
    return kind, first, second


def one_shape(canvas: Canvas, rng: random.Random, fixed: Attributes, plain: float = 0.75) -> tuple[str, Attributes]:
    """Draw a single shape; give its caption and what it says. `fixed` overrides what would be drawn by lot."""
    shape = fixed.get("shape") or rng.choice(SHAPES)
    colour = fixed.get("colour") or rng.choice(list(COLOURS))
    kind, first, second = choose_background(rng, {colour}, plain)
    kind, first = fixed.get("background", kind), fixed.get("background_colour", first)
    size = fixed.get("size") or rng.choices(list(SIZES), [0.25, 0.45, 0.3])[0]
    position = fixed.get("position") or rng.choices(list(POSITIONS), [0.5, 0.125, 0.125, 0.125, 0.125])[0]

    draw_background(canvas, kind, jitter(COLOURS[first], rng), jitter(COLOURS[second], rng))
    x, y = (c + rng.uniform(-0.02, 0.02) for c in POSITIONS[position])
    radius = SIZES[size] * rng.uniform(0.94, 1.06) * (1 if position == "center" else OFF_CENTER)
    draw_shape(canvas, shape, x, y, radius, jitter(COLOURS[colour], rng))

    thing = with_article(f"{'' if size == 'medium' else size + ' '}{colour} {shape}")
    where = {
        "center": ["", "", " in the center", " in the middle"],
        "left": [" on the left", " on the left side"],
        "right": [" on the right", " on the right side"],
        "top": [" at the top"],
        "bottom": [" at the bottom"],
    }[position]
    thing += rng.choice(where)
    behind = background_words(kind, first, second, rng)
    opening = rng.choice([""] * 5 + ["a picture of ", "a drawing of ", "an image of ", "there is "])
    caption = rng.choices(
        [
            f"{opening}{thing} {rng.choice(['on', 'on', 'on', 'with'])} {behind}",
            f"{thing}, {behind}",
            f"{behind} with {thing}",
        ],
        [0.7, 0.15, 0.15],
    )[0]
    said = {"kind": "one", "shape": shape, "colour": colour, "size": size, "position": position}
    return caption, {**said, "background": kind, "background_colour": first}


def two_shapes(canvas: Canvas, rng: random.Random, fixed: Attributes, plain: float = 0.75) -> tuple[str, Attributes]:
    """Draw two shapes, one left of or above the other; give the caption and what it says.

    `shape`, `colour` are those of the left or upper one, `other_shape`, `other_colour` those of the other.
    """
    shape, other = fixed.get("shape") or rng.choice(SHAPES), fixed.get("other_shape") or rng.choice(SHAPES)
    colour = fixed.get("colour") or rng.choice(list(COLOURS))
    other_colour = fixed.get("other_colour") or rng.choice([c for c in COLOURS if c != colour])
    kind, first, second = choose_background(rng, {colour, other_colour}, plain)
    kind, first = fixed.get("background", kind), fixed.get("background_colour", first)
    relation = fixed.get("relation") or rng.choice(["left", "above"])

    draw_background(canvas, kind, jitter(COLOURS[first], rng), jitter(COLOURS[second], rng))
    radius = PAIR_RADIUS * rng.uniform(0.94, 1.06)
    places = ("left", "right") if relation == "left" else ("top", "bottom")
    for what, tint, place in zip((shape, other), (colour, other_colour), places, strict=True):
        x, y = (c + rng.uniform(-0.02, 0.02) for c in POSITIONS[place])
        draw_shape(canvas, what, x, y, radius, jitter(COLOURS[tint], rng))

    a, b = with_article(f"{colour} {shape}"), with_article(f"{other_colour} {other}")
    if relation == "left":
        forms = [
            f"{a} to the left of {b}",
            f"{a} left of {b}",
            f"{b} to the right of {a}",
            f"{a} on the left and {b} on the right",
            f"{a} next to {b}",
        ]
    else:
        forms = [f"{a} above {b}", f"{b} below {a}", f"{a} at the top and {b} at the bottom"]
    opening = rng.choice(["", "", "", "a picture of "])
    caption = f"{opening}{rng.choice(forms)} on {background_words(kind, first, second, rng)}"
    said = {"kind": "two", "shape": shape, "colour": colour, "other_shape": other, "other_colour": other_colour}
    return caption, {**said, "relation": relation, "background": kind, "background_colour": first}
