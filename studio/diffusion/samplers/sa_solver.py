"""SA-Solver (Xue et al. 2023, arXiv:2309.05019): stochastic Adams, a predictor and a corrector that needs no further network call."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from torch import Tensor

from studio.diffusion.noise_schedule import NoiseSchedule
from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.samplers.ancestral import noise_source
from studio.diffusion.samplers.exponential import decay
from studio.diffusion.samplers.signature import SamplerFunction, usual_noise
from studio.diffusion.step import Denoiser, StepState

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def sa_solver(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    noise: NoiseSchedule | None = None,
) -> Iterator[StepState]:
    """SA-Solver, predictor and corrector of second order, data prediction (Xue et al. 2023, algorithm 1).

    tau, how stochastic a step is, is 1 in the middle of the times that a network knows, 0.2 T to 0.8 T, and 0 outside. Both orders have the
    authors' third-order correction for few steps. No corrector follows a step from pure noise. Memory: the latent that the last
    step started from, its noise, the last predicted x0. Draws once a step, not in the last.
    """
    trained = noise or usual_noise(process)
    x, memory, source = start.latent, start.memory, noise_source(start)
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        high, low = process.ratio(sigmas[i]), process.ratio(sigmas[i + 1])
        before = process.ratio(sigmas[i - 1]) if memory else math.inf
        if not math.isinf(before):
            began, drawn, older = memory
            h = math.log(before / high)
            tau = _tau(trained, sigmas[i - 1])
            weights = _weights((0.0, -h), h, tau)
            extra = (h / 2 - _ramp(h, tau) / h) * (1 + tau**2)
            known = [(denoised, weights[0] + extra), (older, weights[1] - extra)]
            x = _move(began, drawn, known, (sigmas[i - 1], sigmas[i]), tau, process)
        if low == 0:
            memory = (x, x, denoised)
            x = denoised
        else:
            tau = _tau(trained, sigmas[i])
            known = [(denoised, 1 - decay(high, low) ** (1 + tau**2))]
            if not math.isinf(before) and i + 2 < len(sigmas):
                h, last = math.log(high / low), math.log(before / high)
                weights = _weights((-h, -h - last), h, tau)
                extra = (h**2 / 2 - _ramp(h, tau)) / last * (1 + tau**2)
                known = [(denoised, weights[0] + extra), (memory[2], weights[1] - extra)]
            drawn = source.draw(x).to(x.dtype)
            memory = (x, drawn, denoised)
            x = _move(x, drawn, known, (sigmas[i], sigmas[i + 1]), tau, process)
        yield StepState(i + 1, sigmas[i + 1], x, denoised, memory, rng=source.state)


def sa_solver_on(noise: NoiseSchedule) -> SamplerFunction:
    """SA-Solver in the timesteps of a model."""
    return partial(sa_solver, noise=noise)


def _tau(noise: NoiseSchedule, sigma: float) -> float:
    share = noise.model_time(sigma) / noise.timesteps
    return 1.0 if 0.2 <= share <= 0.8 else 0.0


def _move(
    x: Tensor,
    drawn: Tensor,
    known: Sequence[tuple[Tensor, float]],
    ends: tuple[float, float],
    tau: float,
    process: NoisingProcess,
) -> Tensor:
    """From one sigma to the next, given predicted x0 and their weights (equations 14 and 17)."""
    high, low = ends
    kept: float = decay(process.ratio(high), process.ratio(low)) ** (tau**2)
    moved = x * (low / high * kept)
    for prediction, weight in known:
        moved = moved + prediction * (process.alpha(low) * weight)
    return moved + drawn * (low * math.sqrt(max(1 - kept**2, 0.0))) if tau > 0 else moved


def _weights(nodes: tuple[float, float], h: float, tau: float) -> tuple[float, float]:
    """(1 + tau^2) times the integrals of e^((1 + tau^2) u) over u from -h to 0, times the lines through the two nodes."""
    at = h / 2 * (_POINTS - 1)
    weights = h / 2 * _WEIGHTS * np.exp((1 + tau**2) * at) * (1 + tau**2)
    first, second = nodes
    return (
        float((weights * (at - second)).sum() / (first - second)),
        float((weights * (at - first)).sum() / (second - first)),
    )


def _ramp(h: float, tau: float) -> float:
    """The integral of e^((1 + tau^2) u) (u + h) over u from -h to 0."""
    rate = 1 + tau**2
    return (h * rate + math.expm1(-rate * h)) / rate**2
