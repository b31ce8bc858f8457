"""Deterministic samplers of the probability-flow ODE dx / dsigma = (x - denoised) / sigma (Karras et al. 2022, equation 1).

The equation is the same for every noising process of `process.py`, so that these need not know which it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.step import Denoiser, StepState


def euler(
    denoiser: Denoiser, start: StepState, sigmas: Sequence[float], process: NoisingProcess = EXPLODING
) -> Iterator[StepState]:
    """Euler's method (Karras et al. 2022, algorithm 2 without churn)."""
    x = start.latent
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        slope = (x - denoised) / sigmas[i]
        x = x + slope * (sigmas[i + 1] - sigmas[i])
        yield StepState(i + 1, sigmas[i + 1], x, denoised, rng=start.rng)


def heun(
    denoiser: Denoiser, start: StepState, sigmas: Sequence[float], process: NoisingProcess = EXPLODING
) -> Iterator[StepState]:
    """Heun's second-order method (Karras et al. 2022, algorithm 1)."""
    x = start.latent
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        slope = (x - denoised) / sigmas[i]
        ahead = x + slope * (sigmas[i + 1] - sigmas[i])
        if sigmas[i + 1] > 0:
            slope = (slope + (ahead - denoiser(ahead, sigmas[i + 1])) / sigmas[i + 1]) / 2
            ahead = x + slope * (sigmas[i + 1] - sigmas[i])
        x = ahead
        yield StepState(i + 1, sigmas[i + 1], x, denoised, rng=start.rng)


def dpm_2(
    denoiser: Denoiser, start: StepState, sigmas: Sequence[float], process: NoisingProcess = EXPLODING
) -> Iterator[StepState]:
    """The midpoint method, halfway in log sigma (k-diffusion's DPM-2, after Karras et al. 2022, algorithm 2)."""
    x = start.latent
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        slope = (x - denoised) / sigmas[i]
        if sigmas[i + 1] > 0:
            middle = math.sqrt(sigmas[i] * sigmas[i + 1])
            halfway = x + slope * (middle - sigmas[i])
            slope = (halfway - denoiser(halfway, middle)) / middle
        x = x + slope * (sigmas[i + 1] - sigmas[i])
        yield StepState(i + 1, sigmas[i + 1], x, denoised, rng=start.rng)


def lms(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    order: int = 4,
) -> Iterator[StepState]:
    """Linear multistep (Adams-Bashforth for uneven steps; k-diffusion's LMS). Memory: the last `order` - 1 slopes."""
    x, memory = start.latent, start.memory
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        slopes = ((x - denoised) / sigmas[i], *memory)
        for slope, weight in zip(slopes, _adams_weights(sigmas, i, len(slopes)), strict=True):
            x = x + weight * slope
        memory = slopes[: order - 1]
        yield StepState(i + 1, sigmas[i + 1], x, denoised, memory, rng=start.rng)


def _adams_weights(sigmas: Sequence[float], i: int, order: int) -> list[float]:
    """Integrals, from sigmas[i] to sigmas[i + 1], of the Lagrange polynomials through the last `order` sigmas."""
    nodes = [sigmas[i - j] for j in range(order)]
    # Gauss-Legendre with `order` points is exact up to degree 2 order - 1; ours is order - 1.
    points, weights = np.polynomial.legendre.leggauss(order)
    half = (sigmas[i + 1] - sigmas[i]) / 2
    at = sigmas[i] + half * (points + 1)
    integrals = []
    for j, node in enumerate(nodes):
        value = np.ones_like(at)
        for k, other in enumerate(nodes):
            if k != j:
                value *= (at - other) / (node - other)
        integrals.append(float(half * np.sum(weights * value)))
    return integrals
