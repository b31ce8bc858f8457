"""What a sampler begins with: noise, or a step of another run; the whole batch, or its items one by one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import torch

from studio.diffusion.digest import digest
from studio.diffusion.family import latents_of
from studio.diffusion.noise import SEEDS
from studio.diffusion.samplers import Sampler
from studio.diffusion.sampling import Sampling
from studio.diffusion.step import StepState
from studio.diffusion.trail import StepKey, StepKeys, first_key
from studio.sdk import Model, Trail, TrailPart, ValueRefused

_COUNTED_STEP_BY_STEP = frozenset({"adapters", "guidance"})
"""Options of a model that the denoiser itself says to depend on, at the steps at which they act."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of a batch that is sampled by itself. `item`: which one it is, where it is a single item; else None.

    With `start`, whose key and noise level are the last of `before`, the rest does not count.
    """

    latent: torch.Tensor
    item: int | None = None
    seed: int = 0
    noise: torch.Tensor | None = None
    start: StepState | None = None
    before: TrailPart | None = None

    def keys(self, sampling: Sampling, made_by: bytes) -> StepKeys:
        """The keys of the states from the beginning on. `made_by` as of `first_key`."""
        if self.before is not None:
            return StepKeys(sampling, self.before.keys[-1])
        batch = sampling.begin.latent.shape[0]
        return StepKeys(sampling, first_key(made_by, self.latent, sampling.sigmas[0], self.seed, self.noise, batch))

    def trail(self, sigmas: Sequence[float], keys: Sequence[StepKey]) -> TrailPart:
        """The whole way, given the noise levels and keys from the beginning on."""
        if self.before is None:
            return TrailPart(tuple(sigmas), tuple(keys))
        return TrailPart((*self.before.sigmas[:-1], *sigmas), (*self.before.keys[:-1], *keys))


def made_by(model: Model, code: str) -> bytes:
    """A digest of the weights behind a model, of how they are used, and of the code that samples."""
    options = {name: value for name, value in model.options.items() if name not in _COUNTED_STEP_BY_STEP}
    return digest(code, model.weights.key, json.dumps(options, sort_keys=True, default=_plain))


def _plain(option: object) -> object:
    """An option that is no plain data. One without a written form of its own counts by its address: its steps are not found again."""
    return option.value if isinstance(option, Enum) else repr(option)


def from_noise(latent: torch.Tensor, seed: int, noise: torch.Tensor | None, *, alone: bool) -> list[Part]:
    """The parts of a run that begins with noise: one, or with `alone` one for each item."""
    if not alone:
        return [Part(latent, seed=seed, noise=noise)]
    return [
        Part(one[None], at, (seed + at) % SEEDS, noise[at : at + 1] if noise is not None else None)
        for at, one in enumerate(latent.unbind())
    ]


def require_fit(
    trail: Trail, index: int, sampler: Sampler, sigmas: Sequence[float], family: str, latent: torch.Tensor
) -> None:
    """Raises `ValueRefused` where a run cannot begin after `index` steps of another."""
    if latents_of(trail.family) != latents_of(family):
        raise ValueRefused(
            f"That run was one of a '{trail.family}' model; this one is '{family}'.",
            socket="start",
            mend="Go on with a model of the same family, or with one that works on the same latents, as SDXL's refiner on SDXL's.",
        )
    if tuple(latent.shape[1:]) != trail.shape[1:] or len(latent) not in (1, trail.shape[0]):
        raise ValueRefused(
            f"That run's latents have the shape {_written(trail.shape)}, those here {_written(tuple(latent.shape))}.",
            socket="latent",
            mend="A branch is as large as what it branches off: give it the same latent.",
        )
    levels = sigmas if sampler.levels is None else sampler.levels(sigmas)
    done = min(len(part.keys) for part in trail.parts) - 1
    # A run may stop early, and leave the rest of the schedule to this one.
    last = done - 1 if sampler.adaptive else min(done, len(levels) - 2)
    if not 0 <= index <= last:
        raise ValueRefused(
            f"That run has {done} steps, this one {len(levels) - 1}: it cannot begin after step {index}.",
            socket="start_step",
            mend=f"Choose 0 to {last}.",
        )
    if not sampler.adaptive and any(part.sigmas[: index + 1] != tuple(levels[: index + 1]) for part in trail.parts):
        raise ValueRefused(
            f"The noise levels up to step {index} are not those of the run that it starts from.",
            socket="start_step",
            mend="Use the same steps, schedule and denoise as there.",
        )


def from_trail(trail: Trail, index: int, states: Sequence[StepState], parts: Sequence[Part]) -> list[Part]:
    """The parts of a run, each of them with the state of another run after `index` steps to begin with.

    `states`: one for each part of the trail. Where the parts here are single items of what was one there, each gets its own.
    """
    before = [TrailPart(part.sigmas[: index + 1], part.keys[: index + 1]) for part in trail.parts]
    if len(parts) == 1 or len(before) > 1:
        return [replace(part, start=state, before=way) for part, state, way in zip(parts, states, before, strict=True)]
    (state,), (way,) = states, before
    return [
        replace(
            part,
            start=_item(state, item),
            before=TrailPart(way.sigmas, tuple(digest("item", key, item) for key in way.keys)),
        )
        for item, part in enumerate(parts)
    ]


def _item(state: StepState, item: int) -> StepState:
    """One item of a batch, as if it had been sampled alone."""

    def pick(tensor: torch.Tensor) -> torch.Tensor:
        return tensor[item : item + 1].clone()

    rng = None if state.rng is None else pick(state.rng)
    memory = tuple(map(pick, state.memory))
    return replace(state, latent=pick(state.latent), denoised=pick(state.denoised), memory=memory, rng=rng)


def _written(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
