"""Schedules against diffusers and against their formulas."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st

from studio.diffusion.foreign import Foreign
from studio.diffusion.noise_schedule import BetaSchedule, FlowSchedule, NoiseSchedule
from studio.diffusion.schedules import SCHEDULES, sigmas
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


def test_sgm_uniform_follows_its_formula() -> None:
    times = np.linspace(999, 0, 21)[:-1]
    logs = np.log(SD.sigmas.astype(np.float64))
    assert sigmas("sgm_uniform", SD, 20)[:-1] == pytest.approx(
        np.exp(np.interp(times, np.arange(1000), logs)), rel=1e-6
    )


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
        found = sigmas(name, noise, steps, denoise)
    except ValueRefused:
        assert int(steps / denoise) > noise.timesteps / 2  # only where there are hardly enough timesteps
        return
    assert found[-1] == 0
    assert all(high > low for high, low in pairwise(found))
    assert found[0] <= noise.sigma_max * (1 + 1e-6)
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
