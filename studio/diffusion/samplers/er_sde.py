"""Extended reverse-time SDE solver, ER-SDE-Solver-3 (Cui et al. 2023, arXiv:2309.06169)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.samplers.ancestral import noise_source
from studio.diffusion.step import Denoiser, StepState

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(32)


def er_sde(
    denoiser: Denoiser, start: StepState, sigmas: Sequence[float], process: NoisingProcess = EXPLODING
) -> Iterator[StepState]:
    """ER-SDE-Solver-3 (Cui et al. 2023, algorithm 3, noise scale function "ER SDE 5").

    Written in y = x / alpha and the level rho = sigma / alpha. The authors' integrals over 200 points are done by Gauss-Legendre
    quadrature. Memory: the last predicted x0, then its slope over rho. Draws once a step, not in the last.
    """
    x, memory, source = start.latent, start.memory, noise_source(start)
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        high, low = process.ratio(sigmas[i]), process.ratio(sigmas[i + 1])
        before = process.ratio(sigmas[i - 1]) if memory else math.inf
        slopes = () if math.isinf(before) else ((denoised - memory[0]) / (high - before),)
        if low == 0:
            x = denoised
        elif math.isinf(high):
            x = denoised * process.alpha(sigmas[i + 1]) + source.draw(x) * sigmas[i + 1]
        else:
            alpha = process.alpha(sigmas[i + 1])
            kept = float(_scale(np.array(low)) / _scale(np.array(high)))
            x = x * (alpha / process.alpha(sigmas[i]) * kept) + denoised * (alpha * (1 - kept))
            if slopes:
                first, second = _integrals(high, low)
                x = x + slopes[0] * (alpha * first)
                if len(memory) > 1:
                    bend = (slopes[0] - memory[1]) * (2 / (high - process.ratio(sigmas[i - 2])))
                    x = x + bend * (alpha * second)
            x = x + source.draw(x) * (alpha * math.sqrt(max(low**2 - (high * kept) ** 2, 0.0)))
        memory = (denoised, *slopes)
        yield StepState(i + 1, sigmas[i + 1], x, denoised, memory, rng=source.state)


def _scale(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """The noise scale function phi."""
    scaled: NDArray[np.float64] = level * (np.exp(level**0.3) + 10)
    return scaled


def _integrals(high: float, low: float) -> tuple[float, float]:
    """What a slope of x0 over rho, and a bend, add to a step between two levels (equations 18 and 19)."""
    half = (high - low) / 2
    at = low + half * (_POINTS + 1)
    weights = half * _WEIGHTS / _scale(at)
    reached, move = float(_scale(np.array(low))), low - high
    return move + reached * float(weights.sum()), move**2 / 2 + reached * float((weights * (at - high)).sum())
