"""Our loop beside the diffusers pipelines: conditioning, model call, guidance and decoding equal bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionImg2ImgPipeline,
)

from studio.diffusion import schedules
from studio.diffusion.decode import decode, encode
from studio.diffusion.denoise import OneForward
from studio.diffusion.foreign import Foreign
from studio.diffusion.guidance import Guided
from studio.diffusion.model import Checkpoint
from studio.diffusion.noise import seeded_noise
from studio.diffusion.sampling import make_denoiser, sample
from tests.diffusion import tiny
from tests.diffusion.analytic import distance
from tests.diffusion.pipelines import NEGATIVE, PROMPTS, Theirs, conditionings, drive, opened, run_theirs

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Pair: TypeAlias = tuple[Checkpoint, Foreign]


@pytest.fixture(params=["sd1", "sd2", "sdxl"])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Our checkpoint and the pipeline of one and the same folder."""
    folder: Path = request.getfixturevalue(f"{request.param}_folder")
    return request.getfixturevalue(request.param), opened(folder)


def theirs(pipeline: Foreign, prompts: Sequence[str], steps: int, seed: int, guidance: float) -> Theirs:
    options = {"negative_prompt": NEGATIVE, "num_inference_steps": steps, "guidance_scale": guidance}
    return run_theirs(pipeline, prompts, seed, **options)


@pytest.mark.parametrize("steps", [1, 4, 7, 20])
@pytest.mark.parametrize("prompts", [PROMPTS[:1], PROMPTS], ids=["one", "two"])
def test_euler_is_the_pipeline_bit_for_bit(pair: Pair, prompts: Sequence[str], steps: int) -> None:
    checkpoint, pipeline = pair
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    latent, picture = theirs(pipeline, prompts, steps, seed=5, guidance=6.0)
    positive, negative = conditionings(checkpoint, prompts)
    model = checkpoint.model
    empty = torch.zeros(model.latents.shape(*model.size))
    sigmas = schedules.sigmas("trailing", model.noise, steps)
    *_, state = sample(model, positive, negative, empty, sigmas, sampler="euler", guidance=6.0, seed=5)
    assert torch.equal(state.latent, latent)
    assert checkpoint.vae is not None
    assert torch.equal(decode(checkpoint.vae, state.latent), picture)


@pytest.mark.parametrize("scheduler", [DDIMScheduler, PNDMScheduler, DPMSolverMultistepScheduler])
def test_denoising_with_the_pipelines_own_scheduler_is_the_pipeline_bit_for_bit(pair: Pair, scheduler: Foreign) -> None:
    checkpoint, pipeline = pair
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config)
    latent, picture = theirs(pipeline, PROMPTS, 5, seed=5, guidance=6.0)
    positive, negative = conditionings(checkpoint, PROMPTS)
    model = checkpoint.model
    guided = Guided(model, OneForward(model), positive, negative, 6.0)
    steps = scheduler.from_config(pipeline.scheduler.config)
    steps.set_timesteps(5)
    x = drive(guided.prediction, steps, seeded_noise(5, model.latents.shape(*model.size, batch=2)))
    assert torch.equal(x, latent)
    assert checkpoint.vae is not None
    assert torch.equal(decode(checkpoint.vae, x), picture)


def test_without_guidance_only_the_prompt_is_evaluated(pair: Pair) -> None:
    checkpoint, pipeline = pair
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    latent, _ = theirs(pipeline, PROMPTS[:1], 4, seed=0, guidance=1.0)
    positive, negative = conditionings(checkpoint, PROMPTS[:1])
    model = checkpoint.model
    empty, sigmas = torch.zeros(model.latents.shape(*model.size)), schedules.sigmas("trailing", model.noise, 4)
    for other in (negative, None):
        *_, state = sample(model, positive, other, empty, sigmas, guidance=1.0)
        assert torch.equal(state.latent, latent)


def test_a_picture_reworked_is_the_img2img_pipeline(sd1: Checkpoint, sd1_folder: Path) -> None:
    pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(sd1_folder, dtype=torch.float32, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    size = sd1.model.size[0]
    picture = torch.rand(1, size, size, 3, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(9)
    latent = pipeline(
        PROMPTS[0],
        image=picture.permute(0, 3, 1, 2),
        negative_prompt=NEGATIVE,
        strength=0.5,
        num_inference_steps=8,
        guidance_scale=6.0,
        generator=generator,
        output_type="latent",
    ).images
    assert sd1.vae is not None
    random = torch.Generator().manual_seed(9)
    start = encode(sd1.vae, picture, generator=random)
    noise = torch.randn(start.shape, generator=random)
    positive, negative = conditionings(sd1, PROMPTS[:1])
    sigmas = schedules.sigmas("trailing", sd1.model.noise, 4, denoise=0.5)
    *_, state = sample(sd1.model, positive, negative, start, sigmas, guidance=6.0, noise=noise)
    assert distance(state.latent, latent) < 1e-6


def test_a_distilled_network_takes_guidance_as_an_input(tmp_path: Path) -> None:
    from studio.diffusion.weights.checkpoint import load_checkpoint
    from tests.diffusion.conftest import FLOAT32

    pipeline = tiny.sd_pipeline(time_cond_proj_dim=32)
    checkpoint = load_checkpoint(tiny.save(pipeline, tmp_path / "distilled"), FLOAT32)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    latent, _ = theirs(pipeline, PROMPTS, 4, seed=2, guidance=4.0)
    positive, _ = conditionings(checkpoint, PROMPTS)
    model = checkpoint.model
    empty, sigmas = torch.zeros(model.latents.shape(*model.size)), schedules.sigmas("trailing", model.noise, 4)
    *_, state = sample(model, positive, None, empty, sigmas, guidance=4.0, seed=2)
    assert torch.equal(state.latent, latent)
    other = make_denoiser(model, positive, None, 9.0)(state.latent, 1.0)
    assert not torch.equal(make_denoiser(model, positive, None, 4.0)(state.latent, 1.0), other)
