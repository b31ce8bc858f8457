"""DPM-Solver (Lu et al. 2022, arXiv:2206.00927) with levels of its own: `dpm_fast` and `dpm_adaptive`, after k-diffusion.

Of a schedule they take the first level, the last one above 0 and, for `dpm_fast`, the number of steps; the levels between are their own,
in t = -log(sigma). k-diffusion ends at the last level above 0 and leaves that noise in the result; here a step of first order
leads from it to 0 where the schedule does. They solve dx / dsigma = (x - denoised) / sigma, as the samplers of `ode.py` do, and
so need not know the noising process.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.step import Denoiser, StepState

SHORTEST = 2.0**-10
"""A step of `dpm_adaptive` in log sigma that is taken whatever its error, so that every run ends."""
_FIRST = 0.05
"""The first step that `dpm_adaptive` tries, in log sigma."""
_CLOSE = 1e-5


class _Call(NamedTuple):
    """One network call of `dpm_fast`: the `stage`th of `order` calls in a move from sigma `high` to `low`."""

    high: float
    low: float
    order: int
    stage: int

    @property
    def at(self) -> float:
        """The sigma at which the network is called: the stages of a move lie evenly in log sigma."""
        return self.high * (self.low / self.high) ** (self.stage / self.order) if self.stage else self.high


def dpm_fast(
    denoiser: Denoiser, start: StepState, sigmas: Sequence[float], process: NoisingProcess = EXPLODING
) -> Iterator[StepState]:
    """DPM-Solver of third order with a fixed number of network calls (Lu et al. 2022, section 3.4; k-diffusion's DPM fast).

    Every network call is a step: between two moves of third order the states are the solver's own stages, whose noise levels
    `fast_levels` gives. Memory within a move: the latent it began with, and its first slope.
    """
    calls = _calls(sigmas)
    x, memory = start.latent, start.memory
    for i in range(start.index, len(calls)):
        call = calls[i]
        denoised = denoiser(x, call.at)
        slope = (x - denoised) / call.at
        began, first = memory if call.stage else (x, slope)
        if call.low == 0:
            x = denoised
        elif call.stage + 1 < call.order:
            x = _stage(began, first, slope, call)
        else:
            x = _end(began, first, slope, call)
        memory = (began, first) if call.stage + 1 < call.order else ()
        yield StepState(i + 1, calls[i + 1].at if i + 1 < len(calls) else sigmas[-1], x, denoised, memory, start.rng)


def fast_levels(sigmas: Sequence[float]) -> tuple[float, ...]:
    """The noise levels of the states of `dpm_fast` on a schedule: as many as the schedule has, with its ends."""
    return (*(call.at for call in _calls(sigmas)), sigmas[-1])


def dpm_adaptive(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    rtol: float = 0.05,
    atol: float = 0.0078,
) -> Iterator[StepState]:
    """DPM-Solver-12 and -23 with steps as long as the error allows (Lu et al. 2022, appendix C; k-diffusion's DPM adaptive, order 3).

    Three network calls a step; a step whose error is too large is done again, shorter, before a state is told. The number of steps
    in the schedule does not matter, and that of the run shows only at its end; `adaptive_steps` estimates it. The error is that of
    the whole batch, so a batch is to be run item by item. Memory: the last estimate of lower order, and the next step's length in
    log sigma.
    """
    end = _last_above_zero(sigmas)
    x, sigma, index = start.latent, start.sigma, start.index
    lower, length = (start.memory[0], float(start.memory[1])) if start.memory else (x, _FIRST)
    while sigma > end:
        reached, lower, denoised, sigma, length = _adaptive_move(denoiser, x, lower, (sigma, end, length), rtol, atol)
        x, index = reached, index + 1
        yield StepState(index, sigma, x, denoised, (lower, torch.tensor([length])), start.rng)
    if sigma > sigmas[-1]:
        denoised = denoiser(x, sigma)
        yield StepState(index + 1, sigmas[-1], denoised, denoised, (lower, torch.tensor([length])), start.rng)


def adaptive_steps(state: StepState, sigmas: Sequence[float]) -> int:
    """How many steps a run of `dpm_adaptive` will have had, if those to come are as long as the next one."""
    end = _last_above_zero(sigmas)
    length = float(state.memory[1]) if len(state.memory) == 2 else _FIRST
    to_end = math.ceil(math.log(state.sigma / end) / length) if state.sigma > end else 0
    return state.index + to_end + (1 if sigmas[-1] < end and state.sigma > sigmas[-1] else 0)


def _adaptive_move(
    denoiser: Denoiser, x: Tensor, lower: Tensor, place: tuple[float, float, float], rtol: float, atol: float
) -> tuple[Tensor, Tensor, Tensor, float, float]:
    """(x, estimate of lower order, predicted x0, sigma, next length) after the first step whose error is small enough.

    place: (sigma, the run's last sigma, length of the step in log sigma).
    """
    sigma, end, length = place
    denoised = denoiser(x, sigma)
    first = (x - denoised) / sigma
    while True:
        left = math.log(sigma / end)
        target = end if length > left - _CLOSE else sigma * math.exp(-length)
        calls = [_Call(sigma, target, 3, stage) for stage in range(3)]
        halfway = _stage(x, first, first, calls[0])
        second = (halfway - denoiser(halfway, calls[1].at)) / calls[1].at
        shorter = _second_order(x, first, second, sigma, target)
        beyond = _stage(x, first, second, calls[1])
        third = (beyond - denoiser(beyond, calls[2].at)) / calls[2].at
        ahead = _end(x, first, third, calls[2])
        allowed = torch.maximum(shorter.abs(), lower.abs()).mul(rtol).clamp_min(atol)
        error = float(torch.linalg.vector_norm((shorter - ahead) / allowed)) / math.sqrt(x.numel())
        if not math.isfinite(error):
            return ahead, shorter, denoised, target, length
        # The integral controller of k-diffusion, with its limiter; the length is kept as the float32 that a state holds.
        factor = 1 + math.atan((error + 1e-8) ** (-1 / 3) - 1)
        taken = factor >= 0.81 or length <= SHORTEST
        length = max(float(np.float32(length * factor)), SHORTEST)
        if taken:
            return ahead, shorter, denoised, target, length


def _stage(began: Tensor, first: Tensor, slope: Tensor, call: _Call) -> Tensor:
    """The latent at the next stage of a move, from the slope of this one."""
    sigma = _Call(call.high, call.low, call.order, call.stage + 1).at
    moved = began + first * (sigma - call.high)
    if call.stage == 0:
        return moved
    h = math.log(call.high / sigma)
    return moved - (slope - first) * (sigma * 2 * (math.expm1(h) / h - 1))


def _end(began: Tensor, first: Tensor, slope: Tensor, call: _Call) -> Tensor:
    """The latent at the end of a move, from the slope of its last stage (Lu et al. 2022, algorithms 1 and 2 and DDIM)."""
    moved = began + first * (call.low - call.high)
    h = math.log(call.high / call.low)
    match call.order:
        case 1:
            return moved
        case 2:
            return moved - (slope - first) * (call.low * math.expm1(h))
        case _:
            return moved - (slope - first) * (call.low * 1.5 * (math.expm1(h) / h - 1))


def _second_order(x: Tensor, first: Tensor, second: Tensor, high: float, low: float) -> Tensor:
    """The move of second order whose stage lies at a third of the way."""
    return x + first * (low - high) - (second - first) * (low * 1.5 * math.expm1(math.log(high / low)))


def _calls(sigmas: Sequence[float]) -> list[_Call]:
    """The network calls of `dpm_fast`, one a step of the schedule: moves of third order, and lower ones for what is left."""
    end, count = _last_above_zero(sigmas), len(sigmas) - 1
    final = [_Call(end, 0.0, 1, 0)] if sigmas[-1] == 0 else []
    count -= len(final)
    if count == 0:
        return final
    moves = count // 3 + 1
    orders = [3] * (moves - 2) + [2, 1] if count % 3 == 0 else [3] * (moves - 1) + [count % 3]
    logs = np.linspace(math.log(sigmas[0]), math.log(end), moves + 1)
    ends = [sigmas[0], *(math.exp(one) for one in logs[1:-1]), end]
    steps = [_Call(ends[at], ends[at + 1], order, stage) for at, order in enumerate(orders) for stage in range(order)]
    return steps + final


def _last_above_zero(sigmas: Sequence[float]) -> float:
    return sigmas[-1] if sigmas[-1] > 0 else sigmas[-2]
