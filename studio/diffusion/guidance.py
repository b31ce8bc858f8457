"""Guidance: from the predictions for several conditionings to the one that is followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from studio.diffusion.denoise import Predictor
from studio.diffusion.digest import digest
from studio.diffusion.model import LoadedModel
from studio.diffusion.regions import Entry, Part, Parts, cropped, entries_at, mixed, parts_of
from studio.diffusion.timing import WHOLE_RUN, Curve, Window, step_at
from studio.graph.errors import ValueRefused


class Weakening(Protocol):
    """A way to make a network answer worse, which guidance then leads away from."""

    def weakened(self, network: nn.Module) -> AbstractContextManager[None]:
        """Within the block the network answers worse; afterwards it is what it was."""

    def digest(self) -> bytes:
        """Of all that its answers depend on."""


@dataclass(frozen=True, slots=True, eq=False)
class AwayFromWeak:
    """Guidance away from what a weakened network predicts: prediction + scale (positive - weak)."""

    weakening: Weakening
    scale: float
    window: Window = WHOLE_RUN


@dataclass(frozen=True, slots=True, eq=False)
class Guidance:
    """How the predictions become one. Plain classifier-free guidance unless said otherwise."""

    scale: float | Curve = 7.0
    """How far from negative to positive; 1 follows the positive alone."""
    rescale: float = 0.0
    """Share of the guided prediction that gets the positive's spread (Lin et al. 2023, arXiv:2305.08891, section 3.4), 0 .. 1."""
    method: Literal["plain", "projected", "optimized"] = "plain"
    """`projected`: adaptive projected guidance (Sadat et al. 2024, arXiv:2410.02416), in x0 and without its momentum, which would be
    one more thing to remember between steps. `optimized`: CFG-Zero* (Fan et al. 2025, arXiv:2503.18886)."""
    parallel: float = 0.0
    """Of `projected`: share of the guidance along the positive's own prediction that is kept; 1 is plain."""
    longest: float = 0.0
    """Of `projected`: the guidance of an item is shortened to this length; 0 is no bound."""
    still: int = 0
    """Of `optimized`: steps at the beginning whose prediction is zero."""
    neutral: Parts | None = None
    """An empty prompt, from which positive and negative are counted apart; None counts the positive from the negative."""
    negative_scale: float = 1.0
    """With `neutral`: how far away from the negative."""
    weak: tuple[AwayFromWeak, ...] = ()

    def scale_at(self, step: int, steps: int) -> float:
        """The scale at a step."""
        return self.scale.at(step, steps) if isinstance(self.scale, Curve) else self.scale

    @property
    def needs_negative(self) -> bool:
        """Whether there is a step that goes beyond the positive alone."""
        scales = [value for _, value in self.scale.points] if isinstance(self.scale, Curve) else [self.scale]
        return any(scale != 1 for scale in scales)

    def depends_at(self, step: int, steps: int) -> bytes:
        """A digest of all that the joining at a step depends on; of the conditionings only that of `neutral`."""
        still = self.method == "optimized" and step < self.still
        neutral = None if self.neutral is None else [part.digest() for part in parts_of(self.neutral)]
        weak = [(one.weakening.digest(), one.scale) for one in self.weak if one.window.holds(step, steps)]
        scales = self.scale_at(step, steps), self.rescale, self.parallel, self.longest, self.negative_scale
        return digest(self.method, still, neutral, weak, scales)


Many: TypeAlias = Sequence[Part]


class Guided:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598) as a denoiser.

    prediction = negative + scale (positive - negative), in what the network predicts, both from one forward in the order
    (negative, positive), as diffusers does it; a family may have a rule of its own (`Family.guide`). Without a
    negative, or with scale 1, only the positive is evaluated. `sigmas` is the run's schedule, by which windows and curves find their
    step; without it everything is at the first step of one.
    `beside`: (1 or batch, channels, ...) further channels of the network's input.

    A positive's controls steer the negative too, unless that has some of its own: what comes from a control is then the same on
    both sides, and not guided.
    """

    def __init__(
        self,
        model: LoadedModel,
        predictor: Predictor,
        positive: Parts,
        negative: Parts | None = None,
        scale: float | Guidance = 1.0,
        *,
        sigmas: Sequence[float] = (),
        beside: Tensor | None = None,
    ) -> None:
        self._model = model
        self._predictor = predictor
        self._guidance = scale if isinstance(scale, Guidance) else Guidance(scale)
        self._positive = parts_of(positive)
        self._negative = () if negative is None else parts_of(negative)
        self._neutral = () if self._guidance.neutral is None else parts_of(self._guidance.neutral)
        self._sigmas = tuple(sigmas)
        self._beside = beside
        silent = [
            step for step in range(self.steps) if not any(p.window.holds(step, self.steps) for p in self._positive)
        ]
        if silent:
            raise ValueRefused(
                f"No conditioning speaks in step {silent[0] + 1} of {self.steps}.",
                socket="positive",
                mend="Make the windows of the combined conditionings meet, or add one for the whole run.",
            )
        self._digests: dict[int, bytes] = {}
        self.taken: Guidance | None = None
        """Guidance that the network takes as an input."""
        self.told: list[Callable[[int, int], None]] = []
        """Who hears (step, steps) before each forward: the adapters that are attached to the network."""

    @property
    def steps(self) -> int:
        """Steps of the run."""
        return max(len(self._sigmas) - 1, 1)

    @torch.no_grad()
    def prediction(self, model_input: Tensor, time: float, step: int = 0) -> Tensor:
        """The guided raw prediction at an input and a time as the network takes them. Adaptive projection acts on it as it is."""
        sides = self._sides(model_input, time, step)
        return self._joined(sides, step)

    @torch.no_grad()
    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        model = self._model
        step = step_at(self._sigmas, sigma)
        sides = self._sides(model.prediction.model_input(x, sigma), model.noise.model_time(sigma), step)
        if self._guidance.method == "projected":
            return self._joined([model.prediction.denoised(x, sigma, side) for side in sides], step)
        return model.prediction.denoised(x, sigma, self._joined(sides, step))

    def depends_at(self, step: int) -> bytes:
        """A digest of all that predictions at a step depend on, beside x, sigma and the weights."""
        steps, scale = self.steps, self._guidance.scale_at(step, self.steps)
        positive, negative = self._spoken(self._positive, step), self._spoken(self._negative, step)
        if scale == 1 and not self._neutral:
            negative = []
        adapters = [said for adapter in self._model.adapters if (said := adapter.depends_at(step, steps))]
        taken = None if self.taken is None else float(self.taken.scale_at(step, steps))
        return digest(positive, negative, self._guidance.depends_at(step, steps), taken, adapters, self._beside)

    def _spoken(self, parts: Many, step: int) -> list[tuple[bytes, list[tuple[bytes, float]]]]:
        steps = self.steps
        return [
            (
                self._digest_of(part),
                [(one.steering.digest(), one.at(step, steps)) for one in part.controls if one.at(step, steps)],
            )
            for part in parts
            if part.window.holds(step, steps)
        ]

    def _digest_of(self, part: Part) -> bytes:
        if id(part) not in self._digests:
            self._digests[id(part)] = part.digest()
        return self._digests[id(part)]

    def _sides(self, x: Tensor, time: float, step: int) -> list[Tensor]:
        """The raw predictions (neutral, negative, positive, weak ...), each left out where it does not count at this step."""
        steps, patch = self.steps, self._model.latents.patch
        for tell in self.told:
            tell(step, steps)
        scale = self._guidance.scale_at(step, steps)
        positive = entries_at(self._positive, step, steps, x, patch)
        others: list[list[Entry]] = []
        if scale != 1 or self._neutral:
            for parts in (self._neutral, self._negative):
                found = entries_at(parts, step, steps, x, patch)
                if found:
                    others.append(_steered_alike(found, positive))
        sides = self._predicted([*others, positive], x, time)
        for one in self._guidance.weak:
            if one.window.holds(step, steps):
                with one.weakening.weakened(self._model.network):
                    sides += self._predicted([positive], x, time)
        return sides

    def _predicted(self, sides: Sequence[Sequence[Entry]], x: Tensor, time: float) -> list[Tensor]:
        """One prediction a side. Entries that see the same box are asked in one call, in their order."""
        entries = [entry for side in sides for entry in side]
        whole = (
            x
            if self._beside is None
            else torch.cat([x, self._beside.to(x).expand(len(x), *self._beside.shape[1:])], dim=1)
        )
        height, width = x.shape[-2:]
        answers: dict[int, Tensor] = {}
        for box in dict.fromkeys(entry.box for entry in entries):
            places = [place for place, entry in enumerate(entries) if entry.box == box]
            if box is None:
                asked, seen = [entries[place].conditioned for place in places], whole
            else:
                asked = [cropped(entries[place].conditioned, box, height, width) for place in places]
                seen = whole[..., box[0] : box[1], box[2] : box[3]]
            answers.update(zip(places, self._predictor(seen, time, asked), strict=True))
        found, begin = [], 0
        for side in sides:
            found.append(mixed(side, [answers[begin + place] for place in range(len(side))], x))
            begin += len(side)
        return found

    def _joined(self, sides: list[Tensor], step: int) -> Tensor:
        guidance, steps = self._guidance, self.steps
        weak = [one for one in guidance.weak if one.window.holds(step, steps)]
        worse = sides[len(sides) - len(weak) :]
        *others, positive = sides[: len(sides) - len(weak)]
        scale = guidance.scale_at(step, steps)
        if guidance.method == "optimized" and step < guidance.still:
            return torch.zeros_like(positive)
        if not others:
            followed = positive
        elif self._neutral and len(others) == 2:
            neutral, negative = others
            followed = neutral + scale * (positive - neutral) - guidance.negative_scale * (negative - neutral)
        else:
            negative = others[-1]
            if guidance.method == "projected":
                followed = positive + (scale - 1) * _projected(positive, negative, guidance.parallel, guidance.longest)
            else:
                if guidance.method == "optimized":
                    negative = _optimal(positive, negative) * negative
                followed = self._model.family.guide(self._model, negative, positive, scale)
        for one, prediction in zip(weak, worse, strict=True):
            followed = followed + one.scale * (positive - prediction)
        return _rescaled(followed, positive, guidance.rescale) if guidance.rescale else followed


def _steered_alike(entries: list[Entry], positive: Sequence[Entry]) -> list[Entry]:
    """Entries that have no controls get the positive's. Where the positive's parts differ in theirs, each kind has an entry of its own."""
    if any(entry.conditioned.steered for entry in entries):
        return entries
    kinds = list(dict.fromkeys(entry.conditioned.steered for entry in positive))
    if kinds == [()]:
        return entries
    found = []
    for entry in entries:
        for kind in kinds:
            conditioned = replace(entry.conditioned, steered=kind)
            if len(kinds) == 1:
                found.append(replace(entry, conditioned=conditioned))
                continue
            found.extend(
                Entry(conditioned, one.box, one.weight * entry.weight)
                for one in positive
                if one.conditioned.steered == kind
            )
    return found


def _rescaled(guided: Tensor, positive: Tensor, amount: float) -> Tensor:
    """With the positive's standard deviation, mixed into the guided prediction by `amount`."""
    dims = list(range(1, guided.ndim))
    ratio = positive.std(dim=dims, keepdim=True) / guided.std(dim=dims, keepdim=True)
    return amount * (guided * ratio) + (1 - amount) * guided


def _projected(positive: Tensor, negative: Tensor, parallel: float, longest: float) -> Tensor:
    """The guidance direction in x0, shortened, with only a share of what lies along the positive (arXiv:2410.02416, algorithm 1)."""
    dims = list(range(1, positive.ndim))
    update = positive - negative
    if longest > 0:
        length = update.norm(p=2, dim=dims, keepdim=True)
        update = update * (longest / length.clamp(min=1e-12)).clamp(max=1)
    wide, along = update.double(), positive.double()
    along = along / along.norm(p=2, dim=dims, keepdim=True).clamp(min=1e-12)
    straight = (wide * along).sum(dim=dims, keepdim=True) * along
    kept: Tensor = wide - straight + parallel * straight
    return kept.to(update.dtype)


def _optimal(positive: Tensor, negative: Tensor) -> Tensor:
    """The factor on the negative that brings it closest to the positive (arXiv:2503.18886, equation 8)."""
    dims = list(range(1, positive.ndim))
    inner = (positive * negative).sum(dim=dims, keepdim=True)
    factor: Tensor = inner / ((negative**2).sum(dim=dims, keepdim=True) + 1e-8)
    return factor
