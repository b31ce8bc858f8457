"""Several conditionings in one picture: each in its window of the run and in its region, joined where they meet.

Predictions are averaged, each weighted by its strength and its region (as in MultiDiffusion, Bar-Tal et al. 2023, arXiv:2302.08113).
Where no region reaches, all that speak at this step count alike. A conditioning with an `area` sees that rectangle alone: what it
describes is composed into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import EllipsisType
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from studio.diffusion.digest import digest
from studio.diffusion.model import Conditioned, Steering
from studio.diffusion.timing import WHOLE_RUN, Curve, Window
from studio.graph.errors import ValueRefused

Box: TypeAlias = tuple[int, int, int, int]
"""(top, bottom, left, right) in latent pixels."""
Weight: TypeAlias = float | Tensor
"""One number, or (1 or batch, 1, ..., height, width) float32."""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in shares of the picture: where it begins from the left and from above, and its size. Raises ValueRefused for none."""

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        inside = 0 <= self.x < 1 and 0 <= self.y < 1 and self.width > 0 and self.height > 0
        if not inside:
            raise ValueRefused(
                f"An area at {self.x:g}, {self.y:g} of the size {self.width:g} x {self.height:g} lies outside of the picture.",
                socket="width",
                mend="All four are shares of the picture, from 0 to 1.",
            )

    def box(self, height: int, width: int, patch: int) -> Box:
        """The rectangle in a latent of that size, on the edges of the network's patches, at least one patch large."""
        left, right = _span(self.x, self.width, width, patch)
        top, bottom = _span(self.y, self.height, height, patch)
        return top, bottom, left, right


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A conditioning with its place in the run and in the picture."""

    conditioned: Conditioned
    window: Window = WHOLE_RUN
    strength: float = 1.0
    """Weight where several speak."""
    region: Tensor | None = None
    """(1 or batch, height, width) in 0 .. 1 at any size; None is the whole picture."""
    area: Area | None = None
    controls: tuple[Control, ...] = ()

    def digest(self) -> bytes:
        """Of all that counts at every step of its window; what steers it over time is asked of `controls`."""
        one = self.conditioned
        area = None if self.area is None else (self.area.x, self.area.y, self.area.width, self.area.height)
        return digest(one.embeds, one.pooled, one.mask, dict(one.extras), self.strength, self.region, area)


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """Something that steers the network beside the text: when, and how strongly."""

    steering: Steering
    strength: Curve = field(default_factory=lambda: Curve.level(1.0))
    window: Window = WHOLE_RUN

    def at(self, step: int, steps: int) -> float:
        """Strength at a step; 0 outside of its window."""
        return self.strength.at(step, steps) if self.window.holds(step, steps) else 0.0


Parts: TypeAlias = Conditioned | Sequence[Part]
"""One conditioning for the whole run and picture, or several parts."""


def parts_of(given: Parts) -> tuple[Part, ...]:
    """A plain conditioning as the one part that it is."""
    return (Part(given),) if isinstance(given, Conditioned) else tuple(given)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What is asked of the network at one step for one part: the conditioning with the controls that act now, where, and its weight."""

    conditioned: Conditioned
    box: Box | None
    weight: Weight


def entries_at(parts: Sequence[Part], step: int, steps: int, x: Tensor, patch: int) -> list[Entry]:
    """The parts that speak at a step."""
    found = []
    for part in parts:
        if not part.window.holds(step, steps):
            continue
        active = tuple(
            (control.steering, strength) for control in part.controls if (strength := control.at(step, steps))
        )
        height, width = x.shape[-2:]
        box = None if part.area is None else part.area.box(height, width, patch)
        weight: Weight = part.strength
        if part.region is not None:
            weight = part.strength * region_at(part.region, x)
        conditioned = replace(part.conditioned, steered=active) if active else part.conditioned
        found.append(Entry(conditioned, box, weight))
    return found


def region_at(region: Tensor, x: Tensor) -> Tensor:
    """A region at the size of a latent, each of its pixels the mean of what it covers: (1 or batch, 1, ..., height, width) on its device.

    Raises ValueRefused where the region's batch is neither 1 nor the latent's.
    """
    if region.shape[0] not in (1, x.shape[0]):
        raise ValueRefused(
            f"There are {region.shape[0]} masks for {x.shape[0]} latents.",
            socket="mask",
            mend="Give one mask for all, or one for each.",
        )
    small = F.interpolate(region[:, None].float(), x.shape[-2:], mode="area")
    return small.view(small.shape[0], *(1,) * (x.ndim - 3), *small.shape[-2:]).to(x.device)


def mixed(entries: Sequence[Entry], predictions: Sequence[Tensor], like: Tensor) -> Tensor:
    """The weighted mean of predictions, each of the size of its entry's box, over the whole of `like`."""
    if len(entries) == 1 and entries[0].box is None:
        return predictions[0]
    _require_whole([entry.box for entry in entries], *like.shape[-2:])
    total, plain = torch.zeros_like(like), torch.zeros_like(like)
    weights, count = torch.zeros_like(like[:, :1]), torch.zeros_like(like[:, :1])
    for entry, prediction in zip(entries, predictions, strict=True):
        weight = entry.weight if isinstance(entry.weight, Tensor) else like.new_full((1,) * like.ndim, entry.weight)
        weight = weight.expand(*weights.shape[:-2], *like.shape[-2:])
        where = _place(entry.box, like)
        total[where] += weight[where] * prediction
        weights[where] += weight[where]
        plain[where] += prediction
        count[where] += 1
    spoken = weights > 0
    meant = total / torch.where(spoken, weights, torch.ones_like(weights))
    return torch.where(spoken, meant, plain / count.clamp(min=1))


def cropped(conditioned: Conditioned, box: Box, height: int, width: int) -> Conditioned:
    """A conditioning whose hint pictures show the box alone, out of a latent of that height and width."""
    if not conditioned.steered:
        return conditioned
    steered = tuple((steering.cropped(box, height, width), strength) for steering, strength in conditioned.steered)
    return replace(conditioned, steered=steered)


def _require_whole(boxes: Sequence[Box | None], height: int, width: int) -> None:
    """Raises ValueRefused where a place is in no box: there the network would be asked nothing."""
    if None in boxes:
        return
    reached = torch.zeros(height, width, dtype=torch.bool)
    for box in boxes:
        reached[_place(box, reached)] = True
    if not reached.all():
        raise ValueRefused(
            "The areas of the conditionings leave a part of the picture without any.",
            socket="positive",
            mend="Combine them with a conditioning for the whole picture, the background.",
        )


def _place(box: Box | None, x: Tensor) -> tuple[EllipsisType, slice, slice]:
    top, bottom, left, right = box or (0, x.shape[-2], 0, x.shape[-1])
    return (..., slice(top, bottom), slice(left, right))


def _span(begin: float, size: float, edge: int, patch: int) -> tuple[int, int]:
    first = min(round(begin * edge / patch) * patch, edge - patch)
    last = min(max(round((begin + size) * edge / patch) * patch, first + patch), edge)
    return first, last
