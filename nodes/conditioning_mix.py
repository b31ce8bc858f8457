"""Conditionings joined, placed in the picture and in the run."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from nodes.steered import changed, combined, each, window_of
from studio.diffusion.regions import Area
from studio.diffusion.timing import Window
from studio.sdk import Conditioning, Mask, Slider, ValueRefused, node


@node("conditioning/Combine", title="Combine conditionings", aliases=("add", "ConditioningCombine"))
def combine(first: Conditioning, second: Conditioning) -> Conditioning:
    """Follow two prompts at once. The model is asked for each, and goes between: each in its own region and window, where it has one.

    Args:
        first: A conditioning, or several that were combined.
        second: Another.
    """
    return combined([first, second])


@node("conditioning/Concat", title="Concat conditionings", aliases=("append", "ConditioningConcat"))
def concat(first: Conditioning, second: Conditioning) -> Conditioning:
    """Put the words of a second prompt behind those of the first, as one long prompt, each read by itself.

    Args:
        first: What comes first. Its window and region hold for the whole.
        second: What comes after it; of several that were combined, only the first is taken.
    """

    def join(name: str, one: Tensor, other: Tensor | None) -> Tensor:
        if other is None or name not in ("embeds", "mask"):
            return one
        _same_width(one, other)
        return torch.cat([one, _as_many(other, len(one))], dim=1)

    return _with_second(first, second, join)


@node("conditioning/Average", title="Average conditionings", aliases=("blend", "mix", "ConditioningAverage"))
def average(first: Conditioning, second: Conditioning, amount: float = Slider(0.5, 0, 1)) -> Conditioning:
    """Something between two prompts: their numbers are mixed before the model sees them.

    Args:
        first: A prompt. Its window and region hold for the whole.
        second: Another; of several that were combined, only the first is taken.
        amount: 0 is the first, 1 the second.
    """

    def mix(name: str, one: Tensor, other: Tensor | None) -> Tensor:
        if other is None or not one.is_floating_point():
            return one
        _same_width(one, other)
        other = _as_many(other, len(one))
        if one.ndim == 3:
            tokens = max(one.shape[1], other.shape[1])
            one, other = (F.pad(each, (0, 0, 0, tokens - each.shape[1])) for each in (one, other))
        return torch.lerp(one, other, amount)

    return _with_second(first, second, mix)


@node("conditioning/ZeroOut", title="Zero out conditioning", aliases=("empty", "negative", "ConditioningZeroOut"))
def zero_out(conditioning: Conditioning) -> Conditioning:
    """Nothing instead of words: all numbers of a prompt become zero. Some models were trained with that as their empty prompt.

    Args:
        conditioning: Gives the shape.
    """

    def nothing(name: str, tensor: Tensor) -> Tensor:
        return torch.zeros_like(tensor) if name in ("embeds", "pooled") else tensor

    parts = [
        Conditioning({name: nothing(name, tensor) for name, tensor in one.tensors.items()}, one.family, one.extra)
        for one in each(conditioning)
    ]
    return combined(parts)


@node(
    "conditioning/Window",
    title="Conditioning window",
    aliases=("timestep", "range", "schedule", "ConditioningSetTimestepRange"),
)
def window(
    conditioning: Conditioning, start: float = Slider(0.0, 0, 1), end: float = Slider(1.0, 0, 1)
) -> Conditioning:
    """Let a prompt speak during a part of the run only. Combine it with others, so that each step has one.

    Args:
        conditioning: One, or several that were combined.
        start: Where it begins, as a share of the run's steps.
        end: Where it ends.
    """
    wanted = Window(start, end)
    parts = []
    for one in each(conditioning):
        common = window_of(one).cut(wanted)
        if common is not None:
            parts.append(changed(one, window=[common.start, common.end]))
    if not parts:
        raise ValueRefused("In this window none of the combined conditionings speaks.", socket="start")
    return combined(parts)


@node(
    "conditioning/Area",
    title="Conditioning area",
    aliases=("region", "regional prompt", "ConditioningSetAreaPercentage"),
)
def area(
    conditioning: Conditioning,
    x: float = Slider(0.0, 0, 1),
    y: float = Slider(0.0, 0, 1),
    width: float = Slider(0.5, 0, 1),
    height: float = Slider(1.0, 0, 1),
    strength: float = Slider(1.0, 0, 10),
) -> Conditioning:
    """A prompt for a rectangle of the picture, composed into it. Combine it with others; together they have to reach everywhere.

    Args:
        conditioning: What should be there.
        x: Left edge, as a share of the picture.
        y: Upper edge.
        width: Width of the rectangle.
        height: Height of the rectangle.
        strength: How much it counts where others speak too.
    """
    placed = Area(x, y, width, height)
    return changed(conditioning, area=[placed.x, placed.y, placed.width, placed.height], strength=strength)


@node("conditioning/Region", title="Conditioning region", aliases=("mask", "regional prompt", "ConditioningSetMask"))
def region(conditioning: Conditioning, mask: Mask, strength: float = Slider(1.0, 0, 10)) -> Conditioning:
    """A prompt for the inside of a mask. Combine it with others; soft edges mix them.

    The model looks at the whole picture for it, and what it says counts inside of the mask.

    Args:
        conditioning: What should be there.
        mask: Where; of any size, it is fitted to the picture.
        strength: How much it counts where others speak too.
    """
    if not mask.values.any():
        raise ValueRefused("The mask is empty: nothing is inside.", socket="mask", mend="Paint a region, or invert it.")
    return changed(conditioning, region=mask, strength=strength)


def _with_second(
    first: Conditioning, second: Conditioning, change: Callable[[str, Tensor, Tensor | None], Tensor]
) -> Conditioning:
    """Each part of the first, its tensors changed by the second's of the same name."""
    if first.family != second.family:
        raise ValueRefused(
            f"One conditioning is for '{first.family}', the other for '{second.family}'.",
            socket="second",
            mend="Encode both with the text encoder of the same checkpoint.",
        )
    parts = []
    for one in each(first):
        tensors = {name: change(name, tensor, second.tensors.get(name)) for name, tensor in one.tensors.items()}
        parts.append(Conditioning(tensors, one.family, one.extra))
    return combined(parts)


def _same_width(one: Tensor, other: Tensor) -> None:
    if one.ndim > 1 and one.shape[-1] != other.shape[-1] and one.is_floating_point():
        raise ValueRefused(
            f"The conditionings are {one.shape[-1]} and {other.shape[-1]} wide.",
            socket="second",
            mend="Encode both with the text encoder of the same checkpoint.",
        )


def _as_many(tensor: Tensor, prompts: int) -> Tensor:
    if tensor.shape[0] not in (1, prompts):
        raise ValueRefused(
            f"There are {prompts} prompts in the first and {tensor.shape[0]} in the second.", socket="second"
        )
    return tensor.expand(prompts, *tensor.shape[1:])
