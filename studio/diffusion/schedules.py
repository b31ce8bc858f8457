"""Schedules: the sigmas that a run visits, by the names the community uses.

Each is a function (noise schedule of the model, number of steps) -> steps falling sigmas above zero; `sigmas` appends the 0 at
which a run ends. Sources: Karras et al. 2022 for `karras`; k-diffusion and ComfyUI (`comfy/samplers.py`) for the names and the
definitions of the others; diffusers for `trailing` (Lin et al. 2023, arXiv:2305.08891, table 2) and `leading`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from studio.diffusion.align_your_steps import align_your_steps
from studio.diffusion.noise_schedule import NoiseSchedule
from studio.graph.errors import ValueRefused

Spacing: TypeAlias = Callable[[NoiseSchedule, int], Sequence[float]]
OfFamily: TypeAlias = Callable[[str, int], Sequence[float]]
"""A schedule that looks at the model's family (`sd1`, `sdxl` ...) and not at the noise it was trained with."""

LCM_STEPS = 50
"""Timesteps that latent consistency models were distilled at (Luo et al. 2023, arXiv:2310.04378, 4.3)."""
MOST_STEPS = 10_000
MOST_IN_ALL = 100_000
"""Steps of a schedule of which a run takes the last part."""


def normal(noise: NoiseSchedule, steps: int) -> Sequence[float]:
    """Timesteps in equal distances, the first and the last included."""
    return [noise.sigma(t) for t in np.linspace(noise.timesteps - 1, noise.lowest, steps)]


def sgm_uniform(noise: NoiseSchedule, steps: int) -> Sequence[float]:
    """Timesteps in equal distances, the last left out, as Stability's generative-models does it."""
    return [noise.sigma(t) for t in np.linspace(noise.timesteps - 1, noise.lowest, steps + 1)[:-1]]


def simple(noise: NoiseSchedule, steps: int) -> Sequence[float]:
    """Every (T / steps)th sigma of the training table, counted from the noisy end."""
    stride = noise.timesteps / steps
    return [noise.sigma(noise.timesteps - 1 - int(i * stride)) for i in range(steps)]


def trailing(noise: NoiseSchedule, steps: int) -> Sequence[float]:
    """Whole timesteps counted from the noisy end, rounded as diffusers' `timestep_spacing="trailing"` rounds them."""
    stride = noise.timesteps / steps
    times = np.round(np.arange(noise.timesteps, 0, -stride))[:steps] - 1
    return [noise.sigma(max(float(t), 0.0)) for t in times]


def leading(noise: NoiseSchedule, steps: int) -> Sequence[float]:
    """Whole timesteps counted from the clean end plus 1: diffusers' `timestep_spacing="leading"` with `steps_offset=1`."""
    _require_two(steps, "leading")
    stride = noise.timesteps // steps
    return [noise.sigma(min(i * stride + 1, noise.timesteps - 1)) for i in reversed(range(steps))]


def ddim_uniform(noise: NoiseSchedule, steps: int) -> Sequence[float]:
    """Every (T // steps)th timestep from 1 upwards; one step more than asked for where T is not a multiple, as in ComfyUI."""
    _require_two(steps, "ddim_uniform")
    stride = max(noise.timesteps // steps, 1)
    return [noise.sigma(t) for t in reversed(range(1, noise.timesteps, stride))]


def lcm(noise: NoiseSchedule, steps: int) -> Sequence[float]:
    """Evenly chosen from the 50 timesteps at which latent consistency models were distilled, as diffusers' LCMScheduler chooses them."""
    stride = noise.timesteps / min(LCM_STEPS, noise.timesteps)
    chosen = np.floor(np.linspace(0, LCM_STEPS, steps, endpoint=False))
    return [noise.sigma(max(noise.timesteps - 1 - math.floor(stride) * place, 0.0)) for place in chosen]


def karras(noise: NoiseSchedule, steps: int, rho: float = 7.0) -> Sequence[float]:
    """Karras et al. 2022, equation 5."""
    ramp = np.linspace(0, 1, steps)
    high, low = noise.sigma_max ** (1 / rho), noise.sigma_min ** (1 / rho)
    return [float(s) for s in (high + ramp * (low - high)) ** rho]


def exponential(noise: NoiseSchedule, steps: int) -> Sequence[float]:
    """Equal steps of log sigma."""
    return [float(s) for s in np.exp(np.linspace(math.log(noise.sigma_max), math.log(noise.sigma_min), steps))]


def beta(noise: NoiseSchedule, steps: int, alpha: float = 0.6, shape: float = 0.6) -> Sequence[float]:
    """Timesteps at the quantiles of a beta distribution (Lee et al. 2024, arXiv:2407.12173): more at both ends.

    Equal timesteps, which appear with many steps, are visited once, as in ComfyUI: the run is then shorter than asked for.
    """
    from scipy.stats import beta as distribution

    quantiles = 1 - np.linspace(0, 1, steps, endpoint=False)
    times = np.rint(distribution.ppf(quantiles, alpha, shape) * (noise.timesteps - 1))
    return [noise.sigma(t) for t in dict.fromkeys(float(t) for t in times)]


def linear_quadratic(noise: NoiseSchedule, steps: int, threshold: float = 0.025) -> Sequence[float]:
    """Small linear steps for the first half, then quadratic ones (Movie Gen, Polyak et al. 2024, arXiv:2410.13720, 3.4.2)."""
    if steps == 1:
        return [noise.sigma_max]
    half = steps // 2
    rest = steps - half
    linear = [i * threshold / half for i in range(half)]
    excess = half - threshold * steps
    quadratic = excess / (half * rest**2)
    slope = threshold / half - 2 * excess / rest**2
    level = quadratic * half**2
    curve = [quadratic * i**2 + slope * i + level for i in range(half, steps)]
    return [noise.sigma_max * (1 - share) for share in linear + curve]


def kl_optimal(noise: NoiseSchedule, steps: int) -> Sequence[float]:
    """Equal steps of arctan sigma (Sabour et al. 2024, arXiv:2404.14507, appendix)."""
    ramp = np.linspace(0, 1, steps) if steps > 1 else np.zeros(1)
    return [float(s) for s in np.tan(ramp * math.atan(noise.sigma_min) + (1 - ramp) * math.atan(noise.sigma_max))]


SPACINGS: dict[str, Spacing] = {
    function.__name__: function
    for function in (
        normal,
        karras,
        exponential,
        sgm_uniform,
        simple,
        ddim_uniform,
        beta,
        linear_quadratic,
        kl_optimal,
        trailing,
        leading,
        lcm,
    )
}
OF_FAMILY: dict[str, OfFamily] = {"align_your_steps": align_your_steps}
SCHEDULES: tuple[str, ...] = (*SPACINGS, *OF_FAMILY)
"""The names of all schedules."""


def sigmas(
    schedule: str, noise: NoiseSchedule, steps: int, denoise: float = 1.0, family: str = ""
) -> tuple[float, ...]:
    """The sigmas of a run: `steps` + 1 of them, falling, the last 0.

    `denoise` below 1 starts part of the way down, for work on an existing latent: the schedule is made for steps / denoise
    steps, and its last `steps` are taken. So a run always has as many steps as asked for (`ddim_uniform` and `beta` excepted, see
    there). `family` is the model's, for schedules that were made for some. Values are those of float32. Raises ValueRefused for an
    unknown schedule, steps outside 1 .. 10,000 or above the number of training timesteps where the schedule is made of whole ones, and
    denoise outside (0, 1] or so small that the whole schedule would have more than 100,000 steps.
    """
    if schedule not in SCHEDULES:
        raise ValueRefused(
            f"There is no schedule '{schedule}'.", socket="schedule", mend=f"Known: {', '.join(SCHEDULES)}."
        )
    if not 1 <= steps <= MOST_STEPS:
        raise ValueRefused(f"{steps} steps are not possible.", socket="steps", mend=f"Choose 1 to {MOST_STEPS}.")
    if not 0 < denoise <= 1:
        raise ValueRefused(
            f"A denoise strength of {denoise} is not possible.", socket="denoise", mend="Choose above 0, at most 1."
        )
    if steps / denoise > MOST_IN_ALL:
        raise ValueRefused(
            f"{steps} steps for the last {denoise:g} of a schedule are too fine.",
            socket="denoise",
            mend="Choose fewer steps, or more denoise.",
        )
    total = steps if denoise == 1 else int(steps / denoise)
    levels = SPACINGS[schedule](noise, total) if schedule in SPACINGS else OF_FAMILY[schedule](family, total)
    spaced = [float(np.float32(s)) for s in levels]
    if any(following >= sigma for sigma, following in pairwise(spaced)):
        raise ValueRefused(
            f"The schedule '{schedule}' cannot be cut into {total} steps: the model was trained with {noise.timesteps}.",
            socket="steps",
            mend="Choose fewer steps, or a schedule such as 'normal' or 'karras'.",
        )
    kept = spaced if denoise == 1 else spaced[-steps:]
    return (*kept, 0.0)


def drawn(noise: NoiseSchedule, heights: Sequence[float]) -> tuple[float, ...]:
    """The sigmas of a run, the last 0, from how high a curve is at each step: 1 is the model's noisiest timestep, 0 its cleanest.

    Heights in even steps give `normal`. Raises ValueRefused where they do not fall from step to step.
    """
    times = [noise.lowest + height * (noise.timesteps - 1 - noise.lowest) for height in heights]
    if not times or any(later >= earlier for earlier, later in pairwise(times)):
        raise ValueRefused("The noise has to become less with every step.", mend="Draw a line that falls all the way.")
    return (*(float(np.float32(noise.sigma(time))) for time in times), 0.0)


def _require_two(steps: int, schedule: str) -> None:
    """The schedules that count from the clean end put their only step there, where there is nothing left to denoise."""
    if steps == 1:
        raise ValueRefused(
            f"The schedule '{schedule}' begins almost without noise when it has 1 step.",
            socket="steps",
            mend="Choose more steps, or a schedule such as 'trailing' or 'simple'.",
        )
