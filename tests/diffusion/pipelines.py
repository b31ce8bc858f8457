"""A diffusers pipeline and our denoiser, run side by side for comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from nodes.conditioning import encode_prompt
from nodes.latent import decode_
from nodes.model import LoadedCheckpoint, load
from nodes.sample import sample_
from studio.diffusion.denoise import Predictor
from studio.diffusion.family import families
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Checkpoint, Conditioned
from studio.diffusion.weights.header import TensorInfo
from studio.sdk import Image, Latent
from studio.sdk.testing import run_node

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
        run = pipeline(prompt=list(prompts), generator=generators, output_type=kind, **options)
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


def apart(predictor: Predictor) -> Predictor:
    """One forward a conditioning, as pipelines do it that do not guide in one batch: results of a batch may differ in the last bit."""

    def each(x: Tensor, time: float, conditionings: Sequence[Conditioned]) -> Sequence[Tensor]:
        return [prediction for one in conditionings for prediction in predictor(x, time, [one])]

    return each


def claims(weights: Mapping[str, Tensor]) -> list[tuple[str, str, str]]:
    """(family, variant, layout) of every family that takes a network of these tensors for its own."""
    tensors = {name: TensorInfo("BF16", tuple(tensor.shape)) for name, tensor in weights.items()}
    found = [claim for family in families().values() if (claim := family.detect(tensors))]
    return [(claim.family, claim.variant, claim.layout) for claim in found]


def through_the_nodes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    """A picture that the nodes make, from the checkpoint to the pixels, of two prompts of different length."""
    monkeypatch.setattr("studio.library.models.resolve", lambda model, kind: folder)
    monkeypatch.setattr("studio.library.models.content_hash", lambda path: str(folder))
    parts = LoadedCheckpoint(*run_node(load, model="model", precision="float32"))
    words = [run_node(encode_prompt, text_encoder=parts.text_encoder, text=text) for text in ("the cat", "")]
    latent, _ = run_node(
        sample_,
        model=parts.model,
        positive=words[0],
        negative=words[1],
        latent=Latent.empty(WIDTH, HEIGHT),
        steps=3,
        sampler="euler",
        schedule="simple",
        seed=1,
    )
    image = run_node(decode_, latent=latent, vae=parts.vae)
    assert isinstance(image, Image)
    return image
