"""Inpainting: with a mask over any model, and with networks that were trained for it, beside the diffusers pipelines."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionInpaintPipeline
from torch import Tensor

from studio.diffusion import schedules
from studio.diffusion.decode import encode
from studio.diffusion.foreign import Foreign
from studio.diffusion.masks import Inpainting
from studio.diffusion.model import Checkpoint
from studio.diffusion.samplers import SAMPLERS
from studio.diffusion.sampling import sample
from studio.diffusion.step import StepState
from studio.diffusion.weights.checkpoint import load_checkpoint
from studio.graph.errors import ValueRefused
from tests.diffusion import tiny
from tests.diffusion.analytic import distance
from tests.diffusion.conftest import FLOAT32
from tests.diffusion.test_pipelines import NEGATIVE, PROMPTS, conditionings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def inpaint_pipeline(folder: Path) -> Foreign:
    pipeline = StableDiffusionInpaintPipeline.from_pretrained(
        folder, dtype=torch.float32, safety_checker=None, feature_extractor=None
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    return pipeline


def picture(checkpoint: Checkpoint) -> Tensor:
    width, height = checkpoint.model.size
    return torch.rand(1, height, width, 3, generator=torch.Generator().manual_seed(1))


def left_half(checkpoint: Checkpoint) -> Tensor:
    width, height = checkpoint.model.size
    mask = torch.zeros(1, height, width)
    mask[..., : width // 2] = 1
    return mask


def theirs(pipeline: Foreign, checkpoint: Checkpoint, strength: float, steps: int, **more: Foreign) -> Tensor:
    latent: Tensor = pipeline(
        PROMPTS[0],
        mask_image=left_half(checkpoint)[:, None],
        negative_prompt=NEGATIVE,
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=6.0,
        generator=torch.Generator().manual_seed(9),
        width=checkpoint.model.size[0],
        height=checkpoint.model.size[1],
        output_type="latent",
        **more,
    ).images
    return latent


def ours(
    checkpoint: Checkpoint, latent: Tensor, inpainting: Inpainting | None, sampler: str = "euler", **more: Foreign
) -> list[StepState]:
    positive, negative = conditionings(checkpoint, PROMPTS[:1])
    steps = more.pop("steps", 4)
    sigmas = schedules.sigmas("trailing", checkpoint.model.noise, steps, denoise=more.pop("denoise", 1.0))
    options = {"sampler": sampler, "guidance": 6.0, "seed": 9, "inpainting": inpainting}
    return list(sample(checkpoint.model, positive, negative, latent, sigmas, **{**options, **more}))


def test_a_mask_over_the_base_model_is_the_inpaint_pipeline_bit_for_bit(sd1: Checkpoint, sd1_folder: Path) -> None:
    random = torch.Generator().manual_seed(9)
    assert sd1.vae is not None
    start = encode(sd1.vae, picture(sd1))
    noise = torch.randn(start.shape, generator=random)
    expected = theirs(inpaint_pipeline(sd1_folder), sd1, 0.5, 8, image=start, masked_image_latents=start)
    made = ours(sd1, start, Inpainting(left_half(sd1)), denoise=0.5, noise=noise)[-1].latent
    half = start.shape[-1] // 2
    assert torch.equal(made[..., half:], start[..., half:])
    assert torch.equal(made, expected)


def test_a_network_for_inpainting_is_the_pipeline_bit_for_bit(tmp_path: Path) -> None:
    folder = tiny.save(tiny.sd_pipeline(in_channels=9), tmp_path / "inpaint")
    checkpoint = load_checkpoint(folder, FLOAT32)
    assert checkpoint.vae is not None
    mask = left_half(checkpoint)
    random = torch.Generator().manual_seed(9)
    noise = torch.randn(checkpoint.model.latents.shape(*checkpoint.model.size), generator=random)
    hole = torch.where(mask[..., None] >= 0.5, 0.5, picture(checkpoint))
    surroundings = encode(checkpoint.vae, hole)
    image = picture(checkpoint).permute(0, 3, 1, 2)
    expected = theirs(inpaint_pipeline(folder), checkpoint, 1.0, 4, image=image, masked_image_latents=surroundings)
    inpainting = Inpainting(mask, surroundings=surroundings)
    made = ours(checkpoint, torch.zeros_like(noise), inpainting, noise=noise)[-1].latent
    half = noise.shape[-1] // 2
    assert torch.equal(made[..., :half], expected[..., :half])
    assert made[..., half:].abs().max() == 0, "outside of the mask is the latent that was given"
    with pytest.raises(ValueRefused, match="9 channels") as refused:
        ours(checkpoint, torch.zeros_like(noise), Inpainting(mask))
    assert "Inpaint" in refused.value.mend


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_outside_of_the_mask_nothing_changes_and_a_resumed_run_is_the_same(sd1: Checkpoint, sampler: str) -> None:
    latent = torch.randn(sd1.model.latents.shape(*sd1.model.size), generator=torch.Generator().manual_seed(4))
    half = latent.shape[-1] // 2
    whole = ours(sd1, latent, Inpainting(left_half(sd1)), sampler)
    assert torch.equal(whole[-1].latent[..., half:], latent[..., half:])
    assert not torch.equal(whole[-1].latent[..., :half], latent[..., :half])
    middle = whole[len(whole) // 2 - 1]
    rest = ours(sd1, latent, Inpainting(left_half(sd1)), sampler, start=middle)
    assert torch.equal(rest[-1].latent, whole[-1].latent)


def test_grey_is_how_much_a_place_changes(sd1: Checkpoint) -> None:
    latent = torch.randn(sd1.model.latents.shape(*sd1.model.size), generator=torch.Generator().manual_seed(4))
    width = latent.shape[-1]
    ramp = torch.linspace(0, 1, width)[None, None].expand(1, width, width).contiguous()
    made = ours(sd1, latent, Inpainting(ramp, gradual=True), steps=8)[-1].latent
    assert torch.equal(made[..., :1], latent[..., :1])
    change = (made - latent).abs().mean(dim=(0, 1, 2))
    assert change[1] > 0
    assert change[-2:].mean() > change[1:3].mean()
    even = ours(sd1, latent, Inpainting(torch.full((1, 4, 4), 0.5), gradual=True), steps=8)[-1].latent
    sigmas = schedules.sigmas("trailing", sd1.model.noise, 8)[4:]
    positive, negative = conditionings(sd1, PROMPTS[:1])
    *_, reworked = sample(sd1.model, positive, negative, latent, sigmas, guidance=6.0, seed=9)
    assert distance(even, reworked.latent) < 1e-4, "even grey is image-to-image with so much denoise"
    soft = ours(sd1, latent, Inpainting(ramp))[-1].latent
    assert torch.equal(soft[..., :1], latent[..., :1])
    assert not torch.equal(soft, made)
    nothing = ours(sd1, latent, Inpainting(torch.zeros(1, 4, 4)))[-1].latent
    assert torch.equal(nothing, latent)
