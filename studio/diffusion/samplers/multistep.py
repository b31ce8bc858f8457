"""Multistep samplers: one network call a step, and the slopes or predictions of the steps before.

PLMS and iPNDM use the Adams-Bashforth weights of even steps whatever the steps are; DEIS and RES weigh by the true distances.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.samplers.exponential import step_towards
from studio.diffusion.step import Denoiser, StepState

ADAMS = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)
"""Adams-Bashforth weights for even steps, newest slope first, by order."""


def plms(
    denoiser: Denoiser, start: StepState, sigmas: Sequence[float], process: NoisingProcess = EXPLODING
) -> Iterator[StepState]:
    """Pseudo linear multistep, PNDM without Runge-Kutta steps (Liu et al. 2022, arXiv:2202.09778, equations 9 and 12).

    The slope is the predicted noise (for flow models, the velocity). The first step is a pseudo Heun step and calls the network
    twice. Memory: the last 3 slopes.
    """
    x, memory = start.latent, start.memory
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        slope = (x - denoised) / sigmas[i]
        move = sigmas[i + 1] - sigmas[i]
        kept = (slope, *memory)
        if memory:
            slope = _adams(kept)
        elif sigmas[i + 1] > 0:
            ahead = x + slope * move
            slope = (slope + (ahead - denoiser(ahead, sigmas[i + 1])) / sigmas[i + 1]) / 2
        x, memory = x + slope * move, kept[:3]
        yield StepState(i + 1, sigmas[i + 1], x, denoised, memory, rng=start.rng)


def ipndm(
    denoiser: Denoiser, start: StepState, sigmas: Sequence[float], process: NoisingProcess = EXPLODING
) -> Iterator[StepState]:
    """Improved PNDM: PLMS that begins with Euler's method (Zhang & Chen 2022, arXiv:2204.13902, appendix). Memory: the last 3 slopes."""
    x, memory = start.latent, start.memory
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        slopes = ((x - denoised) / sigmas[i], *memory)
        x, memory = x + _adams(slopes) * (sigmas[i + 1] - sigmas[i]), slopes[:3]
        yield StepState(i + 1, sigmas[i + 1], x, denoised, memory, rng=start.rng)


def _adams(slopes: Sequence[Tensor]) -> Tensor:
    weighted = [slope * weight for slope, weight in zip(slopes, ADAMS[len(slopes) - 1], strict=True)]
    return sum(weighted[1:], start=weighted[0])


def deis(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    order: int = 3,
) -> Iterator[StepState]:
    """Diffusion exponential integrator sampler, the tAB variant in log rho (Zhang & Chen 2022, arXiv:2204.13902, equation 15).

    y = x / alpha moves by the integral over rho = sigma / alpha of the polynomial, in log rho, through the last predicted noises.
    A step to sigma 0 is of first order, since log rho ends there. Memory: the last `order` - 1 predicted noises.
    """
    x, memory = start.latent, start.memory
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        noises = ((x - process.alpha(sigmas[i]) * denoised) / sigmas[i], *memory)
        levels = [process.ratio(sigmas[i - k]) for k in range(len(noises))]
        nodes = [level for level in levels if not math.isinf(level)]
        low = process.ratio(sigmas[i + 1])
        if low == 0 or len(nodes) < 2:
            x = step_towards(denoised, x, levels[0], low, process)
        else:
            alpha = process.alpha(sigmas[i + 1])
            x = x * (alpha / process.alpha(sigmas[i]))
            for noise, weight in zip(noises, _log_weights(nodes, low), strict=False):
                x = x + noise * (alpha * weight)
        memory = noises[: order - 1]
        yield StepState(i + 1, sigmas[i + 1], x, denoised, memory, rng=start.rng)


def _log_weights(nodes: Sequence[float], low: float) -> list[float]:
    """Integrals over rho, from nodes[0] to `low`, of the Lagrange polynomials in log rho through the nodes."""
    logs = [math.log(node / nodes[0]) for node in nodes]
    end = math.log(low / nodes[0])
    weights = []
    for j, node in enumerate(logs):
        others = [other for k, other in enumerate(logs) if k != j]
        polynomial = np.poly1d(others, r=True) / math.prod(node - other for other in others)
        # The integral of p(u) e^u is e^u (p - p' + p'' - ...).
        antiderivative, term = np.poly1d([0.0]), polynomial
        while True:
            antiderivative = antiderivative + term
            if term.order == 0:
                break
            term = -term.deriv()
        weights.append(nodes[0] * float(math.exp(end) * antiderivative(end) - antiderivative(0.0)))
    return weights


def res_multistep(
    denoiser: Denoiser, start: StepState, sigmas: Sequence[float], process: NoisingProcess = EXPLODING
) -> Iterator[StepState]:
    """Refined exponential solver, second-order multistep (Zhang et al. 2023, arXiv:2308.02157). Memory: the last predicted x0."""
    x, memory = start.latent, start.memory
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        high, low = process.ratio(sigmas[i]), process.ratio(sigmas[i + 1])
        x = step_towards(denoised, x, high, low, process)
        if memory and low > 0 and not math.isinf(before := process.ratio(sigmas[i - 1])):
            h = math.log(high / low)
            phi_1 = math.expm1(-h) / -h
            phi_2 = (phi_1 - 1) / -h
            past = math.log(before / high) / h
            x = x + (denoised - memory[0]) * (process.alpha(sigmas[i + 1]) * h * phi_2 / past)
        memory = (denoised,)
        yield StepState(i + 1, sigmas[i + 1], x, denoised, memory, rng=start.rng)
