"""From a family's network to predictions: every conditioning of a step in one forward.

Layers, from the inside out: a `Predictor` (model input, time, conditionings) -> one raw prediction each; guidance makes one of
them (`guidance.py`); a `Denoiser` (x, sigma) -> x0 is what samplers see. ControlNets, regions, windows and caches wrap a
predictor, what acts on the predicted x0 wraps a denoiser. No family knows of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from studio.diffusion.device import device_of, dtype_of
from studio.diffusion.model import Conditioned, LoadedModel
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

    @torch.no_grad()
    def __call__(self, x: Tensor, time: float, conditionings: Sequence[Conditioned]) -> Sequence[Tensor]:
        joined = self._join(conditionings, x.shape[0])
        batch = torch.cat([x] * len(conditionings)) if len(conditionings) > 1 else x
        output = self._model.family.call(self._model, batch, time, joined, self._guidance)
        return output.chunk(len(conditionings))

    def _join(self, conditionings: Sequence[Conditioned], batch: int) -> Conditioned:
        same = len(conditionings) == len(self._conditionings) and all(
            new is old for new, old in zip(conditionings, self._conditionings, strict=True)
        )
        if self._joined is None or not same or batch != self._batch:
            network, masks = self._model.network, self._model.family.masks
            even = evened(conditionings) if masks else conditionings
            self._joined = join([spread(one, batch) for one in even], device_of(network), dtype_of(network))
            self._conditionings, self._batch = tuple(conditionings), batch
        return self._joined


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
