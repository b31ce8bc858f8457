"""Samplers that go back to x0 at every step: DDIM, DDPM and the consistency sampler."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.samplers.ancestral import ancestral_split, noise_source
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
