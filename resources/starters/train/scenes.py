"""Scenes: a sky by day, at sunset or at night, a ground, and one thing on it."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from train.drawing import Canvas, Colour, jitter, shade
from train.shapes import COLOURS, Attributes, with_article

SKIES: dict[str, tuple[Colour, Colour]] = {
    "day": ((85, 165, 240), (205, 232, 250)),
    "sunset": ((215, 85, 95), (255, 208, 120)),
    "night": ((12, 18, 58), (48, 62, 125)),
}
GROUNDS: dict[str, Colour] = {
    "field": (85, 170, 70),
    "sea": (35, 110, 180),
    "desert": (228, 192, 118),
    "snow": (236, 241, 249),
}
LIGHT: dict[str, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (0.95, 0.82, 0.78),
    "night": (0.5, 0.54, 0.66),
}
MOONLIT = (0.7, 0.72, 0.82)  # things at night, lighter than the land so that their colour can be told
SUBJECTS: dict[str, tuple[str, ...]] = {
    "field": ("house", "tree", "flower", "balloon", "mountains", "castle", "nothing"),
    "sea": ("boat", "lighthouse", "island", "nothing"),
    "desert": ("pyramid", "cactus", "balloon", "mountains", "nothing"),
    "snow": ("house", "pine tree", "snowman", "mountains", "nothing"),
}
SUBJECT_COLOURS: dict[str, tuple[str, ...]] = {
    "house": ("red", "white", "yellow", "blue", "brown"),
    "boat": ("red", "blue", "yellow", "white", "brown"),
    "flower": ("red", "yellow", "pink", "white", "purple"),
    "balloon": ("red", "yellow", "blue", "purple", "orange"),
    "lighthouse": ("red", "blue", "black"),
}
HORIZON = 0.64


@dataclass(frozen=True, slots=True)
class Brush:
    """Where a thing of a scene stands and how it is lit."""

    canvas: Canvas
    rng: random.Random
    x: float
    y: float  # the ground line it stands on
    night: bool
    light: tuple[float, float, float]
    depth: int = 190

    def lit(self, colour: Colour) -> Colour:
        r, g, b = (round(c * k) for c, k in zip(jitter(colour, self.rng, 6), self.light, strict=True))
        return r, g, b

    def polygon(self, points: list[tuple[float, float]], colour: Colour, nearer: int = 0) -> None:
        moved = [(self.x + px, self.y + py) for px, py in points]
        self.canvas.polygon(moved, self.lit(colour), self.depth + nearer)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour, nearer: int = 0) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour, nearer)

    def disc(self, x: float, y: float, radius: float, colour: Colour, nearer: int = 0) -> None:
        self.canvas.disc(self.x + x, self.y + y, radius, self.lit(colour), self.depth + nearer)

    def window(self, left: float, top: float, right: float, bottom: float) -> None:
        """A pane that glows at night."""
        if self.night:
            corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
            glowing = [(self.x + px, self.y + py) for px, py in corners]
            self.canvas.polygon(glowing, jitter((255, 226, 120), self.rng, 6), self.depth + 6)
        else:
            self.box(left, top, right, bottom, (175, 218, 242), nearer=6)


def house(brush: Brush, colour: Colour) -> None:
    roof = (95, 60, 60) if colour[0] > 180 > colour[1] else (165, 62, 48)
    brush.box(0.09, -0.44, 0.14, -0.3, (120, 75, 65))
    brush.box(-0.17, -0.26, 0.17, 0, colour)
    brush.polygon([(-0.22, -0.26), (0, -0.46), (0.22, -0.26)], roof, nearer=4)
    brush.box(-0.04, -0.15, 0.05, 0, (92, 56, 36), nearer=6)
    brush.window(-0.14, -0.19, -0.07, -0.1)
    brush.window(0.08, -0.19, 0.14, -0.1)


def castle(brush: Brush, colour: Colour) -> None:
    stone, dark = (160, 160, 170), (118, 118, 132)
    brush.box(-0.16, -0.24, 0.16, 0, stone)
    for x in (-0.21, 0.11):
        brush.box(x, -0.34, x + 0.1, 0, dark, nearer=4)
        brush.polygon([(x - 0.02, -0.34), (x + 0.05, -0.47), (x + 0.12, -0.34)], (170, 60, 60), nearer=5)
        brush.window(x + 0.03, -0.28, x + 0.07, -0.2)
    brush.box(-0.05, -0.12, 0.05, 0, (88, 56, 38), nearer=6)
    brush.disc(0, -0.12, 0.05, (88, 56, 38), nearer=6)


def tree(brush: Brush, colour: Colour) -> None:
    brush.box(-0.032, -0.22, 0.032, 0, (112, 72, 42))
    for x, y, radius in ((-0.1, -0.27, 0.11), (0.1, -0.27, 0.11), (0, -0.36, 0.13), (0, -0.26, 0.11)):
        brush.disc(x, y, radius, (46, 132, 52), nearer=4)


def pine(brush: Brush, colour: Colour) -> None:
    brush.box(-0.03, -0.1, 0.03, 0, (112, 72, 42))
    for i in range(3):
        w, base = 0.17 - 0.035 * i, -0.08 - 0.12 * i
        brush.polygon([(-w, base), (0, base - 0.2), (w, base)], (32, 108, 66), nearer=2 * i)


def flower(brush: Brush, colour: Colour) -> None:
    brush.box(-0.015, -0.24, 0.015, 0.08, (42, 130, 50))
    brush.polygon([(0, 0.04), (0.11, -0.05), (0.03, -0.06)], (42, 130, 50))
    for i in range(6):
        angle = i * math.pi / 3
        brush.disc(0.105 * math.cos(angle), -0.27 + 0.105 * math.sin(angle), 0.066, colour, nearer=4)
    brush.disc(0, -0.27, 0.062, (215, 140, 30) if colour == COLOURS["yellow"] else (250, 200, 50), nearer=8)


def boat(brush: Brush, colour: Colour) -> None:
    brush.box(-0.012, -0.42, 0.012, -0.04, (92, 62, 42))
    brush.polygon([(0.025, -0.4), (0.025, -0.07), (0.2, -0.07)], (250, 248, 240), nearer=2)
    brush.polygon([(-0.025, -0.34), (-0.025, -0.07), (-0.15, -0.07)], (250, 248, 240), nearer=2)
    brush.polygon([(-0.23, -0.04), (0.23, -0.04), (0.15, 0.07), (-0.15, 0.07)], colour, nearer=5)


def lighthouse(brush: Brush, colour: Colour) -> None:
    brush.canvas.ellipse(brush.x, brush.y + 0.01, 0.2, 0.055, brush.lit((105, 100, 100)), brush.depth - 4)
    for i in range(4):
        low, high = 0.078 - 0.009 * i, 0.078 - 0.009 * (i + 1)
        corners = [(-low, -0.09 * i), (low, -0.09 * i), (high, -0.09 * (i + 1)), (-high, -0.09 * (i + 1))]
        brush.polygon(corners, colour if i % 2 == 0 else (245, 245, 242))
    brush.window(-0.035, -0.43, 0.035, -0.36)
    brush.polygon([(-0.05, -0.43), (0, -0.49), (0.05, -0.43)], (60, 60, 70), nearer=4)


def island(brush: Brush, colour: Colour) -> None:
    brush.canvas.ellipse(brush.x, brush.y, 0.25, 0.075, brush.lit((232, 207, 138)), brush.depth)
    trunk = [(-0.02, -0.03), (0.02, -0.03), (0.05, -0.3), (0.02, -0.3)]
    brush.polygon(trunk, (122, 82, 46), nearer=2)
    for angle in (-0.45, 0.35, 2.8, 3.6, -1.57):
        tip = (0.035 + 0.17 * math.cos(angle), -0.3 + 0.14 * math.sin(angle))
        side = (0.035 * math.sin(angle), -0.035 * math.cos(angle))
        middle = (0.035 + 0.09 * math.cos(angle), -0.33 + 0.09 * math.sin(angle))
        upper, lower = (middle[0] + side[0], middle[1] + side[1]), (middle[0] - side[0], middle[1] - side[1])
        brush.polygon([(0.035, -0.3), upper, tip, lower], (46, 142, 62), nearer=4)


def pyramid(brush: Brush, colour: Colour) -> None:
    brush.polygon([(-0.29, 0), (0, -0.42), (0.29, 0)], (206, 160, 80))
    brush.polygon([(0, -0.42), (0.29, 0), (0.08, 0)], (160, 120, 58), nearer=2)


def cactus(brush: Brush, colour: Colour) -> None:
    green = (50, 138, 72)
    brush.box(-0.045, -0.36, 0.045, 0, green)
    brush.disc(0, -0.36, 0.045, green)
    for side, low in ((-1, -0.12), (1, -0.17)):
        edge = side * 0.15
        brush.box(min(0, edge), low - 0.06, max(0, edge), low, green)
        brush.box(min(edge, edge - side * 0.06), low - 0.15, max(edge, edge - side * 0.06), low, green)
        brush.disc(edge - side * 0.03, low - 0.15, 0.03, green)


def snowman(brush: Brush, colour: Colour) -> None:
    for y, radius in ((-0.07, 0.135), (-0.25, 0.1), (-0.385, 0.075)):
        brush.disc(0, y, radius + 0.012, (150, 165, 195))
        brush.disc(0, y, radius, (252, 252, 254), nearer=3)
    brush.box(-0.1, -0.46, 0.1, -0.435, (38, 38, 44), nearer=6)
    brush.box(-0.06, -0.55, 0.06, -0.44, (38, 38, 44), nearer=6)
    brush.polygon([(0, -0.39), (0.09, -0.365), (0, -0.355)], (240, 130, 30), nearer=8)
    brush.disc(-0.03, -0.405, 0.013, (30, 30, 34), nearer=6)
    brush.disc(0.03, -0.405, 0.013, (30, 30, 34), nearer=6)
    brush.box(-0.085, -0.325, 0.085, -0.29, (205, 45, 45), nearer=7)
    for y in (-0.24, -0.19):
        brush.disc(0, y, 0.014, (40, 40, 46), nearer=6)


def balloon(brush: Brush, colour: Colour) -> None:
    brush.polygon([(-0.09, -0.24), (0.09, -0.24), (0.035, -0.15), (-0.035, -0.15)], shade(colour, 0.8))
    brush.disc(0, -0.36, 0.165, colour)
    brush.canvas.ellipse(brush.x, brush.y - 0.36, 0.06, 0.163, brush.lit((250, 246, 232)), brush.depth + 3)
    brush.box(-0.035, -0.13, 0.035, -0.075, (120, 80, 46), nearer=4)


def mountains(brush: Brush, colour: Colour) -> None:
    for x, height, width in ((-0.2, 0.34, 0.33), (0.19, 0.42, 0.38)):
        x += brush.rng.uniform(-0.03, 0.03)
        base = HORIZON + 0.02 - brush.y
        brush.polygon([(x - width, base), (x, base - height), (x + width, base)], (108, 114, 132), nearer=-90)
        snow = [(x - width * 0.3, base - height * 0.7), (x, base - height), (x + width * 0.3, base - height * 0.7)]
        brush.polygon(snow, (246, 248, 252), nearer=-90)


DRAWN: dict[str, Callable[[Brush, Colour], None]] = {
    "house": house,
    "castle": castle,
    "tree": tree,
    "pine tree": pine,
    "flower": flower,
    "boat": boat,
    "lighthouse": lighthouse,
    "island": island,
    "pyramid": pyramid,
    "cactus": cactus,
    "snowman": snowman,
    "balloon": balloon,
    "mountains": mountains,
}


def draw_sky(canvas: Canvas, rng: random.Random, time: str, horizon: float) -> str | None:
    """Sky with sun, moon, stars and clouds; gives what hangs in it, as a caption says it."""
    top, bottom = SKIES[time]
    canvas.gradient(jitter(top, rng, 6), jitter(bottom, rng, 6), until=horizon + 0.02)
    side = rng.choice([0.18, 0.82])
    if time == "sunset":
        x = rng.choice([0.25, 0.75])
        canvas.disc(x, horizon, 0.19, (255, 205, 120), depth=2)
        canvas.disc(x, horizon, 0.14, (255, 238, 150), depth=2)
        return None
    if time == "night":
        for _ in range(11):
            canvas.disc(rng.uniform(0.02, 0.98), rng.uniform(0.02, 0.45), rng.uniform(0.009, 0.014), (246, 244, 224), 2)
        if rng.random() < 0.3:
            return None
        canvas.disc(side, 0.18, 0.095, (250, 244, 210), depth=4)
        return "the moon"
    hanging = []
    if rng.random() < 0.6:
        canvas.disc(side, 0.18, 0.1, (255, 224, 70), depth=4)
        hanging.append("the sun")
    if rng.random() < 0.5:
        x, y = 1 - side + rng.uniform(-0.04, 0.04), rng.uniform(0.16, 0.22)
        for dx, radius in ((-0.085, 0.05), (0, 0.075), (0.085, 0.05)):
            canvas.ellipse(x + dx, y, radius, radius * 0.8, (252, 252, 252), depth=8)
        hanging.append("a cloud")
    return " and ".join(hanging) or None


def draw_ground(canvas: Canvas, brush: Brush, ground: str, horizon: float) -> None:
    """The land or the sea, nearer towards the bottom."""
    colour, rng = GROUNDS[ground], brush.rng
    if ground in ("field", "snow"):
        hill = shade(colour, 0.86)
        canvas.ellipse(rng.uniform(0.1, 0.3), horizon + 0.08, 0.5, 0.13, brush.lit(hill), depth=50)
        canvas.ellipse(rng.uniform(0.7, 0.9), horizon + 0.08, 0.42, 0.11, brush.lit(shade(colour, 0.93)), depth=60)
    elif ground == "desert":
        canvas.ellipse(rng.uniform(0.6, 0.9), horizon + 0.08, 0.5, 0.12, brush.lit(shade(colour, 0.9)), depth=50)
    lit = brush.lit(colour)
    rows = 12
    for i in range(rows):
        top = horizon + (1 - horizon) * i / rows
        canvas.rectangle(0, top, 1, 1, lit, depth=80 + 120 * i // rows)
    if ground == "sea":
        for _ in range(6):
            x, y = rng.uniform(-0.05, 0.9), rng.uniform(horizon + 0.16, 0.97)
            canvas.rectangle(x, y, x + 0.15, y + 0.014, brush.lit((110, 175, 225)), depth=180)


def scene(canvas: Canvas, rng: random.Random, fixed: Attributes) -> tuple[str, Attributes]:
    """Draw a scene; give its caption and what that says. `fixed` overrides what would be drawn by lot.

    An attribute that the caption leaves open is missing.
    """
    time = fixed.get("time") or rng.choice(list(SKIES))
    subject = fixed.get("subject")
    places = [g for g in GROUNDS if subject is None or subject in SUBJECTS[g]]
    ground = fixed.get("ground") or rng.choice(places)
    subject = subject or rng.choices(SUBJECTS[ground], [0.5 if s == "nothing" else 1 for s in SUBJECTS[ground]])[0]
    coloured = subject in SUBJECT_COLOURS
    colour = fixed.get("colour") or rng.choice(SUBJECT_COLOURS.get(subject, ("white",)))
    companion = subject in ("house", "castle", "snowman") and rng.random() < 0.22

    horizon = HORIZON + rng.uniform(-0.02, 0.02)
    hanging = draw_sky(canvas, rng, time, horizon)
    aside = rng.choice([-0.13, 0.13]) if companion else 0.0
    x = 0.5 + aside + rng.uniform(-0.05, 0.05)
    brush = Brush(canvas, rng, x, horizon + 0.13, time == "night", MOONLIT if time == "night" else LIGHT[time])
    if subject == "mountains":
        mountains(brush, COLOURS["gray"])
    draw_ground(canvas, replace(brush, light=LIGHT[time]), ground, horizon)
    other = "pine tree" if ground == "snow" else "tree"
    if companion:
        beside = replace(brush, x=brush.x - aside / 0.13 * 0.37, y=brush.y - 0.02, depth=170)
        DRAWN[other](beside, COLOURS["green"])
    if subject not in ("mountains", "nothing"):
        DRAWN[subject](brush, COLOURS[colour])

    said: Attributes = {"kind": "scene", "subject": subject, "time": time, "ground": ground}
    if coloured:
        said["colour"] = colour
    caption = scene_words(rng, said, hanging, other if companion else None)
    return caption, said


def scene_words(rng: random.Random, said: Attributes, hanging: str | None, other: str | None) -> str:
    """A caption of the scene. Takes out of `said` what it leaves open."""
    subject, time, ground = said["subject"], said["time"], said["ground"]
    names = {
        "nothing": "",
        "mountains": rng.choice(["snowy mountains", "mountains"]),
        "island": rng.choice(["an island", "an island with a palm tree"]),
        "balloon": "hot air balloon",
    }
    name = names.get(subject, subject)
    if "colour" in said:
        if rng.random() < 0.12:
            del said["colour"]
            name = with_article(name)
        else:
            name = with_article(f"{said['colour']} {name}")
    elif subject not in ("nothing", "mountains", "island"):
        name = with_article(name)
    if other:
        name += rng.choice([" and ", " next to ", " beside "]) + with_article(other)
    land = {
        "field": rng.choice(["a green field", "a meadow", "a field"]),
        "sea": "the sea",
        "desert": "the desert",
        "snow": "the snow",
    }[ground]
    where = f" {'over' if subject == 'balloon' else 'on' if ground == 'sea' else 'in'} {land}"
    only_here = sum(subject in found for found in SUBJECTS.values()) == 1
    if subject == "nothing":
        name, where = land, ""
    elif rng.random() < (0.3 if only_here else 0.2):
        where = ""
        if not only_here:
            del said["ground"]
    when = {
        "day": rng.choice([" on a sunny day", " by day", " under a blue sky", " in the daytime"]),
        "sunset": rng.choice([" at sunset", " at sunset under an orange sky", " under a sunset sky"]),
        "night": rng.choice([" at night", " under a night sky", " at night under the stars"]),
    }[time]
    if rng.random() < 0.08 and where:
        when = ""
        del said["time"]
    sky = f" with {hanging}" if hanging and when and rng.random() < 0.7 else ""
    opening = rng.choice([""] * 5 + ["a picture of ", "a drawing of ", "a landscape with "])
    return f"{opening}{name}{where}{when}{sky}"
