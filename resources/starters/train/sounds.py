"""Captioned sounds to learn from, synthesised by lot from a seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.shapes import Attributes, with_article

Wave = NDArray[np.float32]

RATE = 16_000
SECONDS = 2.56
SAMPLES = round(RATE * SECONDS)

NOTE_NAMES = ("c", "c#", "d", "d#", "e", "f", "f#", "g", "g#", "a", "a#", "b")
OCTAVES = (4, 5)
NOTES = {f"{name}{octave}": 12 * (octave + 1) + i for octave in OCTAVES for i, name in enumerate(NOTE_NAMES)}
LOUDNESS = {"soft": 0.12, "medium": 0.35, "loud": 0.85}
CLASSES = ("beep", "siren", "rising", "falling", "drum", "chord", "noise", "chirp")
DRUMS = ("kick drum", "snare drum", "hi-hat", "drum beat")
CHORDS = {"major": (0, 4, 7), "minor": (0, 3, 7)}


@dataclass(frozen=True, slots=True)
class Sound:
    """A synthesised sound, (40960,) float32 in [-1, 1] at 16 kHz; its caption; and what the caption says."""

    wave: Wave
    caption: str
    attributes: Attributes


def frequency(midi: float) -> float:
    """Hertz of a MIDI note number: 69 is a4, 440 Hz, equal temperament."""
    return float(440 * 2 ** ((midi - 69) / 12))


def envelope(samples: int, attack: float, release: float) -> Wave:
    """From 0 up to 1 in `attack` seconds and back in the last `release` seconds."""
    time = np.arange(samples, dtype=np.float32) / RATE
    up = np.clip(time / attack, 0, 1)
    down = np.clip((samples / RATE - time) / release, 0, 1)
    return (up * down).astype(np.float32)


def tone(hertz: NDArray[np.float64], harmonics: tuple[float, ...] = (1.0, 0.35, 0.15)) -> Wave:
    """A tone whose pitch follows `hertz`, one value a sample."""
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    summed = sum(level * np.sin((k + 1) * phase) for k, level in enumerate(harmonics))
    return np.asarray(summed / sum(harmonics), np.float32)


def steady(hertz: float, samples: int) -> Wave:
    return tone(np.full(samples, hertz))


def place(parts: list[tuple[float, Wave]]) -> Wave:
    """The parts, each from its second on, in silence of the full length."""
    wave = np.zeros(SAMPLES, np.float32)
    for start, part in parts:
        first = round(start * RATE)
        end = min(SAMPLES, first + len(part))
        wave[first:end] += part[: end - first]
    return wave


def beep(rng: random.Random, fixed: Attributes) -> tuple[Wave, str, Attributes]:
    note = fixed.get("note") or rng.choice(list(NOTES))
    count = rng.choice([1, 1, 2, 3])
    seconds = rng.uniform(0.28, 0.34) if count > 1 else rng.uniform(1.2, 2.0)
    hertz = frequency(NOTES[note])
    samples = round(seconds * RATE)
    single = steady(hertz, samples) * envelope(samples, 0.01, 0.03)
    wave = place([(0.15 + 0.7 * i, single) for i in range(count)])
    spoken = {1: "beep", 2: "two beeps", 3: "three beeps"}[count]
    return wave, f"{spoken} at {note}", {"note": note}


def siren(rng: random.Random, fixed: Attributes) -> tuple[Wave, str, Attributes]:
    time = np.arange(SAMPLES) / RATE
    middle, depth, speed = rng.uniform(650, 850), rng.uniform(0.3, 0.4), rng.uniform(0.9, 1.4)
    wave = tone(middle * 2 ** (depth * np.sin(2 * np.pi * speed * time)), (1.0, 0.5, 0.3, 0.2))
    return wave * envelope(SAMPLES, 0.05, 0.05), "siren", {}


def slide(rng: random.Random, up: bool) -> Wave:
    samples = round(rng.uniform(1.7, 2.3) * RATE)
    low, high = rng.uniform(200, 320), rng.uniform(1200, 1900)
    track = np.geomspace(low, high, samples)
    return place([(0.1, tone(track if up else track[::-1]) * envelope(samples, 0.03, 0.05))])


def rising(rng: random.Random, fixed: Attributes) -> tuple[Wave, str, Attributes]:
    return slide(rng, up=True), rng.choice(["rising tone", "tone going up"]), {}


def falling(rng: random.Random, fixed: Attributes) -> tuple[Wave, str, Attributes]:
    return slide(rng, up=False), rng.choice(["falling tone", "tone going down"]), {}


def hiss(rng: random.Random, samples: int) -> Wave:
    return np.random.default_rng(rng.getrandbits(32)).uniform(-1, 1, samples).astype(np.float32)


def decay(samples: int, seconds: float) -> Wave:
    return np.exp(-np.arange(samples, dtype=np.float32) / (seconds * RATE))


def hit(rng: random.Random, drum: str) -> Wave:
    samples = round(0.35 * RATE)
    if drum == "kick drum":
        return tone(110 * np.exp(-np.arange(samples) / (0.06 * RATE)) + 48, (1.0,)) * decay(samples, 0.1)
    if drum == "snare drum":
        return 0.7 * hiss(rng, samples) * decay(samples, 0.07) + 0.4 * steady(190, samples) * decay(samples, 0.05)
    sharp = np.diff(hiss(rng, samples + 2), 2) / 4
    return sharp.astype(np.float32) * decay(samples, 0.03)


def drum(rng: random.Random, fixed: Attributes) -> tuple[Wave, str, Attributes]:
    which = fixed.get("drum") or rng.choice(DRUMS)
    beat = rng.uniform(0.46, 0.54)
    if which == "drum beat":
        pattern = ["kick drum", "hi-hat", "snare drum", "hi-hat"]
        parts = [(0.08 + beat * i, hit(rng, pattern[i % 4])) for i in range(5)]
    else:
        parts = [(0.08 + beat * i, hit(rng, which)) for i in range(4)]
    return place(parts), which, {"drum": which}


def chord(rng: random.Random, fixed: Attributes) -> tuple[Wave, str, Attributes]:
    root, mode = fixed.get("root") or rng.choice(NOTE_NAMES), fixed.get("mode") or rng.choice(list(CHORDS))
    samples = round(rng.uniform(1.9, 2.2) * RATE)
    notes = [frequency(60 + NOTE_NAMES.index(root) + step) for step in CHORDS[mode]]
    summed = sum(steady(hertz, samples) for hertz in notes) / 3 * envelope(samples, 0.02, 0.4)
    return place([(0.1, np.asarray(summed, np.float32))]), f"{root} {mode} chord", {"root": root, "mode": mode}


def noise(rng: random.Random, fixed: Attributes) -> tuple[Wave, str, Attributes]:
    return hiss(rng, SAMPLES) * envelope(SAMPLES, 0.1, 0.1), "white noise", {}


def chirp(rng: random.Random, fixed: Attributes) -> tuple[Wave, str, Attributes]:
    parts = []
    for i in range(rng.randrange(5, 8)):
        samples = round(rng.uniform(0.1, 0.16) * RATE)
        top, bottom = rng.uniform(4200, 5400), rng.uniform(2400, 3200)
        track = np.geomspace(bottom, top, samples) if rng.random() < 0.5 else np.geomspace(top, bottom, samples)
        parts.append((0.1 + 0.34 * i, tone(track, (1.0, 0.1)) * envelope(samples, 0.02, 0.03)))
    return place(parts), rng.choice(["bird chirping", "birdsong"]), {}


MAKERS: dict[str, Callable[[random.Random, Attributes], tuple[Wave, str, Attributes]]] = {
    "beep": beep,
    "siren": siren,
    "rising": rising,
    "falling": falling,
    "drum": drum,
    "chord": chord,
    "noise": noise,
    "chirp": chirp,
}
UNCOUNTED = ("two", "three", "white", "birdsong")
CHANCES = {"beep": 0.3, "chord": 0.15}


def synthesise(rng: random.Random, kind: str | None = None, fixed: Attributes | None = None) -> Sound:
    """A sound of a class, or of any. `fixed` holds attributes that are not left to chance."""
    fixed = fixed or {}
    others = (1 - sum(CHANCES.values())) / (len(CLASSES) - len(CHANCES))
    kind = kind or rng.choices(CLASSES, [CHANCES.get(c, others) for c in CLASSES])[0]
    wave, words, said = MAKERS[kind](rng, fixed)
    loudness = fixed.get("loudness") or rng.choices(list(LOUDNESS), [0.25, 0.5, 0.25])[0]
    peak = LOUDNESS[loudness] * rng.uniform(0.92, 1.08)
    wave = wave * (peak / max(1e-6, float(np.abs(wave).max())))
    told = words if loudness == "medium" else f"{loudness} {words}"
    counted = words.split()[0] not in UNCOUNTED
    opening = rng.choice(["", "", "", "the sound of "])
    caption = opening + (with_article(told) if counted else told)
    return Sound(wave.astype(np.float32), caption, {"kind": kind, "loudness": loudness, **said})
