"""Distilled models: LCM equal to its pipeline, Turbo and TCD by their schedulers; what artists are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import (
    EulerAncestralDiscreteScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    StableDiffusionPipeline,
    TCDScheduler,
)

from studio.diffusion.decode import decode
from studio.diffusion.few_steps import RECIPES, advice, recipe_of
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Checkpoint
from studio.diffusion.noise import seeded_noise
from studio.diffusion.noise_schedule import BetaSchedule, FlowSchedule
from studio.diffusion.prediction import Prediction
from studio.diffusion.samplers import SAMPLERS
from studio.diffusion.sampling import make_denoiser, sample
from studio.diffusion.schedules import SCHEDULES, sigmas
from studio.diffusion.weights.checkpoint import load_checkpoint
from studio.graph.errors import ValueRefused
from tests.diffusion import tiny
from tests.diffusion.analytic import distance
from tests.diffusion.conftest import FLOAT32
from tests.diffusion.pipelines import PROMPTS, drive, encoded, opened, run_theirs

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = tiny.sd_pipeline(time_cond_proj_dim=32).components
    parts["scheduler"] = LCMScheduler.from_config(parts["scheduler"].config)
    made = LatentConsistencyModelPipeline(**parts, requires_safety_checker=False)
    return tiny.save(made, tmp_path_factory.mktemp("models") / "lcm")


@pytest.fixture(scope="module")
def lcm(folder: Path) -> Checkpoint:
    return load_checkpoint(folder, FLOAT32)


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(5 + item) for item in range(len(PROMPTS))]


@pytest.mark.parametrize("steps", [1, 4])
def test_a_latent_consistency_model_is_its_pipeline_bit_for_bit(lcm: Checkpoint, folder: Path, steps: int) -> None:
    pipeline = opened(folder)
    latent, picture = run_theirs(pipeline, num_inference_steps=steps, guidance_scale=6.0)
    model = lcm.model
    denoiser = make_denoiser(model, encoded(lcm), None, 6.0)
    pipeline.scheduler.set_timesteps(steps)
    drawing = generators()
    shape = model.latents.shape(*model.size)
    x = torch.cat([torch.randn(shape, generator=one) for one in drawing])
    x = drive(denoiser.prediction, pipeline.scheduler, x, generator=drawing)
    assert torch.equal(x, latent)
    assert lcm.vae is not None
    assert torch.equal(decode(lcm.vae, x), picture)


@pytest.mark.parametrize("steps", [1, 4, 8])
def test_our_lcm_sampler_on_its_schedule_is_the_pipeline_up_to_its_boundary_weights(
    lcm: Checkpoint, folder: Path, steps: int
) -> None:
    latent, _ = run_theirs(opened(folder), num_inference_steps=steps, guidance_scale=6.0)
    model = lcm.model
    levels = sigmas("lcm", model.noise, steps)
    shape = model.latents.shape(*model.size, batch=2)
    # The pipeline begins with noise alone, where we put noise on a picture of zeros.
    noise = seeded_noise(5, shape) * (levels[0] ** 2 + 1) ** 0.5 / levels[0]
    states = sample(
        model, encoded(lcm), None, torch.zeros(shape), levels, sampler="lcm", guidance=6.0, seed=5, noise=noise
    )
    *_, state = states
    assert distance(state.latent, latent) < 1e-4


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 6, 8, 12, 50])
def test_the_lcm_schedule_is_that_of_diffusers(steps: int) -> None:
    noise = BetaSchedule.scaled_linear(0.00085, 0.012)
    theirs = LCMScheduler()
    theirs.set_timesteps(steps)
    assert [noise.timestep(sigma) for sigma in sigmas("lcm", noise, steps)[:-1]] == theirs.timesteps.tolist()
    with pytest.raises(ValueRefused):
        sigmas("lcm", noise, 51)


@pytest.mark.parametrize(
    ("scheduler", "config"),
    [(TCDScheduler, {}), (LCMScheduler, {}), (EulerAncestralDiscreteScheduler, {"timestep_spacing": "trailing"})],
)
def test_turbo_and_tcd_are_the_pipeline_bit_for_bit_without_guidance(
    sd1: Checkpoint, sd1_folder: Path, scheduler: Foreign, config: dict[str, Foreign]
) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(sd1_folder, dtype=torch.float32, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.enable_slicing()
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config, **config)
    latent, picture = run_theirs(pipeline, num_inference_steps=4, guidance_scale=0.0)
    model = sd1.model
    denoiser = make_denoiser(model, encoded(sd1), None, 1.0)
    steps = scheduler.from_config(pipeline.scheduler.config)
    steps.set_timesteps(4)
    drawing = generators()
    x = torch.cat([torch.randn(model.latents.shape(*model.size), generator=one) for one in drawing])
    # The pipeline's own eta is 0, TCD's is not.
    options = {"eta": 0.0} if scheduler is TCDScheduler else {}
    x = drive(denoiser.prediction, steps, x, generator=drawing, **options)
    assert torch.equal(x, latent)
    assert sd1.vae is not None
    assert torch.equal(decode(sd1.vae, x), picture)


def test_a_distilled_model_is_known_by_its_network_or_its_name(
    lcm: Checkpoint, sd1: Checkpoint, sdxl: Checkpoint
) -> None:
    assert recipe_of(lcm.model) == RECIPES["lcm"]
    assert recipe_of(sd1.model, "dreams_v5.safetensors: model") is None
    assert recipe_of(sd1.model, "lcm-dreams.safetensors: model") == RECIPES["lcm_lora"]
    assert recipe_of(sd1.model, "calcmodel: model") is None
    assert recipe_of(sdxl.model, "sdxl_lightning_4step.safetensors: model") == RECIPES["lightning"]
    assert recipe_of(sdxl.model, "sd_xl_turbo_1.0_fp16.safetensors: model") == RECIPES["turbo"]
    assert recipe_of(sd1.model, "some-lightning") is None, "there is none for SD 1"
    for recipe in RECIPES.values():
        assert set(recipe.samplers) <= SAMPLERS.keys()
        assert set(recipe.schedules) <= set(SCHEDULES)


def test_advice_names_what_to_change_and_is_silent_where_all_is_well() -> None:
    lightning = RECIPES["lightning"]
    assert advice(lightning, "euler", "sgm_uniform", 4, 1.0) == ""
    assert advice(lightning, "euler", "", 4, 1.0) == ""
    told = advice(lightning, "dpmpp_2m", "karras", 20, 7.0)
    assert told == (
        "This looks like a Lightning model, which wants at most 8 steps, the sampler euler, the schedule sgm_uniform and guidance 1."
    )
    assert advice(RECIPES["lcm"], "lcm", "lcm", 4, 8.0) == ""
    assert "less guidance" in advice(RECIPES["lcm"], "lcm", "lcm", 4, 20.0)


def test_a_model_is_sampled_as_it_is_said_to_be_trained(sd1: Checkpoint, sd2: Checkpoint) -> None:
    as_v = sd1.model.trained_as(Prediction.V, zero_terminal=True)
    assert as_v.prediction is Prediction.V
    assert as_v.noise.sigma_max == pytest.approx(4096)
    assert as_v.network is sd1.model.network
    assert sd1.model.trained_as().prediction is Prediction.EPSILON
    assert sd2.model.trained_as(zero_terminal=True).noise.sigma_max == pytest.approx(4096)
    flow = replace(sd1.model, prediction=Prediction.FLOW, noise=FlowSchedule(3.0))
    assert flow.trained_as(shift=5.0).noise == FlowSchedule(5.0)
    for model, changes, socket in (
        (sd1.model, {"zero_terminal": True}, "zero_terminal"),
        (sd1.model, {"shift": 3.0}, "shift"),
        (flow, {"prediction": Prediction.V}, "prediction"),
        (flow, {"zero_terminal": True}, "zero_terminal"),
    ):
        with pytest.raises(ValueRefused) as caught:
            model.trained_as(**changes)
        assert caught.value.socket == socket
