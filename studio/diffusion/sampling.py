"""A whole run: noise on the latent, the denoiser put together, the sampler's states one after the other."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from studio.diffusion.denoise import EachShape, OneForward, spread_parts
from studio.diffusion.device import device_of
from studio.diffusion.guidance import Guidance, Guided
from studio.diffusion.masks import Inpainting, Masked
from studio.diffusion.model import Conditioned, LoadedModel
from studio.diffusion.noise import NoiseSource
from studio.diffusion.process import NoisingProcess
from studio.diffusion.regions import Parts, parts_of
from studio.diffusion.samplers import Sampler
from studio.diffusion.samplers import sampler as find_sampler
from studio.diffusion.step import DependingDenoiser, StepState
from studio.diffusion.step_cache import FirstBlockCache
from studio.graph.errors import ValueRefused

LARGEST_EDGE = 4096
"""Latent pixels along an edge; beyond it the size is taken for a slip of the hand."""


@dataclass(frozen=True, slots=True, eq=False)
class Sampling:
    """A run that is ready to begin. Made by `prepare`."""

    model: LoadedModel
    denoiser: DependingDenoiser
    sampler: Sampler
    sigmas: Sequence[float]
    begin: StepState
    """Before its first step; for a branch, the state that it starts from."""
    masked: Masked | None = None
    """What holds the end of the run to the mask, where only a part is made anew."""

    @property
    def levels(self) -> Sequence[float]:
        """The noise levels of the states from step 0 on; of a sampler that chooses its steps as it goes, only the ends are right."""
        return self.sigmas if self.sampler.levels is None else self.sampler.levels(self.sigmas)

    @property
    def resumable(self) -> bool:
        """Whether a state holds all that the next step needs. False with a step cache: what that remembers is in no state."""
        return not any(isinstance(one, FirstBlockCache) and one.remembers for one in self.model.adapters)

    def depends_at(self, step: int) -> bytes:
        """A digest of all that comes of a step besides x, sigma and the weights."""
        return (self.masked or self.denoiser).depends_at(step)

    def is_over(self, state: StepState) -> bool:
        """Whether this is the last state of the run."""
        return state.sigma <= self.sigmas[-1]

    def states(self, start: StepState | None = None) -> Generator[StepState, None, None]:
        """The states after each step from `begin` on, or from a later state of the same run. Closing the generator cancels the run.

        Raises ValueRefused at once for a state that is not on the schedule, and in a step whose result is not finite.
        """
        at = self.begin if start is None else _resumed(self.model, start, self.sigmas, self.sampler)
        function = self.sampler.for_model(self.model.noise)
        states = _run(function(self.denoiser, at, self.sigmas, self.model.prediction.process), self.sampler.name)
        return _adapted(states if self.masked is None else self.masked.finished(states), self.denoiser, self.model)


def sample(
    model: LoadedModel,
    positive: Parts | None,
    negative: Parts | None,
    latent: Tensor,
    sigmas: Sequence[float],
    *,
    sampler: str = "euler",
    guidance: float | Guidance = 7.0,
    seed: int = 0,
    noise: Tensor | None = None,
    start: StepState | None = None,
    inpainting: Inpainting | None = None,
) -> Generator[StepState, None, None]:
    """The states after each step of a run, with the arguments and errors of `prepare`, and those of `Sampling.states`."""
    return prepare(
        model,
        positive,
        negative,
        latent,
        sigmas,
        sampler=sampler,
        guidance=guidance,
        seed=seed,
        noise=noise,
        start=start,
        inpainting=inpainting,
    ).states()


def prepare(
    model: LoadedModel,
    positive: Parts | None,
    negative: Parts | None,
    latent: Tensor,
    sigmas: Sequence[float],
    *,
    sampler: str = "euler",
    guidance: float | Guidance = 7.0,
    seed: int = 0,
    noise: Tensor | None = None,
    start: StepState | None = None,
    inpainting: Inpainting | None = None,
) -> Sampling:
    """A run, before its first step. A stored state as `start` resumes another run, or branches off it.

    latent: (batch, channels, height, width) scaled latent; zeros for a picture from nothing. A batch of 1 becomes as large as the
    list of prompts. positive: may be None for a model that takes no prompt, which looks at neither `negative` nor `guidance`. sigmas:
    falling, the last 0, as `schedules.sigmas` makes them; work on an existing latent begins part of the way down. seed: of the first
    item, see `noise.py`; `noise` of the latent's shape replaces the initial noise, and the sampler's own noise still comes from the
    seed. With `start`, latent, seed and noise are not looked at, except as what `inpainting` keeps.

    Runs where the model's weights lie; states are float32 on that device. A resumed run equals the unbroken one bit for bit, as long
    as the sampler is the same; another sampler starts with an empty memory. Raises ValueRefused for inputs that do not fit.
    """
    check_sigmas(sigmas, model.prediction.process)
    chosen = find_sampler(sampler)
    guidance = guidance if isinstance(guidance, Guidance) else Guidance(guidance)
    if not model.family.takes_prompt:
        positive, negative, guidance = positive or Conditioned.nothing(), None, Guidance(1.0)
    if positive is None:
        raise ValueRefused(
            "This model is steered by a prompt, and there is none.",
            socket="positive",
            mend="Connect a prompt that was encoded with the text encoder of the same checkpoint.",
        )
    scale = guidance.scale_at(0, len(sigmas) - 1)
    if not math.isfinite(scale):
        raise ValueRefused("Guidance is not a finite number.", socket="guidance")
    lacks_negative = negative is None and guidance.neutral is None and guidance.needs_negative
    if lacks_negative and not model.family.takes_guidance(model):
        raise ValueRefused(
            f"Guidance {scale:g} needs a negative conditioning.",
            socket="negative",
            mend="Connect one (an empty prompt is fine), or set guidance to 1.",
        )
    parts = parts_of(positive)
    begin = (
        started(model, latent, sigmas, seed, noise, prompts=max(part.conditioned.prompts for part in parts))
        if start is None
        else _resumed(model, start, sigmas, chosen)
    )
    batch = begin.latent.shape[0]
    if chosen.adaptive and batch > 1:
        raise ValueRefused(
            f"'{sampler}' chooses the steps of each picture by itself and does one at a time, not {batch}.",
            socket="latent",
            mend="Run the items of the batch one by one.",
        )
    if guidance.neutral is not None:
        guidance = replace(guidance, neutral=spread_parts(guidance.neutral, batch, "negative"))
    against = None if negative is None else spread_parts(negative, batch, "negative")
    beside = None if inpainting is None else _beside(model, inpainting)
    denoiser = make_denoiser(model, spread_parts(parts, batch), against, guidance, sigmas, beside)
    if inpainting is None:
        return Sampling(model, denoiser, chosen, sigmas, begin)
    original = latent.detach().to(begin.latent).expand_as(begin.latent)
    drawn = NoiseSource.seeded(seed, batch).draw(original) if noise is None else noise.to(original)
    masked = Masked(denoiser, inpainting, original, drawn, sigmas, model.prediction.process)
    return Sampling(model, masked if beside is None else denoiser, chosen, sigmas, begin, masked)


def make_denoiser(
    model: LoadedModel,
    positive: Parts,
    negative: Parts | None,
    guidance: float | Guidance,
    sigmas: Sequence[float] = (),
    beside: Tensor | None = None,
) -> Guided:
    """The denoiser of a guided run; `beside`: further channels of the network's input.

    A network that takes guidance as an input gets it, and is not guided a second time.
    """
    guidance = guidance if isinstance(guidance, Guidance) else Guidance(guidance)
    if model.family.takes_guidance(model):
        forward = OneForward(model, guidance.scale_at(0, 1))
        guided = Guided(
            model,
            EachShape(forward, model.family.masks),
            positive,
            scale=replace(guidance, scale=1.0),
            beside=beside,
            sigmas=sigmas,
        )
        guided.taken = guidance
        guided.told.append(lambda step, steps: forward.take(guidance.scale_at(step, steps)))
        return guided
    predictor = EachShape(OneForward(model), model.family.masks)
    return Guided(model, predictor, positive, negative, guidance, sigmas=sigmas, beside=beside)


def _beside(model: LoadedModel, inpainting: Inpainting) -> Tensor | None:
    """The further channels, where the network takes them."""
    if inpainting.surroundings is None:
        return None
    beside = model.family.inpainting_channels(model, inpainting.mask, inpainting.surroundings)
    return beside if model.family.input_channels(model) == model.latents.channels + beside.shape[1] else None


def started(
    model: LoadedModel,
    latent: Tensor,
    sigmas: Sequence[float],
    seed: int,
    noise: Tensor | None = None,
    prompts: int = 1,
) -> StepState:
    """The state before the first step: alpha latent + sigma noise. Raises ValueRefused where latent or noise do not fit the model."""
    _check_latent(model, latent)
    clean = latent.detach().to(device_of(model.network), torch.float32)
    if clean.shape[0] == 1 and prompts > 1:
        clean = clean.expand(prompts, *clean.shape[1:])
    source = NoiseSource.seeded(seed, clean.shape[0])
    drawn = source.draw(clean)
    if noise is not None:
        if noise.shape != clean.shape:
            raise ValueRefused(
                f"The noise has the shape {tuple(noise.shape)}, the latent {tuple(clean.shape)}.", socket="noise"
            )
        drawn = noise.to(clean)
    x = model.prediction.process.alpha(sigmas[0]) * clean + sigmas[0] * drawn
    return StepState(0, sigmas[0], x, clean, rng=source.state)


def check_sigmas(sigmas: Sequence[float], process: NoisingProcess) -> None:
    """Raises ValueRefused unless sigmas are finite, fall all the way, end at 0 or above, and begin where the process knows them."""
    if len(sigmas) < 2:
        raise ValueRefused("A schedule needs at least one step.", socket="sigmas")
    if not all(math.isfinite(sigma) for sigma in sigmas) or sigmas[-1] < 0:
        raise ValueRefused("A schedule's sigmas must be finite and not negative.", socket="sigmas")
    if any(following >= sigma for sigma, following in pairwise(sigmas)):
        raise ValueRefused("A schedule's sigmas must fall from step to step.", socket="sigmas")
    if process.straight and sigmas[0] > 1:
        raise ValueRefused(
            f"The schedule begins at sigma {sigmas[0]:g}; for a flow model, 1 is pure noise.",
            socket="sigmas",
            mend="Make the schedule for this model.",
        )


def _check_latent(model: LoadedModel, latent: Tensor) -> None:
    wanted = model.latents.channels
    if latent.ndim < 3 or latent.shape[1] != wanted or 0 in latent.shape:
        raise ValueRefused(
            f"The latent has the shape {tuple(latent.shape)}; this model takes (batch, {wanted}, height, width).",
            socket="latent",
            mend="Make the latent with the VAE, or the empty latent, of the same checkpoint.",
        )
    if any(edge % model.latents.patch for edge in latent.shape[2:]):
        raise ValueRefused(
            f"The latent is {tuple(latent.shape[2:])} large; this model takes multiples of {model.latents.patch}.",
            socket="latent",
            mend=f"Choose edges of the picture that are multiples of {model.latents.patch * model.latents.factor} pixels.",
        )
    if max(latent.shape[2:]) > LARGEST_EDGE:
        raise ValueRefused(
            f"The latent is {tuple(latent.shape[2:])} large.",
            socket="latent",
            mend=f"At most {LARGEST_EDGE} along an edge.",
        )


def _resumed(model: LoadedModel, start: StepState, sigmas: Sequence[float], sampler: Sampler) -> StepState:
    """`start` on the model's device, without the memory of another sampler. Raises ValueRefused where it is not on this schedule."""
    if not sampler.passes(start, sigmas):
        raise ValueRefused(
            f"The stored state (step {start.index}, sigma {start.sigma:g}) is not on this schedule.",
            socket="start",
            mend="Resume with the schedule and the steps that the run was started with.",
        )
    device = device_of(model.network)
    memory = tuple(tensor.to(device) for tensor in start.memory) if start.sampler == sampler.name else ()
    return replace(start, latent=start.latent.to(device), denoised=start.denoised.to(device), memory=memory)


def _adapted(
    states: Iterator[StepState], denoiser: DependingDenoiser, model: LoadedModel
) -> Generator[StepState, None, None]:
    """The states, made while the model's adapters are attached to its network."""
    with ExitStack() as attached:
        before = list(denoiser.told)
        denoiser.told.extend(attached.enter_context(one.attached(model.network)) for one in model.adapters)
        try:
            yield from states
        finally:
            denoiser.told[:] = before


def _run(states: Iterator[StepState], sampler: str) -> Generator[StepState, None, None]:
    """The sampler's states, signed with its name, each found finite.

    On a GPU the finding is looked at one step later, so that the next step is already queued.
    """
    behind: tuple[Tensor, int] | None = None
    for state in states:
        found = torch.isfinite(state.latent).all(), state.index
        if found[0].is_cpu:
            _require(*found)
        else:
            if behind is not None:
                _require(*behind)
            behind = found
        yield replace(state, sampler=sampler)
    if behind is not None:
        _require(*behind)


def _require(finite: Tensor, step: int) -> None:
    if not finite:
        raise ValueRefused(
            f"The latent is not finite from step {step} on.",
            socket="latent",
            mend="Try a wider number format for the model (float32 or bfloat16), less guidance, or another file of the model.",
        )
