"""UniPC (Zhao et al. 2023, arXiv:2302.04867): a multistep predictor, and a corrector that needs no further network call."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.step import Denoiser, StepState


def uni_pc(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    order: int = 3,
) -> Iterator[StepState]:
    """UniPC with B(h) = h (variant bh1), data prediction. Memory: see `_uni_pc`."""
    return _uni_pc(denoiser, start, sigmas, process, order, exponential=False)


def uni_pc_bh2(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    order: int = 3,
) -> Iterator[StepState]:
    """UniPC with B(h) = exp(h) - 1 (variant bh2), data prediction. Memory: see `_uni_pc`."""
    return _uni_pc(denoiser, start, sigmas, process, order, exponential=True)


def _uni_pc(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess,
    order: int,
    *,
    exponential: bool,
) -> Iterator[StepState]:
    """Memory: the corrected latent that the last step started from, then the last `order` predicted x0.

    The order falls towards the end (`lower_order_final` of the authors' code), and the last step has no corrector.
    """
    steps = len(sigmas) - 1
    x, memory = start.latent, start.memory
    for i in range(start.index, steps):
        denoised = denoiser(x, sigmas[i])
        if memory:
            before, *known = memory
            reached = min(order, steps - i + 1, len(known))
            x = _move(before, known, sigmas, i - 1, reached, process, exponential=exponential, ahead=denoised)
        else:
            known = []
        known = [denoised, *known][:order]
        memory = (x, *known)
        x = _move(x, known, sigmas, i, min(order, steps - i, len(known)), process, exponential=exponential, ahead=None)
        yield StepState(i + 1, sigmas[i + 1], x, denoised, memory, rng=start.rng)


def _move(
    x: Tensor,
    known: Sequence[Tensor],
    sigmas: Sequence[float],
    i: int,
    order: int,
    process: NoisingProcess,
    *,
    exponential: bool,
    ahead: Tensor | None,
) -> Tensor:
    """From sigmas[i] to sigmas[i + 1]: UniP of this order, or UniC where the prediction `ahead` at the target is known."""
    low = process.ratio(sigmas[i + 1])
    newest = known[0]
    if low == 0:
        return newest
    high = process.ratio(sigmas[i])
    alpha = process.alpha(sigmas[i + 1])
    if math.isinf(high):
        return x * (sigmas[i + 1] / sigmas[i]) + alpha * newest
    h = math.log(high / low)
    levels = [process.ratio(sigmas[i - k]) for k in range(1, order)]
    points = [math.log(high / level) / h for level in levels if not math.isinf(level)]
    slopes = [(older - newest) / point for older, point in zip(known[1 : len(points) + 1], points, strict=True)]
    phi = math.expm1(-h)
    scale = phi if exponential else -h
    matrix, right = _system([*points, 1.0], h, scale)
    base = x * (sigmas[i + 1] / sigmas[i]) - newest * (alpha * phi)
    if ahead is None:
        if not slopes:
            return base
        # For order 2 the authors take 1/2 instead of the solution, which it equals up to a higher order.
        weights = [0.5] if len(slopes) == 1 else np.linalg.solve(matrix[:-1, :-1], right[:-1]).tolist()
    else:
        slopes.append(ahead - newest)
        weights = [0.5] if len(slopes) == 1 else np.linalg.solve(matrix, right).tolist()
    change = sum((slope * weight for slope, weight in zip(slopes, weights, strict=True)), start=slopes[0] * 0)
    return base - change * (alpha * scale)


def _system(points: Sequence[float], h: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The Vandermonde system of the paper's equation 11 for data prediction, step -h."""
    rows, right = [], []
    phi = math.expm1(-h) / -h - 1
    factorial = 1
    for k in range(1, len(points) + 1):
        rows.append([point ** (k - 1) for point in points])
        right.append(phi * factorial / scale)
        factorial *= k + 1
        phi = phi / -h - 1 / factorial
    return np.array(rows), np.array(right)
