"""A diffusers pipeline and our denoiser, run side by side for comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Checkpoint, Conditioned

PROMPTS = ("the cat on red", "a dog 42")
NEGATIVE = "red red"
WIDTH, HEIGHT = 24, 32


class Theirs(NamedTuple):
    """What a pipeline made."""

    latent: Tensor
    """As the pipeline gives it: some give patches."""
    picture: Tensor
    """(batch, height, width, 3) in [0, 1]."""


def opened(folder: Path, **more: Foreign) -> Foreign:
    """The pipeline of a folder, which decodes item by item as ours does: a batch as a whole may differ in the last bit."""
    pipeline = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32, **more)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.enable_slicing()
    return pipeline


def run_theirs(pipeline: Foreign, prompts: Sequence[str] = PROMPTS, seed: int = 5, **options: Foreign) -> Theirs:
    """The pipeline's latent and picture for prompts, item i with the seed `seed` + i. A `negative_prompt` serves all of them."""
    negative = options.pop("negative_prompt", None)
    results = []
    for kind in ("latent", "pt"):
        generators = [torch.Generator().manual_seed(seed + item) for item in range(len(prompts))]
        if negative is not None:
            # A list of its own for every run: some pipelines write into it.
            options["negative_prompt"] = [negative] * len(prompts)
        run = pipeline(list(prompts), generator=generators, output_type=kind, **options)
        results.append(run.images)
    return Theirs(results[0], results[1].permute(0, 2, 3, 1))


def encoded(checkpoint: Checkpoint, prompts: Sequence[str] = PROMPTS) -> Conditioned:
    """The prompts, read by the checkpoint's own text encoder."""
    encoder = checkpoint.text_encoder
    assert encoder is not None
    return encoder.family.encode(encoder, list(prompts)).conditioned


def conditionings(checkpoint: Checkpoint, prompts: Sequence[str] = PROMPTS) -> tuple[Conditioned, Conditioned]:
    """(the prompts, `NEGATIVE` as often)."""
    return encoded(checkpoint, prompts), encoded(checkpoint, [NEGATIVE] * len(prompts))


def drive(prediction: Callable[[Tensor, float], Tensor], scheduler: Foreign, x: Tensor, **options: Foreign) -> Tensor:
    """The latent that a scheduler of diffusers, its timesteps set, makes of noise `x` with our prediction. `options` are for its steps."""
    if getattr(scheduler, "_step_index", None) is not None:
        # Of the run that the pipeline has done with it.
        scheduler._step_index = None
    x = x * scheduler.init_noise_sigma if hasattr(scheduler, "init_noise_sigma") else x
    for time in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, time) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(prediction(scaled, float(time)), time, x, **options).prev_sample
    return x
