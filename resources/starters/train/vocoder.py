"""The vocoder: log-mel spectrograms to sound (HiFi-GAN's generator, Kong et al. 2020, trained without its discriminators).

It takes mels as the autoencoder gives them, scaled to about [-1, 1].
"""

import random

import numpy as np
import torch
from torch import Tensor, nn
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from train.loop import Place, Task, fit
from train.mel import BINS, HOP, log_mel, magnitudes, to_picture
from train.sounds import RATE, SAMPLES, synthesise

BATCH = 6
SEGMENT = 96 * HOP  # just under a second
RESOLUTIONS = ((256, 64), (512, 128), (1024, 256), (2048, 512))


def build() -> SpeechT5HifiGan:
    """In the layout of AudioLDM's: 64 mel bins, 160 samples a frame. Two residual branches where that has three."""
    return SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=BINS,
            sampling_rate=RATE,
            upsample_initial_channel=192,
            upsample_rates=[5, 4, 2, 2, 2],
            upsample_kernel_sizes=[15, 8, 4, 4, 4],
            resblock_kernel_sizes=[3, 7],
            resblock_dilation_sizes=[[1, 3, 5], [1, 3, 5]],
            normalize_before=False,
        )
    )


def spectral_distance(made: Tensor, wanted: Tensor) -> Tensor:
    """Multi-resolution STFT distance (Yamamoto et al. 2020): relative, and of logarithms; (n, samples) each."""
    total = torch.zeros((), device=made.device)
    for window, hop in RESOLUTIONS:
        a, b = magnitudes(made, window, hop), magnitudes(wanted, window, hop)
        total = (
            total
            + (a - b).norm() / b.norm().clamp(min=1e-3)
            + (a.clamp(min=1e-3).log() - b.clamp(min=1e-3).log()).abs().mean()
        )
    return total / len(RESOLUTIONS)


def segments(rng: random.Random, count: int) -> Tensor:
    """(count, SEGMENT) pieces of synthesised sounds."""
    starts = [HOP * rng.randrange((SAMPLES - SEGMENT) // HOP + 1) for _ in range(count)]
    return torch.from_numpy(np.stack([synthesise(rng).wave[s : s + SEGMENT] for s in starts]))


@torch.no_grad()
def round_trip(vocoder: nn.Module, waves: Tensor) -> float:
    """How well the log-mels of what the vocoder makes of log-mels agree with them, as signal-to-noise ratio in dB."""
    wanted = log_mel(waves)
    found = log_mel(vocoder(to_picture(wanted)[:, 0]))
    frames = min(wanted.shape[1], found.shape[1])
    wanted, found = wanted[:, :frames], found[:, :frames]
    signal = (wanted - wanted.mean((1, 2), keepdim=True)) ** 2
    error = (wanted - found) ** 2
    return float((10 * torch.log10(signal.mean((1, 2)) / error.mean((1, 2)))).mean())


def train(minutes: float, resume: bool, place: Place) -> None:
    torch.manual_seed(0)
    vocoder = build()
    rng = random.Random("vocoder")
    known = torch.from_numpy(np.stack([synthesise(rng).wave for _ in range(16)])).to(place.device)

    def loss(step: int) -> Tensor:
        wanted = segments(random.Random(f"vocoder {place.rank} {step}"), BATCH).to(place.device)
        mels = log_mel(wanted)
        made = vocoder(to_picture(mels)[:, 0])[:, : wanted.shape[1]]
        again = (log_mel(made) - mels).abs().mean()
        return spectral_distance(made, wanted) + again

    task = Task(
        "vocoder",
        vocoder,
        loss,
        BATCH,
        rate=1.5e-3,
        ema=0.996,
        score=lambda model: {"mel_snr": round_trip(model, known)},
    )
    fit(task, minutes, place, resume)
