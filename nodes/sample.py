"""Sampling: from noise to a latent, step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nodes.kept_steps import KeptSteps, step_of
from nodes.parts import Part, from_noise, from_trail, made_by, require_fit
from nodes.steered import distilled, guidance_of, inpainting_of, loaded, parts_of
from studio.diffusion.denoise import item_of
from studio.diffusion.few_steps import advice, recipe_of
from studio.diffusion.model import LoadedModel
from studio.diffusion.names import SAMPLER_ALIASES, SCHEDULE_ALIASES, named
from studio.diffusion.noise import seeded_noise
from studio.diffusion.preview import Pending, project
from studio.diffusion.samplers import SAMPLERS
from studio.diffusion.sampling import Sampling, prepare
from studio.diffusion.schedules import MOST_STEPS, SCHEDULES
from studio.diffusion.schedules import sigmas as sigmas_of
from studio.diffusion.trail import Step, follow
from studio.sdk import (
    Choice,
    Conditioning,
    Latent,
    Model,
    Noise,
    Number,
    Schedule,
    Seed,
    Slider,
    Trail,
    TrailPart,
    ValueRefused,
    node,
    running,
)
from studio.sdk.digest import code_digest


class Sampled(NamedTuple):
    latent: Latent
    trail: Trail


@node("sample/Sample", live=True, aliases=("ksampler", "denoise", "generate", "diffusion", "KSampler"))
def sample_(
    model: Model,
    *,
    positive: Conditioning | None = None,
    latent: Latent,
    negative: Conditioning | None = None,
    sigmas: Schedule | None = None,
    noise: Noise | None = None,
    start: Trail | None = None,
    start_step: int = Number(0, 0, MOST_STEPS, step=1, advanced=True),
    seed: int = Seed(),
    steps: int = Slider(20, 1, 150),
    guidance: float = Slider(7.0, 0, 30, step=0.1),
    sampler: str = Choice(*SAMPLERS, default="dpmpp_2m", aliases=SAMPLER_ALIASES),
    schedule: str = Choice(*SCHEDULES, default="karras", aliases=SCHEDULE_ALIASES),
    denoise: float = Slider(1.0, 0.01, 1),
) -> Sampled:
    """Make a latent out of noise, step by step, as the prompts say. Every step is shown as it is done, and kept.

    A run that was broken off goes on where it was. To try something else from a certain step on, give the trail of another run as start.

    Args:
        model: The denoising network.
        positive: What should be in the picture. A model that was trained without words needs none.
        latent: The size of a new picture, or the latent of one that is to be changed.
        negative: What should not be in the picture. Needed unless guidance is 1.
        sigmas: Noise levels to visit, in place of steps, schedule and denoise.
        noise: Noise to begin with, in place of the seed's own.
        start: Begin in the middle of this run, in place of noise. Noise levels up to there have to be the same; the seed does not count.
        start_step: After which step of that run. 0 is its noise.
        seed: Where the random numbers begin. The same seed gives the same picture.
        steps: More steps are slower and finer.
        guidance: How strictly the prompts are followed; 1 is not at all, and takes half the time.
        sampler: How a step is done. Names of other programs are understood; one that names a schedule, such as
            DPM++ 2M Karras, brings it along.
        schedule: How the noise levels are spread over the steps.
        denoise: How much of a given latent is made anew; below 1 the run begins part of the way down.

    Returns:
        latent: What came out.
        trail: All steps on the way.
    """
    context = running()
    network = loaded(model)
    chosen, spacing = named(sampler, schedule)
    levels = sigmas.sigmas if sigmas is not None else _levels(network, spacing, steps, denoise)
    if recipe := recipe_of(network, model.weights.title):
        hint = advice(recipe, chosen.name, "" if sigmas is not None else spacing, len(levels) - 1, guidance)
        if hint:
            context.log(hint)
    wanted = parts_of(positive, model, "positive") if positive is not None else None
    unwanted = parts_of(negative, model, "negative") if negative is not None else None
    begin = tensor_for(network, latent)
    prompts = [part.conditioned.prompts for parts in (wanted, unwanted) for part in parts or ()]
    batch = max(start.shape[0] if start is not None else begin.shape[0], *prompts, 1)
    # Item i of a batch is what a single run with seed + i gives, so a batch may be done piece by piece where memory is short.
    alone = batch > 1 and (chosen.adaptive or (context.tight_memory and max(prompts, default=1) == 1))
    alone = alone or (start is not None and len(start.parts) > 1)
    if alone and begin.shape[0] == 1:
        begin = begin.expand(batch, *begin.shape[1:])
    parts = from_noise(begin, seed, noise.tensor if noise is not None else None, alone=alone)
    if start is not None:
        require_fit(start, start_step, chosen, levels, model.family, begin)
        states = step_of(context.step_store, start, start_step, "start")
        parts = from_trail(start, start_step, states, parts)
    runs = [
        prepare(
            network,
            wanted if wanted is None or part.item is None else item_of(wanted, part.item, batch, "positive"),
            unwanted if unwanted is None or part.item is None else item_of(unwanted, part.item, batch, "negative"),
            part.latent,
            levels,
            sampler=chosen.name,
            guidance=guidance_of(model, distilled(network, positive, guidance)),
            seed=part.seed,
            noise=part.noise,
            start=part.start,
            inpainting=inpainting_of(latent, part.item),
        )
        for part in parts
    ]
    return _followed(model, network, parts, runs)


def _followed(model: Model, network: LoadedModel, parts: Sequence[Part], runs: Sequence[Sampling]) -> Sampled:
    """What came out of the parts of a batch, one after the other, each step of them reported and kept."""
    context = running()
    kept, whole = KeptSteps(context.step_store), context.asks_for("trail")
    code = made_by(model, code_digest(_followed))
    keys = [part.keys(run, code) for part, run in zip(parts, runs, strict=True)]
    known = not runs[0].sampler.adaptive
    ways = [
        part.trail(run.levels[run.begin.index :], own.all()) if known else part.trail([run.begin.sigma], [own[0]])
        for part, run, own in zip(parts, runs, keys, strict=True)
    ]
    shape = (sum(len(run.begin.latent) for run in runs), *runs[0].begin.latent.shape[1:])

    def shown() -> Trail:
        trail = Trail(tuple(ways), runs[0].sampler.name, model.family, shape)
        context.show_trail(trail)
        return trail

    trail = shown()
    previews = Previews(network)
    done = []
    for at, (run, own) in enumerate(zip(runs, keys, strict=True)):
        last: Step | None = None
        for step in follow(run, own, kept, whole=whole):
            if not known:
                ways[at] = TrailPart((*ways[at].sigmas, step.sigma), (*ways[at].keys, step.key))
                trail = shown()
            context.step(at * step.of + step.index, len(runs) * step.of, step.sigma, partial(previews.picture, step))
            last = step
        state = last.state() if last is not None else None
        assert state is not None
        done.append(state.latent.cpu())
    return Sampled(Latent(torch.cat(done), model.family), trail)


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
    return Schedule(_levels(loaded(model), spacing, steps, denoise))


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

    def picture(self, step: Step) -> NDArray[np.uint8] | None:
        """(height, width, 3) RGB: the predicted result of this step, or of the one before. None for a kept step that is gone."""
        state = step.state()
        if state is None:
            return None
        if step.kept:
            return Pending(project(state.denoised, self._model.projection())).pixels()
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
