"""Sampling: from noise to a latent, step by step."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from nodes.steered import guidance_of, inpainting_of, loaded, parts_of
from studio.diffusion.denoise import item_of
from studio.diffusion.model import LoadedModel
from studio.diffusion.names import SAMPLER_ALIASES, SCHEDULE_ALIASES, named
from studio.diffusion.noise import SEEDS, seeded_noise
from studio.diffusion.preview import Pending, project
from studio.diffusion.samplers import SAMPLERS
from studio.diffusion.sampling import sample
from studio.diffusion.schedules import SCHEDULES
from studio.diffusion.schedules import sigmas as sigmas_of
from studio.diffusion.step import StepState
from studio.sdk import Choice, Conditioning, Latent, Model, Noise, Schedule, Seed, Slider, ValueRefused, node, running


@node("sample/Sample", live=True, aliases=("ksampler", "denoise", "generate", "diffusion", "KSampler"))
def sample_(
    model: Model,
    *,
    positive: Conditioning | None = None,
    latent: Latent,
    negative: Conditioning | None = None,
    sigmas: Schedule | None = None,
    noise: Noise | None = None,
    seed: int = Seed(),
    steps: int = Slider(20, 1, 150),
    guidance: float = Slider(7.0, 0, 30, step=0.1),
    sampler: str = Choice(*SAMPLERS, default="dpmpp_2m", aliases=SAMPLER_ALIASES),
    schedule: str = Choice(*SCHEDULES, default="karras", aliases=SCHEDULE_ALIASES),
    denoise: float = Slider(1.0, 0.01, 1),
) -> Latent:
    """Make a latent out of noise, step by step, as the prompts say. Every step is shown as it is done.

    Args:
        model: The denoising network.
        positive: What should be in the picture. A model that was trained without words needs none.
        latent: The size of a new picture, or the latent of one that is to be changed.
        negative: What should not be in the picture. Needed unless guidance is 1.
        sigmas: Noise levels to visit, in place of steps, schedule and denoise.
        noise: Noise to begin with, in place of the seed's own.
        seed: Where the random numbers begin. The same seed gives the same picture.
        steps: More steps are slower and finer.
        guidance: How strictly the prompts are followed; 1 is not at all, and takes half the time.
        sampler: How a step is done. Names of other programs are understood; one that names a schedule, such as
            DPM++ 2M Karras, brings it along.
        schedule: How the noise levels are spread over the steps.
        denoise: How much of a given latent is made anew; below 1 the run begins part of the way down.
    """
    context = running()
    network = loaded(model)
    chosen, spacing = named(sampler, schedule)
    levels = sigmas.sigmas if sigmas is not None else _levels(network, spacing, steps, denoise)
    wanted = parts_of(positive, model, "positive") if positive is not None else None
    unwanted = parts_of(negative, model, "negative") if negative is not None else None
    begin = tensor_for(network, latent)
    prompts = [part.conditioned.prompts for parts in (wanted, unwanted) for part in parts or ()]
    batch = max(begin.shape[0], *prompts) if prompts else begin.shape[0]
    # Item i of a batch is what a single run with seed + i gives, so a batch may be done piece by piece where memory is short.
    alone = batch > 1 and (chosen.adaptive or (context.tight_memory and max(prompts, default=1) == 1))
    if alone and begin.shape[0] == 1:
        begin = begin.expand(batch, *begin.shape[1:])
    pieces = [one[None] for one in begin.unbind()] if alone else [begin]
    previews = Previews(network)
    done = []
    for at, piece in enumerate(pieces):
        states = sample(
            network,
            wanted if wanted is None or not alone else item_of(wanted, at, batch, "positive"),
            unwanted if unwanted is None or not alone else item_of(unwanted, at, batch, "negative"),
            piece,
            levels,
            sampler=chosen.name,
            guidance=guidance_of(model, guidance),
            seed=(seed + at) % SEEDS,
            noise=noise.tensor[at : at + len(piece)] if noise is not None else None,
            inpainting=inpainting_of(latent, at if alone else None),
        )
        for state in states:
            steps = chosen.steps(state, levels)
            context.step(at * steps + state.index, len(pieces) * steps, state.sigma, partial(previews.picture, state))
        done.append(state.latent.cpu())
    return Latent(torch.cat(done), model.family)


@node("sample/Schedule", title="Noise schedule", aliases=("sigmas", "karras", "steps", "BasicScheduler"))
def schedule_(
    model: Model,
    schedule: str = Choice(*SCHEDULES, default="karras", aliases=SCHEDULE_ALIASES),
    steps: int = Slider(20, 1, 150),
    denoise: float = Slider(1.0, 0.01, 1),
) -> Schedule:
    """The noise levels that a run visits, to be given to several samplers.

    Args:
        model: Whose noise levels they are.
        schedule: How they are spread over the steps.
        steps: How many steps.
        denoise: How far down the run begins; 1 is pure noise.
    """
    spacing = SCHEDULE_ALIASES.get(schedule, schedule)
    return Schedule(_levels(running().use(model.weights), spacing, steps, denoise))


@node("sample/Noise", title="Noise", aliases=("random", "RandomNoise"))
def noise_(model: Model, latent: Latent, seed: int = Seed()) -> Noise:
    """The noise that a sampler with this seed begins with.

    Args:
        model: Whose latents it is for.
        latent: The size.
        seed: Where the random numbers begin. Each picture of a batch has a seed of its own, the next one more.
    """
    shape = tensor_for(running().use(model.weights), latent).shape
    return Noise(seeded_noise(seed, tuple(shape)))


@node("sample/MixNoise", title="Mix noise", aliases=("variation", "slerp", "blend"))
def mix_noise(first: Noise, second: Noise, amount: float = Slider(0.1, 0, 1)) -> Noise:
    """Go from one noise towards another: small amounts give variations of a picture.

    The way is an arc, not a line, so that what comes out is noise of the same strength.

    Args:
        first: Noise of the picture that is varied.
        second: Noise of another seed.
        amount: 0 is the first, 1 the second.
    """
    if first.tensor.shape != second.tensor.shape:
        raise ValueRefused(
            f"Noise of {tuple(first.tensor.shape)} and {tuple(second.tensor.shape)} cannot be mixed.",
            socket="second",
            mend="Make both for the same latent.",
        )
    angle = amount * math.pi / 2
    return Noise(math.cos(angle) * first.tensor + math.sin(angle) * second.tensor)


class Previews:
    """The pictures of a run's steps.

    On a GPU a picture is on its way while the next step is computed, and is handed out with that one; only the first and the last are
    waited for.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._waiting: Pending | None = None

    def picture(self, state: StepState) -> NDArray[np.uint8]:
        """(height, width, 3) RGB: the predicted result of this step, or of the one before."""
        current, before = Pending(project(state.denoised, self._model.projection())), self._waiting
        if before is None or state.sigma == 0 or current.ready:
            before = current
        self._waiting = current
        return before.pixels()


def tensor_for(model: LoadedModel, latent: Latent) -> torch.Tensor:
    """The latent's tensor; for a picture that is still to be made, zeros of the shape that this model makes."""
    if latent.blank is None:
        return latent.tensor
    return torch.zeros(model.latents.shape(*latent.blank, latent.batch))


def _levels(model: LoadedModel, schedule: str, steps: int, denoise: float) -> tuple[float, ...]:
    return sigmas_of(schedule, model.noise, steps, denoise, model.family.name)
