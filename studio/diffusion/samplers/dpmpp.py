"""DPM-Solver++ (Lu et al. 2022, arXiv:2211.01095) and its SDE variants, as in k-diffusion.

Levels are r = sigma / alpha = exp(-lambda); h is the step in lambda. Written for every noising process; with alpha = 1 these are
k-diffusion's formulas in t = -log(sigma).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.samplers.ancestral import ancestral_split, noise_source, renoise
from studio.diffusion.samplers.exponential import decay, step_towards
from studio.diffusion.step import Denoiser, StepState


def dpmpp_2m(
    denoiser: Denoiser, start: StepState, sigmas: Sequence[float], process: NoisingProcess = EXPLODING
) -> Iterator[StepState]:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2). Memory: the last predicted x0."""
    x, memory = start.latent, start.memory
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        high, low = process.ratio(sigmas[i]), process.ratio(sigmas[i + 1])
        guess = denoised
        if memory and low > 0:
            past = _step_ratio(process.ratio(sigmas[i - 1]), high, low)
            guess = (1 + 1 / (2 * past)) * denoised - 1 / (2 * past) * memory[0]
        x = step_towards(guess, x, high, low, process)
        memory = (denoised,)
        yield StepState(i + 1, sigmas[i + 1], x, denoised, memory, rng=start.rng)


def dpmpp_2m_sde(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    eta: float = 1.0,
) -> Iterator[StepState]:
    """SDE-DPM-Solver++(2M), midpoint (Lu et al. 2022, appendix). Memory: the last predicted x0. Draws once a step, not in the last."""
    x, memory, source = start.latent, start.memory, noise_source(start)
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        high, low = process.ratio(sigmas[i]), process.ratio(sigmas[i + 1])
        if low == 0:
            x = denoised
        else:
            alpha = process.alpha(sigmas[i + 1])
            kept = decay(high, low) ** (1 + eta)
            # sigma' / sigma exp(-eta h), without a division by alpha, which is 0 in pure noise
            x = x * (sigmas[i + 1] / sigmas[i] * decay(high, low) ** eta) + denoised * (alpha * (1 - kept))
            if memory:
                past = _step_ratio(process.ratio(sigmas[i - 1]), high, low)
                x = x + (denoised - memory[0]) * (alpha * (1 - kept) / (2 * past))
            x = x + source.draw(x) * (sigmas[i + 1] * math.sqrt(1 - decay(high, low) ** (2 * eta)))
        memory = (denoised,)
        yield StepState(i + 1, sigmas[i + 1], x, denoised, memory, rng=source.state)


def dpmpp_3m_sde(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    eta: float = 1.0,
) -> Iterator[StepState]:
    """SDE-DPM-Solver++(3M) (k-diffusion). Memory: the last two predicted x0. Draws once a step, not in the last."""
    x, memory, source = start.latent, start.memory, noise_source(start)
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        high, low = process.ratio(sigmas[i]), process.ratio(sigmas[i + 1])
        if low == 0:
            x = denoised
        else:
            alpha = process.alpha(sigmas[i + 1])
            kept = decay(high, low) ** (1 + eta)
            x = x * (sigmas[i + 1] / sigmas[i] * decay(high, low) ** eta) + denoised * (alpha * (1 - kept))
            if memory and kept > 0:
                x = x + alpha * _third_order_terms(denoised, memory, [process.ratio(s) for s in sigmas[: i + 2]], eta)
            x = x + source.draw(x) * (sigmas[i + 1] * math.sqrt(1 - decay(high, low) ** (2 * eta)))
        memory = (denoised, *memory[:1])
        yield StepState(i + 1, sigmas[i + 1], x, denoised, memory, rng=source.state)


def dpmpp_sde(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    eta: float = 1.0,
) -> Iterator[StepState]:
    """DPM-Solver++ SDE, two network calls a step (k-diffusion's DPM++ SDE, r = 1/2).

    The two noises of a step are increments of one Brownian motion in sigma / alpha, from the start of the step to its middle and to
    its end: drawn as two independent pieces, of which the second noise is the weighted sum. k-diffusion draws the same law from
    a Brownian tree, whose numbers are others. Draws twice a step, not in the last.
    """
    x, source = start.latent, noise_source(start)
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        high, low = process.ratio(sigmas[i]), process.ratio(sigmas[i + 1])
        if low == 0:
            x = denoised
        elif math.isinf(high):
            down, up = ancestral_split(high, low, eta)
            x = renoise(step_towards(denoised, x, high, down, process), source, down, up, low, process)
        else:
            middle = math.sqrt(high * low)
            first, second = source.draw(x), source.draw(x)
            down, up = ancestral_split(high, middle, eta)
            halfway = _in_levels(denoised, x, (high, down, middle), up, first, process)
            guess = denoiser(halfway, process.sigma(middle))
            down, up = ancestral_split(high, low, eta)
            share = (high - middle) / (high - low)
            whole = first * math.sqrt(share) + second * math.sqrt(1 - share)
            x = _in_levels(guess, x, (high, down, low), up, whole, process)
        yield StepState(i + 1, sigmas[i + 1], x, denoised, rng=source.state)


def _in_levels(
    target: Tensor, x: Tensor, levels: tuple[float, float, float], up: float, noise: Tensor, process: NoisingProcess
) -> Tensor:
    """From `high` to `down` with `target` as x0, then up to `low` with `noise` of deviation `up`; levels = (high, down, low)."""
    high, down, low = levels
    alpha = process.alpha(process.sigma(low))
    lowered = step_towards(target, x, high, down, process)
    return lowered * (alpha / process.alpha(process.sigma(down))) + noise * (alpha * up)


def _third_order_terms(denoised: Tensor, memory: tuple[Tensor, ...], levels: Sequence[float], eta: float) -> Tensor:
    """What the differences of the last predictions add to a step between the last two of `levels`, in x / alpha."""
    h = math.log(levels[-2] / levels[-1])
    stretched = h * (1 + eta)
    second = math.expm1(-stretched) / stretched + 1
    newest = math.log(levels[-3] / levels[-2]) / h
    slope = (denoised - memory[0]) / newest
    if len(memory) == 1 or math.isinf(levels[-4]):
        return second * slope
    older = math.log(levels[-4] / levels[-3]) / h
    earlier = (memory[0] - memory[1]) / older
    third = second / stretched - 0.5
    bend = (slope - earlier) / (newest + older)
    return second * (slope + bend * newest) - third * bend


def _step_ratio(before: float, high: float, low: float) -> float:
    """The last step in lambda over this one; infinite where the last came from pure noise."""
    return math.log(before / high) / math.log(high / low)
