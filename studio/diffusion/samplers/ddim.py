"""Samplers that go back to x0 at every step: DDIM, DDPM, and the consistency samplers LCM and TCD."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from studio.diffusion.noise_schedule import NoiseSchedule
from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.samplers.ancestral import ancestral_split, noise_source
from studio.diffusion.samplers.signature import SamplerFunction, usual_noise
from studio.diffusion.step import Denoiser, StepState


def ddim(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    eta: float = 0.0,
) -> Iterator[StepState]:
    """Denoising diffusion implicit models (Song et al. 2020, equation 12). Deterministic with eta 0, DDPM with eta 1.

    With eta 0 it is Euler's method, seen from x0. Draws once a step where eta > 0, not in the last.
    """
    x = start.latent
    source = noise_source(start) if eta > 0 else None
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        alpha, following = process.alpha(sigmas[i]), process.alpha(sigmas[i + 1])
        noise = (x - alpha * denoised) / sigmas[i]
        down, up = ancestral_split(process.ratio(sigmas[i]), process.ratio(sigmas[i + 1]), eta)
        x = following * denoised + following * down * noise
        if source is not None and up > 0:
            x = x + following * up * source.draw(x)
        yield StepState(i + 1, sigmas[i + 1], x, denoised, rng=start.rng if source is None else source.state)


def ddpm(
    denoiser: Denoiser, start: StepState, sigmas: Sequence[float], process: NoisingProcess = EXPLODING
) -> Iterator[StepState]:
    """Denoising diffusion probabilistic models (Ho et al. 2020, algorithm 2, with the posterior's variance)."""
    return ddim(denoiser, start, sigmas, process, eta=1.0)


def lcm(
    denoiser: Denoiser, start: StepState, sigmas: Sequence[float], process: NoisingProcess = EXPLODING
) -> Iterator[StepState]:
    """Multistep consistency sampling (Luo et al. 2023, arXiv:2310.04378, algorithm 3): denoise fully, put noise back.

    Without the boundary weights c_skip and c_out, which differ from 0 and 1 by less than 1e-5 above timestep 15.
    Draws once a step, not in the last.
    """
    x, source = start.latent, noise_source(start)
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        x = denoised
        if sigmas[i + 1] > 0:
            x = process.alpha(sigmas[i + 1]) * denoised + sigmas[i + 1] * source.draw(x)
        yield StepState(i + 1, sigmas[i + 1], x, denoised, rng=source.state)


def tcd(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    gamma: float = 0.3,
    noise: NoiseSchedule | None = None,
) -> Iterator[StepState]:
    """Strategic stochastic sampling of trajectory consistency distillation (Zheng et al. 2024, arXiv:2402.19159, algorithm 4).

    From x0 and the predicted noise to timestep (1 - `gamma`) t' below the next one, t', rounded down, then up to t' with fresh noise.
    The last step ends at x0, where diffusers ends at timestep 0. Draws once a step, not in the last.
    """
    trained = noise or usual_noise(process)
    x, source = start.latent, noise_source(start)
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        alpha, following = process.alpha(sigmas[i]), process.alpha(sigmas[i + 1])
        low, down = process.ratio(sigmas[i + 1]), 0.0
        if sigmas[i + 1] > 0:
            below = math.floor(np.float32(1 - gamma) * np.float32(trained.timestep(sigmas[i + 1])))
            down = min(process.ratio(trained.sigma(below)), low)
        x = following * denoised + (x - alpha * denoised) * (following * down / sigmas[i])
        if low > down:
            x = x + source.draw(x) * (following * math.sqrt(low**2 - down**2))
        yield StepState(i + 1, sigmas[i + 1], x, denoised, rng=source.state)


def tcd_on(noise: NoiseSchedule) -> SamplerFunction:
    """TCD in the timesteps of a model."""
    return partial(tcd, noise=noise)
