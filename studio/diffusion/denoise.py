"""From a family's network to predictions: every conditioning of a step in one forward.

Layers, from the inside out: a `Predictor` (model input, time, conditionings) -> one raw prediction each, where what steers the network
beside the text rides on the conditionings (`control.py`); guidance asks it for the parts of the picture that speak at a step
(`regions.py`) and makes one prediction of theirs (`guidance.py`); a `Denoiser` (x, sigma) -> x0 is what samplers see. Caches wrap a
predictor, masks wrap a denoiser, LoRAs are attached to the network for the length of a run. No family knows of any of them.

A denoiser says with `depends_at(step)` what its answers at that step depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from studio.diffusion.control import steering
from studio.diffusion.device import device_of, dtype_of
from studio.diffusion.model import Conditioned, LoadedModel
from studio.diffusion.regions import Part, Parts, parts_of
from studio.graph.errors import ValueRefused

Predictor: TypeAlias = Callable[[Tensor, float, Sequence[Conditioned]], Sequence[Tensor]]
"""(model input, model time, conditionings) -> the network's raw output for each of them, in their order, each of the input's shape."""


class OneForward:
    """The predictor that every other one wraps: all conditionings as one batch, in their order.

    The joined conditionings are kept while the same ones are asked for, which is all through a run.
    """

    def __init__(self, model: LoadedModel, guidance: float | None = None) -> None:
        self._model = model
        self._guidance = guidance
        self._conditionings: Sequence[Conditioned] = ()
        self._batch = 0
        self._joined: Conditioned | None = None

    def take(self, guidance: float) -> None:
        """Guidance as an input of the network, from now on."""
        self._guidance = guidance

    @torch.no_grad()
    def __call__(self, x: Tensor, time: float, conditionings: Sequence[Conditioned]) -> Sequence[Tensor]:
        joined = self._join(conditionings, x.shape[0])
        batch = torch.cat([x] * len(conditionings)) if len(conditionings) > 1 else x
        with steering(self._model.network, [one.steered for one in conditionings], x.shape[0]):
            output = self._model.family.call(self._model, batch, time, joined, self._guidance)
        return output.chunk(len(conditionings))

    def _join(self, conditionings: Sequence[Conditioned], batch: int) -> Conditioned:
        same = len(conditionings) == len(self._conditionings) and all(
            _same_text(new, old) for new, old in zip(conditionings, self._conditionings, strict=True)
        )
        if self._joined is None or not same or batch != self._batch:
            network, masks = self._model.network, self._model.family.masks
            even = evened(conditionings) if masks else conditionings
            self._joined = join([spread(one, batch) for one in even], device_of(network), dtype_of(network))
            self._conditionings, self._batch = tuple(conditionings), batch
        return self._joined


class EachShape:
    """Conditionings of one shape in one call of the predictor inside; those of another in a call of their own.

    Another length is another shape only where the family does not hide padding behind a mask.
    """

    def __init__(self, predictor: Predictor, masks: bool = False) -> None:
        self._predictor = predictor
        self._masks = masks

    def __call__(self, x: Tensor, time: float, conditionings: Sequence[Conditioned]) -> Sequence[Tensor]:
        alike: dict[tuple[object, ...], list[int]] = {}
        for place, one in enumerate(conditionings):
            alike.setdefault(_shape(one, self._masks), []).append(place)
        if len(alike) == 1:
            return self._predictor(x, time, conditionings)
        found: dict[int, Tensor] = {}
        for places in alike.values():
            answers = self._predictor(x, time, [conditionings[place] for place in places])
            found.update(zip(places, answers, strict=True))
        return [found[place] for place in range(len(conditionings))]


def spread_parts(parts: Parts, batch: int, socket: str = "positive") -> tuple[Part, ...]:
    """`spread` for each of several parts."""
    return tuple(replace(part, conditioned=spread(part.conditioned, batch, socket)) for part in parts_of(parts))


def item_of(parts: Parts, at: int, batch: int, socket: str = "positive") -> tuple[Part, ...]:
    """What item `at` of a batch follows, as a batch of one."""
    found = []
    for part in spread_parts(parts, batch, socket):
        region = part.region if part.region is None or len(part.region) == 1 else part.region[at : at + 1]
        found.append(replace(part, conditioned=part.conditioned.item(at), region=region))
    return tuple(found)


def spread(conditioned: Conditioned, batch: int, socket: str = "positive") -> Conditioned:
    """One prompt for every item of the batch: a single prompt serves all, several take equal shares in their order.

    Raises ValueRefused where the batch is not a multiple of the prompts.
    """
    if conditioned.prompts == batch:
        return conditioned
    if batch % conditioned.prompts:
        raise ValueRefused(
            f"{conditioned.prompts} prompts do not share a batch of {batch} evenly.",
            socket=socket,
            mend=f"Make the batch {conditioned.prompts}, or a multiple of it.",
        )
    share = batch // conditioned.prompts

    def repeat(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.repeat_interleave(share, dim=0)

    return Conditioned(
        conditioned.embeds.repeat_interleave(share, dim=0),
        repeat(conditioned.pooled),
        repeat(conditioned.mask),
        {name: tensor.repeat_interleave(share, dim=0) for name, tensor in conditioned.extras.items()},
    )


def evened(conditionings: Sequence[Conditioned]) -> Sequence[Conditioned]:
    """The same with one length for all: shorter ones are padded with zeros, which masks hide.

    Without a mask every token counts; where all are of one length and none has a mask, none is made.
    """
    longest = max(one.embeds.shape[1] for one in conditionings)
    if all(one.mask is None and one.embeds.shape[1] == longest for one in conditionings):
        return conditionings
    padded = []
    for one in conditionings:
        mask = one.mask if one.mask is not None else one.embeds.new_ones(one.embeds.shape[:2], dtype=torch.int64)
        missing = longest - one.embeds.shape[1]
        padded.append(replace(one, embeds=F.pad(one.embeds, (0, 0, 0, missing)), mask=F.pad(mask, (0, missing))))
    return padded


def _same_text(new: Conditioned, old: Conditioned) -> bool:
    """Whether both hold the very same tensors; what steers beside them may differ."""
    texts = [(one.embeds, one.pooled, one.mask, one.extras) for one in (new, old)]
    return all(first is second for first, second in zip(*texts, strict=True))


def _shape(conditioned: Conditioned, masks: bool) -> tuple[object, ...]:
    named = {"pooled": conditioned.pooled, **conditioned.extras}
    if not masks:
        named["mask"] = conditioned.mask
    shapes = [(name, tensor.shape[1:]) for name, tensor in sorted(named.items()) if tensor is not None]
    return conditioned.embeds.shape[2 if masks else 1 :], *shapes


def join(conditionings: Sequence[Conditioned], device: torch.device, dtype: torch.dtype) -> Conditioned:
    """Several conditionings as one batch on a device; floating-point tensors in `dtype`.

    Raises ValueRefused where they do not fit together: made by text encoders of different families, or of different length.
    """
    first = conditionings[0]
    for other in conditionings[1:]:
        if other.embeds.shape[1:] != first.embeds.shape[1:] or other.extras.keys() != first.extras.keys():
            raise ValueRefused(
                f"Two conditionings differ in (tokens, width): {tuple(first.embeds.shape[1:])} and {tuple(other.embeds.shape[1:])}.",
                socket="negative",
                mend="Encode both with the text encoder of the same checkpoint.",
            )

    def together(tensors: Sequence[Tensor | None]) -> Tensor | None:
        there = [tensor for tensor in tensors if tensor is not None]
        if not there:
            return None
        if len(there) < len(tensors):
            raise ValueRefused(
                "Two conditionings do not fit together: one lacks what the other has.", socket="negative"
            )
        joined = torch.cat(there) if len(there) > 1 else there[0]
        return joined.to(device, dtype if joined.is_floating_point() else None)

    embeds = together([one.embeds for one in conditionings])
    assert embeds is not None
    extras = {}
    for name in first.extras:
        tensor = together([one.extras[name] for one in conditionings])
        assert tensor is not None
        extras[name] = tensor
    return Conditioned(
        embeds, together([one.pooled for one in conditionings]), together([one.mask for one in conditionings]), extras
    )
