"""A second model for the last steps: where the first one stops, and what the second is told."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch

from nodes.steered import combined, each
from studio.diffusion.families.sdxl_refiner import AESTHETIC_SCORE, BEAUTIFUL
from studio.diffusion.families.sdxl_refiner import FAMILY as REFINER
from studio.sdk import Conditioning, Number, Schedule, Slider, ValueRefused, node


class Halves(NamedTuple):
    first: Schedule
    rest: Schedule


@node("sample/SplitSchedule", title="Split schedule", aliases=("SplitSigmas", "sigmas", "refiner", "handover"))
def split(schedule: Schedule, step: int = Number(10, 0, 10_000, step=1)) -> Halves:
    """The noise levels before and after a step: one sampler makes the beginning of a picture, another goes on.

    To hand a picture over, as SDXL does to its refiner, give the first part to a sampler, and the whole schedule to the one that goes on,
    with the first one's trail as its start and the same step as its start step.

    Args:
        schedule: The whole way.
        step: After so many steps it is cut.

    Returns:
        first: Up to the step. What it ends with still has noise in it.
        rest: From the step on.
    """
    if not 1 <= step < schedule.steps:
        raise ValueRefused(
            f"A schedule of {schedule.steps} steps cannot be cut after step {step}.",
            socket="step",
            mend=f"Choose 1 to {schedule.steps - 1}." if schedule.steps > 1 else "Make a schedule of more steps.",
        )
    return Halves(Schedule(schedule.sigmas[: step + 1]), Schedule(schedule.sigmas[step:]))


@node(
    "conditioning/AestheticScore", title="Aesthetic score", aliases=("refiner", "ascore", "CLIPTextEncodeSDXLRefiner")
)
def aesthetic_score(conditioning: Conditioning, score: float = Slider(BEAUTIFUL, 0, 10, step=0.1)) -> Conditioning:
    """Tell SDXL's refiner how beautiful the picture should be. Its authors take 6 for the prompt and 2.5 for the negative one.

    Args:
        conditioning: A prompt that the refiner's text encoder has read.
        score: From 0 to 10, as people rated the pictures that the refiner learnt from. Without this node it is 6.
    """
    if conditioning.family != REFINER.name:
        raise ValueRefused(
            f"Models of the family '{conditioning.family}' are told no score.",
            socket="conditioning",
            mend="Encode the prompt with the text encoder of SDXL's refiner.",
        )
    parts = []
    for one in each(conditioning):
        scores = torch.full((one.tensors["embeds"].shape[0], 1), score)
        parts.append(replace(one, tensors={**one.tensors, f"extras.{AESTHETIC_SCORE}": scores}))
    return combined(parts)
