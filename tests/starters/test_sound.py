import random
from pathlib import Path

import numpy as np
import pytest
import torch
from train import sound, sound_text, vocoder
from train.mel import HOP, log_mel, to_picture
from train.sounds import SAMPLES, synthesise


def test_every_word_of_a_caption_is_one_token(tmp_path: Path) -> None:
    tokenizer = sound_text.load_tokenizer(tmp_path)
    assert tokenizer.tokenize("a loud beep at f#5") == ["Ġa", "Ġloud", "Ġbeep", "Ġat", "Ġf", "#", "5"]
    ids, mask = sound_text.tokens(tokenizer, ["a siren", ""])
    assert ids.shape == (2, sound_text.LENGTH)
    assert mask.sum(1).tolist() == [4, 2]


def test_the_untrained_autoencoder_already_passes_mels_through() -> None:
    torch.manual_seed(0)
    vae = sound.build_vae().eval()
    sound.start_from_colours(vae)
    mels = sound.mel_pictures([synthesise(random.Random(i)) for i in range(2)])
    assert mels.shape == (2, 1, 256, 64)
    with torch.no_grad():
        latents = vae.encode(mels).latent_dist.mode()
        error = ((vae.decode(latents).sample - mels) ** 2).mean()
    assert latents.shape[1:] == sound.LATENT_SHAPE
    assert float(error) < 0.5 * float(mels.var())


def test_the_vocoder_makes_a_hop_of_samples_a_frame() -> None:
    wave = torch.from_numpy(synthesise(random.Random(1)).wave)[None]
    with torch.no_grad():
        made = vocoder.build().eval()(to_picture(log_mel(wave))[:, 0])
    assert made.shape == (1, SAMPLES)
    assert SAMPLES % HOP == 0


def test_spectral_distance_is_none_between_equals_and_grows_with_pitch() -> None:
    wave = torch.from_numpy(np.stack([synthesise(random.Random(2), "beep", {"note": "a4"}).wave]))
    other = torch.from_numpy(np.stack([synthesise(random.Random(2), "beep", {"note": "c5"}).wave]))
    assert float(vocoder.spectral_distance(wave, wave)) == pytest.approx(0, abs=1e-6)
    assert float(vocoder.spectral_distance(other, wave)) > 0.3
