import random

import numpy as np
import pytest
import torch
from train import mel
from train.listen import classify, judge_sound, note_of
from train.sounds import CLASSES, NOTES, SAMPLES, frequency, steady, synthesise


def test_the_same_seed_sounds_the_same() -> None:
    first, second = synthesise(random.Random(1)), synthesise(random.Random(1))
    assert np.array_equal(first.wave, second.wave)
    assert first.caption == second.caption


@pytest.mark.parametrize("kind", CLASSES)
def test_the_judge_hears_what_was_synthesised(kind: str) -> None:
    rng = random.Random(11)
    for _ in range(12):
        sound = synthesise(rng, kind)
        assert sound.wave.shape == (SAMPLES,)
        assert np.abs(sound.wave).max() <= 1
        assert all(judge_sound(sound.wave, sound.attributes).values()), sound.caption


def test_the_judge_hears_a_semitone() -> None:
    wave = steady(frequency(NOTES["a4"]), SAMPLES)
    assert note_of(wave) == pytest.approx(69, abs=0.05)
    said = {"kind": "beep", "loudness": "loud", "note": "b4"}
    assert not judge_sound(wave, said)["pitch"]
    assert note_of(np.zeros(SAMPLES, np.float32)) is None


def test_a_caption_names_note_and_loudness() -> None:
    sound = synthesise(random.Random(2), "beep", {"note": "f#5", "loudness": "soft"})
    assert "soft" in sound.caption
    assert sound.caption.endswith("at f#5")
    assert np.abs(sound.wave).max() < 0.15


def test_class_does_not_depend_on_loudness() -> None:
    wave = synthesise(random.Random(3), "chord").wave
    assert classify(wave) == classify(0.1 * wave) == "chord"


def test_mels_have_a_frame_every_ten_milliseconds_and_peak_at_the_pitch() -> None:
    wave = torch.from_numpy(steady(440.0, SAMPLES))[None]
    mels = mel.log_mel(wave)
    assert mels.shape == (1, mel.FRAMES, mel.BINS)
    at = int(mels[0, 100].argmax())
    expected = mel.to_mels(440) / mel.to_mels(8000) * (mel.BINS + 1) - 1
    assert abs(at - expected) <= 1
    assert float(mel.to_picture(mels).abs().max()) < 1.5


def test_silence_is_the_floor() -> None:
    assert float(mel.log_mel(torch.zeros(1, SAMPLES)).max()) < -5
