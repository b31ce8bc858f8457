"""Log-mel spectrograms, as AudioLDM's vocoder takes them."""

import functools

import numpy as np
import torch
from torch import Tensor

from train.sounds import RATE, SAMPLES

BINS = 64
WINDOW = 1024
HOP = 160
FRAMES = SAMPLES // HOP
FLOOR = 1e-5  # of the magnitude, below which is silence

# log-mel values are about -11.5 (silence) to 4; the autoencoder sees them in [-1, 1]
MIDDLE, SPREAD = -4.0, 7.5


def to_mels(hertz: float) -> float:
    """O'Shaughnessy's formula (HTK)."""
    return 2595 * float(np.log10(1 + hertz / 700))


@functools.cache
def filters() -> Tensor:
    """(64, 513) triangles, evenly spaced in mel from 0 to 8 kHz, peak 1."""
    edges = 700 * (10 ** (np.linspace(0, to_mels(RATE / 2), BINS + 2) / 2595) - 1)
    at = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    rising = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - at) / (edges[2:] - edges[1:-1])[:, None]
    return torch.from_numpy(np.clip(np.minimum(rising, falling), 0, None)).float()


def magnitudes(waves: Tensor, window: int = WINDOW, hop: int = HOP) -> Tensor:
    """(n, samples) to (n, window / 2 + 1, frames) magnitudes, frames centred on multiples of `hop`, edges mirrored."""
    shape = torch.hann_window(window, device=waves.device)
    return torch.stft(waves, window, hop, window=shape, return_complex=True).abs().clamp(min=FLOOR)


def log_mel(waves: Tensor) -> Tensor:
    """(n, samples) in [-1, 1] to (n, frames, 64) natural logarithms; one frame every 10 ms."""
    frames = waves.shape[-1] // HOP
    mels = filters().to(waves.device) @ magnitudes(waves)[..., :frames]
    return mels.clamp(min=FLOOR).log().transpose(1, 2)


def to_picture(mels: Tensor) -> Tensor:
    """Log-mels (n, frames, 64) as one-channel pictures (n, 1, frames, 64), about [-1, 1]."""
    return ((mels - MIDDLE) / SPREAD)[:, None]
