"""Schedules against diffusers and against their formulas."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from diffusers.schedulers import AysSchedules
from hypothesis import given
from hypothesis import strategies as st

from studio.diffusion.foreign import Foreign
from studio.diffusion.noise_schedule import BetaSchedule, FlowSchedule, NoiseSchedule
from studio.diffusion.schedules import LCM_STEPS, SCHEDULES, sigmas
from studio.graph.errors import ValueRefused

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SD = BetaSchedule.scaled_linear(0.00085, 0.012)
CONFIG = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def theirs(steps: int = 20, **config: Foreign) -> list[float]:
    scheduler = EulerDiscreteScheduler(**{**CONFIG, **config})
    scheduler.set_timesteps(steps)
    return [float(sigma) for sigma in scheduler.sigmas]


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("normal", {"timestep_spacing": "linspace"}),
        ("simple", {"timestep_spacing": "trailing"}),
        ("trailing", {"timestep_spacing": "trailing"}),
        ("leading", {"timestep_spacing": "leading", "steps_offset": 1}),
        ("ddim_uniform", {"timestep_spacing": "leading", "steps_offset": 1}),
        ("karras", {"use_karras_sigmas": True}),
        ("exponential", {"use_exponential_sigmas": True}),
    ],
)
def test_a_schedule_agrees_with_diffusers(name: str, config: dict[str, Foreign]) -> None:
    # diffusers interpolates sigma between timesteps where we, as k-diffusion, interpolate its logarithm
    tolerance = 5e-4 if name == "normal" else 1e-6
    assert sigmas(name, SD, 20) == pytest.approx(theirs(**config), rel=tolerance)


@pytest.mark.parametrize("steps", [3, 7, 13, 30, 999, 1000])
def test_trailing_rounds_as_diffusers_does(steps: int) -> None:
    assert sigmas("trailing", SD, steps) == tuple(theirs(steps, timestep_spacing="trailing"))


@pytest.mark.parametrize("curve", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("zero", [False, True])
def test_the_training_table_is_that_of_diffusers(curve: str, zero: bool) -> None:
    config = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": curve, "rescale_betas_zero_snr": zero}
    abar = DDPMScheduler(**config).alphas_cumprod.double()
    expected = ((1 - abar) / abar).sqrt().numpy()
    ours = BetaSchedule.from_config(config).sigmas
    last = -1 if zero else None
    assert ours[:last] == pytest.approx(expected[:last], rel=2e-3 if zero else 1e-4)
    assert not zero or ours[-1] == pytest.approx(4096)


def test_trained_betas_and_unknown_curves() -> None:
    assert BetaSchedule.from_config({"trained_betas": [0.1, 0.2]}).sigmas[0] == pytest.approx(math.sqrt(0.1 / 0.9))
    with pytest.raises(ValueRefused, match="spiral"):
        BetaSchedule.from_config({"beta_schedule": "spiral"})


def test_the_flow_schedule_is_that_of_diffusers() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    ours = [FlowSchedule(3.0).sigma(t) for t in reversed(range(1000))]
    assert ours == pytest.approx([float(sigma) for sigma in scheduler.sigmas], rel=1e-6)


def test_normal_agrees_with_diffusers_on_a_flow_model() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(20)
    theirs = [float(sigma) for sigma in scheduler.sigmas]
    assert sigmas("normal", FlowSchedule(3.0), 20) == pytest.approx(theirs, rel=1e-5)


class Table:
    """A model's sigmas as ComfyUI holds them, in float64: eps and v in a table of timesteps, flow as a shifted time."""

    def __init__(self, noise: NoiseSchedule) -> None:
        self.flow = isinstance(noise, FlowSchedule)
        if isinstance(noise, BetaSchedule):
            self.sigmas = noise.sigmas.astype(np.float64)
        else:
            self.sigmas = self.shifted(np.arange(1, 1001) / 1000)

    def shifted(self, time: Foreign) -> Foreign:
        return 3.0 * time / (1 + 2.0 * time)

    def ends(self) -> tuple[float, float]:
        """The times of the highest and the lowest sigma."""
        return (1000.0, self.sigmas[0] * 1000) if self.flow else (999.0, 0.0)

    def sigma(self, times: Foreign) -> Foreign:
        if self.flow:
            return self.shifted(np.asarray(times) / 1000)
        return np.exp(np.interp(times, np.arange(1000), np.log(self.sigmas)))


def simple(table: Table, steps: int) -> Foreign:
    return [table.sigmas[-(1 + int(i * len(table.sigmas) / steps))] for i in range(steps)]


def ddim_uniform(table: Table, steps: int) -> Foreign:
    return table.sigmas[1 :: len(table.sigmas) // steps][::-1]


def ramp(table: Table, steps: int, there: Foreign, back: Foreign) -> Foreign:
    """Even steps in a function of sigma."""
    return back(np.linspace(there(table.sigmas[-1]), there(table.sigmas[0]), steps))


def beta(table: Table, steps: int) -> Foreign:
    from scipy.special import betaincinv

    shares = [betaincinv(0.6, 0.6, 1 - i / steps) for i in range(steps)]
    return table.sigmas[np.rint(np.array(shares) * 999).astype(int)]


def linear_quadratic(table: Table, steps: int) -> Foreign:
    """Ten steps of 0.0025, then a parabola that goes on from there with the same slope and ends at 1."""
    half = steps // 2
    slope = 0.025 / half
    after = np.arange(steps - half)
    bend = (1 - 0.025 - slope * (steps - half)) / (steps - half) ** 2
    shares = np.concatenate([np.arange(half) * slope, 0.025 + slope * after + bend * after**2])
    return (1 - shares) * table.sigmas[-1]


REFERENCES: dict[str, Foreign] = {
    "normal": lambda table, steps: table.sigma(np.linspace(*table.ends(), steps)),
    "sgm_uniform": lambda table, steps: table.sigma(np.linspace(*table.ends(), steps + 1)[:-1]),
    "simple": simple,
    "ddim_uniform": ddim_uniform,
    "karras": lambda table, steps: ramp(table, steps, lambda s: s ** (1 / 7), lambda u: u**7),
    "exponential": lambda table, steps: ramp(table, steps, np.log, np.exp),
    "kl_optimal": lambda table, steps: ramp(table, steps, np.arctan, np.tan),
    "beta": beta,
    "linear_quadratic": linear_quadratic,
}


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize(
    "noise",
    [SD, BetaSchedule(SD.betas, zero_terminal=True), BetaSchedule.cosine(), FlowSchedule(3.0)],
    ids=["eps", "v", "cosine", "flow"],
)
def test_a_schedule_follows_its_formula_on_every_kind_of_model(name: str, noise: NoiseSchedule) -> None:
    # The tangent near a quarter turn of sigma 4096 magnifies the rounding of the table.
    tolerance = 1e-4 if name == "kl_optimal" and noise.sigma_max > 1000 else 1e-5
    expected = REFERENCES[name](Table(noise), 20)
    assert sigmas(name, noise, 20) == pytest.approx((*expected, 0.0), rel=tolerance)


PUBLISHED = {
    "sd1": AysSchedules["StableDiffusionSigmas"],
    "sdxl": AysSchedules["StableDiffusionXLSigmas"],
    "svd": AysSchedules["StableDiffusionVideoSigmas"],
}


@pytest.mark.parametrize("family", PUBLISHED)
def test_align_your_steps_is_as_published(family: str) -> None:
    assert sigmas("align_your_steps", SD, 10, family=family) == pytest.approx(PUBLISHED[family], rel=1e-6)
    # twice as many: a geometric mean between each two, and the way to the end of the table halved
    fine = np.array(sigmas("align_your_steps", SD, 20, family=family)[:-1])
    assert fine[::2] == pytest.approx(PUBLISHED[family][:-1], rel=1e-6)
    assert fine[1:-1:2] ** 2 == pytest.approx(fine[:-2:2] * fine[2::2], rel=1e-5)
    assert fine[-1] ** 2 == pytest.approx(fine[-2] * (0.002 if family == "svd" else 0.029), rel=1e-5)
    assert (
        sigmas("align_your_steps", SD, 5, 0.5, family=family) == sigmas("align_your_steps", SD, 10, family=family)[5:]
    )


def test_align_your_steps_is_refused_where_nothing_is_published() -> None:
    with pytest.raises(ValueRefused, match="'flux'") as caught:
        sigmas("align_your_steps", FlowSchedule(3.0), 10, family="flux")
    assert caught.value.socket == "schedule"


def test_beta_visits_both_ends_more_often() -> None:
    times = [SD.timestep(sigma) for sigma in sigmas("beta", SD, 20)[:-1]]
    gaps = -np.diff(times)
    assert times[0] == 999
    assert gaps[0] < gaps[len(gaps) // 2] > gaps[-1]
    # the quantile function and its inverse: the share of the distribution below every timestep is an equal step
    from scipy.stats import beta

    shares = beta.cdf(np.array(times[1:]) / 999, 0.6, 0.6)
    assert np.diff(shares) == pytest.approx(-1 / 20, abs=2e-3)


def test_linear_quadratic_is_movie_gens() -> None:
    """Ten steps cover 0.025 of the way evenly, ten the rest quadratically, and the slope does not jump."""
    shares = 1 - np.array(sigmas("linear_quadratic", SD, 20)[:-1]) / SD.sigma_max
    assert shares[:11] == pytest.approx(np.arange(11) * 0.0025, abs=1e-6)
    assert np.diff(np.append(shares, 1.0)[10:], 3) == pytest.approx(0, abs=1e-6)
    assert np.all(np.diff(shares[10:], 2) > 0)


def test_kl_optimal_is_even_in_arctan() -> None:
    angles = np.arctan(np.array(sigmas("kl_optimal", SD, 20)[:-1]))
    assert np.diff(angles) == pytest.approx(np.diff(angles)[0], rel=1e-4)
    assert np.tan(angles[[0, -1]]) == pytest.approx([SD.sigma_max, SD.sigma_min], rel=1e-4)


@given(
    name=st.sampled_from(sorted(SCHEDULES)),
    noise=st.sampled_from([SD, BetaSchedule.linear(0.0001, 0.02), FlowSchedule(3.0), BetaSchedule.cosine(50)]),
    steps=st.integers(1, 60),
    denoise=st.sampled_from([1.0, 0.9, 0.5, 0.11]),
)
def test_every_schedule_falls_to_zero_within_the_models_range(
    name: str, noise: NoiseSchedule, steps: int, denoise: float
) -> None:
    try:
        found = sigmas(name, noise, steps, denoise, family="sdxl")
    except ValueRefused:
        # only where there are hardly enough timesteps, or one step would lie at the clean end
        few = {"ddim_uniform": steps == 1, "leading": steps == 1, "lcm": int(steps / denoise) > LCM_STEPS}
        assert int(steps / denoise) > noise.timesteps / 2 or few.get(name, False)
        return
    assert found[-1] == 0
    assert all(high > low for high, low in pairwise(found))
    assert found[0] <= noise.sigma_max * (1 + 1e-6) or name == "align_your_steps"
    if name not in ("ddim_uniform", "beta"):
        assert len(found) == steps + 1


@pytest.mark.parametrize(
    ("name", "steps", "denoise", "socket"),
    [
        ("curly", 20, 1.0, "schedule"),
        ("normal", 0, 1.0, "steps"),
        ("normal", -3, 1.0, "steps"),
        ("normal", 10_001, 1.0, "steps"),
        ("simple", 2000, 1.0, "steps"),
        ("normal", 20, 0.0, "denoise"),
        ("normal", 20, 1.5, "denoise"),
        ("normal", 20, math.nan, "denoise"),
        ("normal", 20, 1e-9, "denoise"),
        ("leading", 1, 1.0, "steps"),
        ("ddim_uniform", 1, 1.0, "steps"),
    ],
)
def test_impossible_schedules_are_refused(name: str, steps: int, denoise: float, socket: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        sigmas(name, SD, steps, denoise)
    assert caught.value.socket == socket


@given(st.floats(0, 999))
def test_timestep_and_sigma_are_inverse(time: float) -> None:
    for noise in (SD, FlowSchedule(3.0)):
        assert noise.timestep(noise.sigma(time)) == pytest.approx(time, abs=0.02)


def test_a_whole_timestep_is_found_again_exactly() -> None:
    assert [SD.timestep(SD.sigma(t)) for t in range(1000)] == list(range(1000))
    assert SD.timestep(1e9) == 999
    assert SD.timestep(0.0) == 0
    assert torch.tensor(SD.sigma(500), dtype=torch.float32).item() == SD.sigma(500)
