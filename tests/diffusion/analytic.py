"""A denoiser that is known exactly: x0 is one of two blobs, so that the best guess of it is a formula and samplers need no network."""

from __future__ import annotations

import torch
from torch import Tensor

from studio.diffusion.noise import NoiseSource
from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.step import Denoiser, StepState

CENTRE, WIDTH = 1.5, 0.4


def blobs(process: NoisingProcess = EXPLODING) -> Denoiser:
    """E[x0 | x] for x0 = +-CENTRE + WIDTH noise, in float64."""

    def denoise(x: Tensor, sigma: float) -> Tensor:
        alpha = process.alpha(sigma)
        x = x.double()
        variance = alpha**2 * WIDTH**2 + sigma**2
        right = torch.sigmoid(2 * alpha * CENTRE * x / variance)
        gain = alpha * WIDTH**2 / variance

        def guess(centre: float) -> Tensor:
            return centre + gain * (x - alpha * centre)

        return right * guess(CENTRE) + (1 - right) * guess(-CENTRE)

    return denoise


def start_at(sigma: float, seed: int = 3, batch: int = 1) -> StepState:
    """Pure noise at that level, in float64, and the random state after it."""
    source = NoiseSource.seeded(seed, batch)
    noise = source.draw(torch.empty(batch, 4, 6, 6)).double()
    return StepState(0, sigma, sigma * noise, torch.zeros_like(noise), rng=source.state)


def distance(ours: Tensor, theirs: Tensor) -> float:
    """Relative: |ours - theirs| / |theirs|."""
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm())
