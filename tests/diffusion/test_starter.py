"""The picture starter through our loop: pictures of what was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

from studio.diffusion.decode import decode
from studio.diffusion.model import Checkpoint
from studio.diffusion.samplers import SAMPLERS
from studio.diffusion.sampling import sample
from studio.diffusion.schedules import sigmas
from studio.resources import resource
from tests.diffusion.analytic import distance

COLOURS = {
    "red": (220, 40, 40), "yellow": (250, 220, 50), "green": (50, 165, 70), "blue": (40, 90, 215), "purple": (130, 60, 175),
    "black": (25, 25, 28), "white": (248, 248, 245), "orange": (245, 140, 30), "cyan": (70, 205, 220), "pink": (250, 150, 190),
}  # fmt: skip
ASKED = [
    ("red", "circle", "blue"),
    ("yellow", "square", "black"),
    ("green", "circle", "white"),
    ("white", "square", "purple"),
]


def nearest(colour: torch.Tensor) -> str:
    return min(COLOURS, key=lambda name: float((colour * 255 - torch.tensor(COLOURS[name])).norm()))


def draw(checkpoint: Checkpoint, prompts: Sequence[str], sampler: str, schedule: str, steps: int = 20) -> torch.Tensor:
    model, encoder = checkpoint.model, checkpoint.text_encoder
    assert encoder is not None
    assert checkpoint.vae is not None
    positive, negative = (model.family.encode(encoder, texts).conditioned for texts in (list(prompts), [""]))
    empty, levels = torch.zeros(model.latents.shape(*model.size)), sigmas(schedule, model.noise, steps)
    # A sampler that chooses its steps does one picture at a time.
    runs = [positive.item(at) for at in range(len(prompts))] if SAMPLERS[sampler].adaptive else [positive]
    done = [
        list(sample(model, one, negative, empty, levels, sampler=sampler, guidance=3.0, seed=3))[-1] for one in runs
    ]
    return decode(checkpoint.vae, torch.cat([state.latent for state in done]))


@pytest.mark.parametrize(
    ("sampler", "schedule"),
    [*((name, "trailing") for name in SAMPLERS), ("dpmpp_2m", "karras")],
)
def test_a_prompt_list_becomes_pictures_of_those_colours(starter: Checkpoint, sampler: str, schedule: str) -> None:
    prompts = [f"a large {colour} {shape} on a {ground} background" for colour, shape, ground in ASKED]
    pictures = draw(starter, prompts, sampler, schedule, steps=16)
    height, width = pictures.shape[1:3]
    middle = (
        pictures[:, height * 2 // 5 : height * 3 // 5, width * 2 // 5 : width * 3 // 5]
        .flatten(1, 2)
        .median(dim=1)
        .values
    )
    corner = pictures[:, : height // 10, : width // 10].flatten(1, 2).median(dim=1).values
    found = [(nearest(one), nearest(other)) for one, other in zip(middle, corner, strict=True)]
    assert found == [(colour, ground) for colour, _, ground in ASKED]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_starter_is_an_ordinary_folder_to_diffusers(starter: Checkpoint) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(
        resource("starters", "picture"), dtype=torch.float32, safety_checker=None
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    prompt = "a yellow star on a black background"
    generator = torch.Generator().manual_seed(3)
    picture = pipeline(prompt, guidance_scale=3.0, num_inference_steps=12, generator=generator, output_type="pt").images
    ours = draw(starter, [prompt], "dpmpp_2m", "trailing", steps=12)
    assert distance(ours, picture.permute(0, 2, 3, 1)) < 1e-3
