"""PixArt-Sigma: equal to the pipeline bit for bit; found by its headers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
)
from safetensors.torch import save_file

from studio.diffusion import schedules
from studio.diffusion.decode import decode
from studio.diffusion.denoise import OneForward
from studio.diffusion.family import families
from studio.diffusion.foreign import Foreign
from studio.diffusion.guidance import Guided
from studio.diffusion.model import Checkpoint, Conditioned
from studio.diffusion.noise import seeded_noise
from studio.diffusion.noise_schedule import BetaSchedule
from studio.diffusion.sampling import sample
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.diffusion.weights.header import TensorInfo
from studio.graph.errors import ModelUnreadable, ValueRefused
from tests.diffusion import tiny
from tests.diffusion.conftest import FLOAT32
from tests.diffusion.pipelines import HEIGHT, NEGATIVE, WIDTH, Theirs, conditionings, drive, opened, run_theirs

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*SwigPy.*:DeprecationWarning"),
]

PROMPTS = ("The Cat on red ", "a dog 42")
SIZES = {"width": WIDTH, "height": HEIGHT, "use_resolution_binning": False, "clean_caption": False}


def network(**more: Foreign) -> PixArtTransformer2DModel:
    torch.manual_seed(1)
    config = {
        "sample_size": 16,
        "num_layers": 2,
        "patch_size": 2,
        "attention_head_dim": 8,
        "num_attention_heads": 3,
        "caption_channels": 32,
        "in_channels": 4,
        "cross_attention_dim": 24,
        "out_channels": 8,
        "use_additional_conditions": False,
    }
    return tiny.awake(PixArtTransformer2DModel(**{**config, **more}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = PixArtSigmaPipeline(
        transformer=network(),
        vae=tiny.vae(0.13025),
        text_encoder=tiny.t5(32),
        tokenizer=tiny.t5_tokenizer(),
        scheduler=DPMSolverMultistepScheduler(beta_start=0.0001, beta_end=0.02, beta_schedule="linear"),
    )
    return tiny.save(made, tmp_path_factory.mktemp("models") / "pixart")


@pytest.fixture(scope="module")
def pixart(folder: Path) -> Checkpoint:
    return load_checkpoint(folder, FLOAT32)


@pytest.fixture
def pipeline(folder: Path) -> Foreign:
    return opened(folder)


def theirs(pipeline: Foreign, steps: int) -> Theirs:
    return run_theirs(
        pipeline, PROMPTS, negative_prompt=NEGATIVE, num_inference_steps=steps, guidance_scale=6.0, **SIZES
    )


def test_denoising_with_the_pipelines_own_scheduler_is_the_pipeline_bit_for_bit(
    pixart: Checkpoint, pipeline: Foreign
) -> None:
    latent, picture = theirs(pipeline, 5)
    positive, negative = conditionings(pixart, PROMPTS)
    model = pixart.model
    guided = Guided(model, OneForward(model), positive, negative, 6.0)
    steps = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    steps.set_timesteps(5)
    x = drive(guided.prediction, steps, seeded_noise(5, model.latents.shape(WIDTH, HEIGHT, batch=2)))
    assert torch.equal(x, latent)
    assert pixart.vae is not None
    assert torch.equal(decode(pixart.vae, x), picture)


def test_euler_is_the_pipeline_bit_for_bit(pixart: Checkpoint, pipeline: Foreign) -> None:
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    latent, _ = theirs(pipeline, 4)
    positive, negative = conditionings(pixart, PROMPTS)
    model = pixart.model
    empty, sigmas = torch.zeros(model.latents.shape(WIDTH, HEIGHT)), schedules.sigmas("trailing", model.noise, 4)
    *_, state = sample(model, positive, negative, empty, sigmas, guidance=6.0, seed=5)
    assert torch.equal(state.latent, latent)


def test_a_folder_says_what_it_is(pixart: Checkpoint, folder: Path) -> None:
    assert identify(folder).detected.family == "pixart_sigma"
    assert pixart.model.size == (32, 32)
    assert pixart.model.noise == BetaSchedule.linear(0.0001, 0.02)
    assert pixart.model.latents.patch == 2


def test_full_size_networks_are_known_by_their_headers() -> None:
    full = {
        "sample_size": 128,
        "num_layers": 28,
        "attention_head_dim": 72,
        "num_attention_heads": 16,
        "cross_attention_dim": 1152,
        "caption_channels": 4096,
    }
    for alpha, expected in ((False, [("pixart_sigma", "")]), (True, [])):
        with torch.device("meta"):
            found = PixArtTransformer2DModel(**full, in_channels=4, out_channels=8, use_additional_conditions=alpha)
        tensors = {name: TensorInfo("F16", tuple(tensor.shape)) for name, tensor in found.state_dict().items()}
        claims = [claim for family in families().values() if (claim := family.detect(tensors))]
        assert [(claim.family, claim.variant) for claim in claims] == expected


def test_a_single_file_says_what_to_choose_instead(tmp_path: Path) -> None:
    file = tmp_path / "pixart.safetensors"
    save_file(network().state_dict(), file)
    with pytest.raises(ModelUnreadable, match="diffusers folder"):
        load_checkpoint(file, FLOAT32)


def test_what_does_not_fit_is_refused(pixart: Checkpoint) -> None:
    positive, negative = conditionings(pixart, ["a"])
    empty = torch.zeros(1, 4, 8, 8)
    with pytest.raises(ValueRefused) as caught:
        list(sample(pixart.model, Conditioned(torch.zeros(1, 4, 32)), None, empty, (1.0, 0.0), guidance=1.0))
    assert caught.value.socket == "positive"
    with pytest.raises(ValueRefused) as caught:
        sample(pixart.model, positive, negative, torch.zeros(1, 4, 5, 8), (1.0, 0.0))
    assert caught.value.socket == "latent"
