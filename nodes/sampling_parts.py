"""Sampling put together from parts: which sampler, how it is guided, which of the steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from nodes.sample import sample_, schedule_, tensor_for
from nodes.steered import changed, loaded
from studio.diffusion.names import SAMPLER_ALIASES, SCHEDULE_ALIASES
from studio.diffusion.noise_schedule import FlowSchedule
from studio.diffusion.samplers import SAMPLERS
from studio.diffusion.schedules import SCHEDULES
from studio.sdk import (
    Choice,
    Conditioning,
    Latent,
    Model,
    Noise,
    Number,
    Resident,
    Schedule,
    Seed,
    Slider,
    ValueRefused,
    node,
    value_type,
)


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Guider:
    """A model with its prompts and how strictly they are followed. As models are, it is never kept in the cache on disk."""

    model: Model
    positive: Conditioning
    negative: Conditioning | None
    guidance: float

    def residents(self) -> tuple[Resident[object], ...]:
        return self.model.residents()


@node("sample/Sampler", title="Sampler", aliases=("euler", "KSamplerSelect"), output="sampler")
def sampler(sampler: str = Choice(*SAMPLERS, default="euler", aliases=SAMPLER_ALIASES)) -> str:
    """A sampler by its name, to be used in several places."""
    return sampler


@node("sample/Guider", aliases=("cfg", "BasicGuider", "CFGGuider"))
def guider(
    model: Model,
    positive: Conditioning,
    negative: Conditioning | None = None,
    guidance: float = Slider(1.0, 0, 30, step=0.1),
) -> Guider:
    """A model with its prompts, for the sampler of parts.

    Args:
        model: The denoising network.
        positive: What should be in the picture.
        negative: What should not be in the picture. Needed unless guidance is 1.
        guidance: How strictly the prompts are followed; 1 is not at all.
    """
    return Guider(model, positive, negative, guidance)


@node("sample/SampleParts", title="Sample from parts", live=True, aliases=("custom", "SamplerCustomAdvanced"))
def sample_parts(
    guider: Guider,
    latent: Latent,
    sigmas: Schedule,
    seed: int = Seed(),
    sampler: str = Choice(*SAMPLERS, default="euler", aliases=SAMPLER_ALIASES),
) -> Latent:
    """Sample with a guider and a schedule, each made by a node of its own.

    Args:
        guider: The model and its prompts.
        latent: The size of a new picture, or the latent of one that is to be changed.
        sigmas: Noise levels to visit.
        seed: Where the random numbers begin.
        sampler: How a step is done.
    """
    return sample_(
        guider.model,
        positive=guider.positive,
        negative=guider.negative,
        latent=latent,
        sigmas=sigmas,
        seed=seed,
        guidance=guider.guidance,
        sampler=sampler,
    ).latent


@node(
    "sample/SampleSteps",
    title="Sample some steps",
    live=True,
    aliases=("advanced", "refiner", "handover", "KSamplerAdvanced"),
)
def sample_steps(
    model: Model,
    positive: Conditioning,
    latent: Latent,
    negative: Conditioning | None = None,
    seed: int = Seed(),
    steps: int = Slider(20, 1, 150),
    first: int = Number(0, 0, 10_000, step=1),
    last: int = Number(10_000, 0, 10_000, step=1),
    guidance: float = Slider(7.0, 0, 30, step=0.1),
    sampler: str = Choice(*SAMPLERS, default="euler", aliases=SAMPLER_ALIASES),
    schedule: str = Choice(*SCHEDULES, default="karras", aliases=SCHEDULE_ALIASES),
    add_noise: bool = True,
    keep_noise: bool = False,
) -> Latent:
    """Do some steps of a run, and hand over to another sampler: a base model and its refiner, or two prompts one after the other.

    Args:
        model: The denoising network.
        positive: What should be in the picture.
        latent: Where to begin: the size of a new picture, a picture's latent, or what the sampler before handed over.
        negative: What should not be in the picture. Needed unless guidance is 1.
        seed: Where the random numbers begin.
        steps: Steps of the whole run.
        first: The step to begin with; 0 is the first.
        last: The step to end before.
        guidance: How strictly the prompts are followed.
        sampler: How a step is done.
        schedule: How the noise levels are spread over the whole run.
        add_noise: Off for a latent that still has the noise of an earlier sampler.
        keep_noise: Hand over with the noise of the last step; off, that step goes to the end.
    """
    levels = schedule_(model, schedule=schedule, steps=steps).sigmas[first : last + 1]
    if len(levels) < 2:
        raise ValueRefused(
            f"There are no steps from {first} to {min(last, steps)} of {steps}.",
            socket="last",
            mend="End after the first.",
        )
    if not keep_noise and levels[-1] > 0:
        levels = (*levels[:-1], 0.0)
    noise = None
    if not add_noise:
        latent, noise = _as_it_is(model, latent, levels[0])
    return sample_(
        model,
        positive=positive,
        negative=negative,
        latent=latent,
        sigmas=Schedule(levels),
        noise=noise,
        seed=seed,
        guidance=guidance,
        sampler=sampler,
    ).latent


@node("model/Shift", aliases=("flow", "timestep", "ModelSamplingSD3", "ModelSamplingAuraFlow"))
def shift(model: Model, shift: float = Slider(3.0, 0.1, 20, step=0.1)) -> Model:
    """Spend more steps where there is much noise, which larger pictures need. For flow models (SD 3, Flux, Qwen-Image, Z-Image).

    Args:
        model: A flow model.
        shift: 1 spreads the steps evenly; more moves them towards the noise.
    """
    _require_flow(model)
    return model.with_options(shift=shift)


@node("model/ShiftForSize", title="Shift for size", aliases=("flow", "flux", "ModelSamplingFlux"))
def shift_for_size(
    model: Model,
    width: int = Number(1024, 16, 16384, step=8, unit="px"),
    height: int = Number(1024, 16, 16384, step=8, unit="px"),
    least: float = Slider(0.5, 0, 10, step=0.05),
    most: float = Slider(1.15, 0, 10, step=0.05),
) -> Model:
    """The shift that suits a picture's size, as Flux.1's authors choose it: from `least` at 256 x 256 to `most` at 1024 x 1024.

    Args:
        model: A flow model.
        width: Width of the picture.
        height: Height of the picture.
        least: Logarithm of the shift at 256 x 256 pixels.
        most: The same at 1024 x 1024.
    """
    _require_flow(model)
    tokens = width * height / 256
    return model.with_options(
        shift=FlowSchedule.from_config(
            {"use_dynamic_shifting": True, "base_shift": least, "max_shift": most}, round(tokens)
        ).shift
    )


@node("conditioning/DistilledGuidance", title="Distilled guidance", aliases=("flux", "cfg", "FluxGuidance"))
def distilled_guidance(conditioning: Conditioning, guidance: float = Slider(3.5, 0, 100, step=0.1)) -> Conditioning:
    """How strictly a prompt is followed by a model that takes this as an input (Flux.1 dev), in place of the sampler's own guidance.

    Args:
        conditioning: The prompt.
        guidance: The network was trained with values around 3.5.
    """
    return changed(conditioning, guidance=guidance)


def _require_flow(model: Model) -> None:
    if not isinstance(loaded(model).noise, FlowSchedule):
        raise ValueRefused(
            f"'{model.family}' is no flow model: its noise levels are not shifted.",
            socket="model",
            mend="Leave this node out.",
        )


def _as_it_is(model: Model, latent: Latent, sigma: float) -> tuple[Latent, Noise]:
    """A latent that a run begins with unchanged: what the run will scale by is divided out, and no noise is added."""
    network = loaded(model)
    alpha = network.prediction.process.alpha(sigma)
    tensor = tensor_for(network, latent)
    if alpha <= 0:
        raise ValueRefused(
            "A run that begins with pure noise needs noise.",
            socket="add_noise",
            mend="Turn it on, or begin with a later step.",
        )
    return replace(latent, tensor=tensor / alpha, blank=None), Noise(torch.zeros_like(tensor))
