"""Noise levels of one's own."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from nodes.model import load
from nodes.sample import schedule_
from nodes.schedules import from_betas, from_curve, written
from studio.diffusion.noise_schedule import BetaSchedule
from studio.sdk import Model, ValueRefused
from studio.sdk.testing import run_node


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WIRELIGHT_HOME", str(tmp_path_factory.mktemp("home")))
        found: Model = run_node(load, model="picture")[0]
    return found


def test_numbers_are_noise_levels_however_they_are_set_apart() -> None:
    assert run_node(written, numbers="14.6, 7;3.5\n1e0 0").sigmas == (14.6, 7, 3.5, 1, 0)
    assert run_node(written).steps == 10


@pytest.mark.parametrize(
    ("numbers", "what"),
    [
        ("", "at least one step"),
        ("5", "at least one step"),
        ("5, four, 0", "'four'"),
        ("5, 6, 0", "Number 2, 6, is not below 5"),
        ("5, 5, 0", "Number 2"),
        ("5, 1, -1", "not negative"),
        ("inf, 1, 0", "finite"),
        ("nan, 1, 0", "finite"),
        (" ".join(str(at) for at in range(10_002)), "too many"),
    ],
)
def test_numbers_that_are_no_schedule_are_refused_with_the_reason(numbers: str, what: str) -> None:
    with pytest.raises(ValueRefused, match=what) as caught:
        run_node(written, numbers=numbers)
    assert caught.value.socket == "numbers"


def test_a_straight_line_is_the_schedule_normal(model: Model) -> None:
    drawn = run_node(from_curve, model=model, curve="0 1, 1 0", steps=12)
    assert drawn == run_node(schedule_, model=model, schedule="normal", steps=12)
    assert run_node(from_curve, model=model, curve="0 1, 1 0", steps=1).steps == 1


def test_a_flat_curve_makes_small_steps_there(model: Model) -> None:
    noise = model.weights.load().noise
    levels = run_node(from_curve, model=model, curve="0 1, 0.5 0.9, 1 0", steps=11).sigmas[:-1]
    times = [noise.timestep(level) for level in levels]
    gaps = [earlier - later for earlier, later in pairwise(times)]
    assert gaps[:5] == pytest.approx([19.98] * 5, abs=0.05)
    assert gaps[5:] == pytest.approx([179.8] * 5, abs=0.5)


@pytest.mark.parametrize("curve", ["0 0, 1 1", "0 1, 0.5 0.5, 1 0.5"])
def test_a_curve_that_does_not_fall_is_refused(model: Model, curve: str) -> None:
    with pytest.raises(ValueRefused, match="less with every step") as caught:
        run_node(from_curve, model=model, curve=curve)
    assert caught.value.socket == "curve"


def test_betas_are_those_of_the_papers() -> None:
    linear = run_node(from_betas, betas="linear", schedule="simple", steps=1000)
    abar = torch.cumprod(1 - torch.linspace(0.0001, 0.02, 1000, dtype=torch.float64), dim=0)
    assert linear.sigmas[0] == pytest.approx(float(((1 - abar[-1]) / abar[-1]).sqrt()), rel=1e-4)
    cosine = run_node(from_betas, betas="cosine", timesteps=500, steps=10)
    assert cosine.sigmas[0] == pytest.approx(BetaSchedule.cosine(500).sigma_max)
    scaled = run_node(from_betas, betas="scaled_linear", start=0.00085, end=0.012, schedule="karras", steps=10)
    assert scaled.sigmas[0] == pytest.approx(14.61, abs=0.01)


def test_more_steps_than_betas_are_refused() -> None:
    with pytest.raises(ValueRefused, match="trained with 100"):
        run_node(from_betas, timesteps=100, schedule="simple", steps=101)
