"""Ancestral samplers: a deterministic step further down than asked for, then fresh noise back up.

The split is that of Song et al. 2020 (arXiv:2010.02502, equation 16), as k-diffusion uses it: from noise level `high` to `low`,
noise of variance up^2 is put on after a step to `down`, down^2 + up^2 = low^2. Levels are sigma / alpha, so that a flow model gets
the same stochastic process as a diffusion model; ComfyUI's `_RF` variants define another one for flow models.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from studio.diffusion.noise import NoiseSource
from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.samplers.exponential import step_towards
from studio.diffusion.step import Denoiser, StepState
from studio.graph.errors import ValueRefused


def ancestral_split(high: float, low: float, eta: float = 1.0) -> tuple[float, float]:
    """(down, up): the level to step to, and the deviation of the noise to add, both as sigma / alpha."""
    if low == 0 or math.isinf(low):
        return low, 0.0
    spread = 1.0 if math.isinf(high) else math.sqrt(max(high**2 - low**2, 0.0)) / high
    up = min(low, eta * low * spread)
    return math.sqrt(max(low**2 - up**2, 0.0)), up


def noise_source(start: StepState) -> NoiseSource:
    """The generators a stochastic sampler goes on with. Raises ValueRefused for a state without them."""
    if start.rng is None:
        raise ValueRefused("A stochastic sampler needs a state with random numbers.", socket="seed")
    return NoiseSource.resumed(start.rng)


def renoise(x: Tensor, source: NoiseSource, down: float, up: float, low: float, process: NoisingProcess) -> Tensor:
    """`x` at level `down` brought up to level `low` with noise of deviation `up` (all as sigma / alpha)."""
    if up == 0:
        return x
    alpha = process.alpha(process.sigma(low))
    return x * (alpha / process.alpha(process.sigma(down))) + source.draw(x) * (alpha * up)


def euler_ancestral(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    eta: float = 1.0,
) -> Iterator[StepState]:
    """Euler's method with ancestral noise (k-diffusion's Euler ancestral). Draws once a step, not in the last."""
    x, source = start.latent, noise_source(start)
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        low = process.ratio(sigmas[i + 1])
        down, up = ancestral_split(process.ratio(sigmas[i]), low, eta)
        x = x + (x - denoised) / sigmas[i] * (process.sigma(down) - sigmas[i])
        x = renoise(x, source, down, up, low, process)
        yield StepState(i + 1, sigmas[i + 1], x, denoised, rng=source.state)


def dpm_2_ancestral(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    eta: float = 1.0,
) -> Iterator[StepState]:
    """The midpoint method with ancestral noise (k-diffusion's DPM-2 ancestral). Draws once a step, not in the last."""
    x, source = start.latent, noise_source(start)
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        slope = (x - denoised) / sigmas[i]
        low = process.ratio(sigmas[i + 1])
        down, up = ancestral_split(process.ratio(sigmas[i]), low, eta)
        target = process.sigma(down)
        if target > 0:
            middle = math.sqrt(sigmas[i] * target)
            halfway = x + slope * (middle - sigmas[i])
            slope = (halfway - denoiser(halfway, middle)) / middle
        x = x + slope * (target - sigmas[i])
        x = renoise(x, source, down, up, low, process)
        yield StepState(i + 1, sigmas[i + 1], x, denoised, rng=source.state)


def dpmpp_2s_ancestral(
    denoiser: Denoiser,
    start: StepState,
    sigmas: Sequence[float],
    process: NoisingProcess = EXPLODING,
    eta: float = 1.0,
) -> Iterator[StepState]:
    """DPM-Solver++(2S) with ancestral noise (Lu et al. 2022, algorithm 1; k-diffusion). Draws once a step, not in the last."""
    x, source = start.latent, noise_source(start)
    for i in range(start.index, len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        high, low = process.ratio(sigmas[i]), process.ratio(sigmas[i + 1])
        down, up = ancestral_split(high, low, eta)
        guess = denoised
        if down > 0 and not math.isinf(high):
            middle = math.sqrt(high * down)
            halfway = step_towards(denoised, x, high, middle, process)
            guess = denoiser(halfway, process.sigma(middle))
        x = step_towards(guess, x, high, down, process)
        x = renoise(x, source, down, up, low, process)
        yield StepState(i + 1, sigmas[i + 1], x, denoised, rng=source.state)
