"""Tells what a sound is, without anything learnt: its pitch from the spectrum, its class from how pitch and level move."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.shapes import Attributes
from train.sounds import LOUDNESS, NOTES, RATE, Wave

WINDOW = 2048
HOP = 320


@dataclass(frozen=True, slots=True)
class Track:
    """What is heard over time, one value a 20 ms frame: level, the strongest frequency (Hz), its share of the power, and the
    share of power in noise (spectral flatness)."""

    level: NDArray[np.float64]
    pitch: NDArray[np.float64]
    purity: NDArray[np.float64]
    flatness: NDArray[np.float64]

    @property
    def heard(self) -> NDArray[np.bool_]:
        return self.level > 0.1 * self.level.max()


def spectra(wave: Wave) -> NDArray[np.float64]:
    """(frames, 1025) power of windows of 128 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, WINDOW // 2), WINDOW)[::HOP]
    return np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=-1)) ** 2


def peak_frequency(power: NDArray[np.float64]) -> float:
    """The strongest frequency in Hz, between bins by a parabola through the logarithms."""
    k = int(power[1:-1].argmax()) + 1
    a, b, c = np.log(power[k - 1 : k + 2] + 1e-20)
    bent = a - 2 * b + c
    return float((k + (0.5 * (a - c) / bent if bent else 0.0)) * RATE / WINDOW)


def follow(wave: Wave) -> Track:
    power = spectra(wave) + 1e-12
    total = power.sum(-1)
    strongest = power.argmax(-1)
    near = np.abs(np.arange(power.shape[1])[None] - strongest[:, None]) <= 3
    return Track(
        np.sqrt(total),
        np.array([peak_frequency(p) for p in power]),
        (power * near).sum(-1) / total,
        np.exp(np.log(power).mean(-1)) / power.mean(-1),
    )


def note_of(wave: Wave) -> float | None:
    """MIDI number of the strongest steady pitch, None in silence."""
    track = follow(wave)
    if track.level.max() < 1e-3:
        return None
    clear = track.heard & (track.purity > 0.3)
    if not clear.any():
        return None
    return float(69 + 12 * np.log2(np.median(track.pitch[clear]) / 440))


def classify(wave: Wave) -> str:
    """One of the classes of `sounds.CLASSES`."""
    track = follow(wave)
    heard = track.heard
    pitch = np.maximum(track.pitch[heard], 1.0)
    share, flatness = float(heard.mean()), float(np.median(track.flatness[heard]))
    middle, purity, spread = (
        float(np.median(pitch)),
        float(np.median(track.purity[heard])),
        float(np.std(np.log2(pitch))),
    )
    if flatness > 0.25 and share > 0.8:
        return "noise"
    if middle < 180:
        return "drum"
    if np.percentile(pitch, 10) > 1800 and middle < 6000 and flatness < 0.05:
        return "chirp"
    if purity > 0.45:
        if spread < 0.12:
            return "beep"
        slope = float(np.corrcoef(np.arange(len(pitch)), np.log2(pitch))[0, 1])
        if abs(slope) > 0.85:
            return "rising" if slope > 0 else "falling"
        return "siren" if share > 0.8 else "drum"
    return "chord" if purity > 0.2 and share > 0.6 and flatness < 0.05 else "drum"


def judge_sound(wave: Wave, said: Attributes) -> dict[str, bool]:
    """Which of the things that a caption says are heard: class, loudness, and within a semitone the note of a beep."""
    peak = float(np.abs(wave).max())
    loudness = min(LOUDNESS, key=lambda name: abs(np.log(LOUDNESS[name]) - np.log(max(peak, 1e-4))))
    right = {"class": classify(wave) == said["kind"], "loudness": loudness == said["loudness"]}
    if "note" in said:
        found = note_of(wave)
        right["pitch"] = found is not None and abs(found - NOTES[said["note"]]) <= 1
    return right
