"""Score-based sampling by predictor and corrector (Song et al. 2021, arXiv:2011.13456)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.samplers.ancestral import noise_source
from studio.diffusion.step import Denoiser, StepState


def sde_ve(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    snr: float = 0.15,
) -> Iterator[StepState]:
    """Predictor-corrector of the variance-exploding SDE (Song et al. 2021, algorithms 2 and 4).

    A step is one Langevin step at its sigma and one step of the reverse diffusion, in y = x / alpha. The Langevin step's size is
    taken for every item by itself, where the authors take the batch's mean: an item must not depend on its neighbours. Meant for
    hundreds of steps. Draws twice a step, once in the last, which keeps the mean; from pure noise of a flow model it draws once.
    """
    x, source = start.latent, noise_source(start)
    for i in range(start.index, len(sigmas) - 1):
        high, low = process.ratio(sigmas[i]), process.ratio(sigmas[i + 1])
        if math.isinf(high):
            denoised = denoiser(x, sigmas[i])
            y = denoised if low == 0 else denoised + source.draw(x) * low
        else:
            y = _langevin(denoiser, x, sigmas[i], source.draw(x), process, snr)
            denoised = denoiser(y * process.alpha(sigmas[i]), sigmas[i])
            spread = high**2 - low**2
            y = y + (denoised - y) * (spread / high**2)
            if low > 0:
                y = y + source.draw(x) * math.sqrt(spread)
        x = y * process.alpha(sigmas[i + 1])
        yield StepState(i + 1, sigmas[i + 1], x, denoised, rng=source.state)


def _langevin(
    denoiser: Denoiser, x: Tensor, sigma: float, drawn: Tensor, process: NoisingProcess, snr: float
) -> Tensor:
    """y after a step of annealed Langevin dynamics; its size keeps the ratio of score and noise at `snr`."""
    y, level = x / process.alpha(sigma), process.ratio(sigma)
    score = (denoiser(x, sigma) - y) / level**2
    noise_norm, score_norm = (torch.linalg.vector_norm(one.flatten(1), dim=1) for one in (drawn, score))
    sizes: Tensor = 2 * (snr * noise_norm / score_norm) ** 2
    size = sizes.reshape(-1, *[1] * (x.ndim - 1))
    stepped: Tensor = y + score * size + drawn * (2 * size).sqrt()
    return stepped
