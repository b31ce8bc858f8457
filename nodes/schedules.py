"""Schedules of one's own: noise levels from numbers, from a drawn curve, from a table of betas."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from studio.diffusion.noise_schedule import BetaSchedule
from studio.diffusion.schedules import MOST_STEPS, SPACINGS, drawn, sigmas
from studio.sdk import (
    Choice,
    Curve,
    CurveEditor,
    Model,
    Number,
    Schedule,
    TextArea,
    ValueRefused,
    When,
    node,
    running,
)


@node(
    "sample/WrittenSchedule", title="Noise levels from numbers", aliases=("sigmas", "manual", "custom", "ManualSigmas")
)
def written(numbers: str = TextArea("14.6, 6.5, 3.9, 2.7, 1.9, 1.4, 0.96, 0.65, 0.4, 0.15, 0", lines=3)) -> Schedule:
    """The noise levels that a run visits, written one by one.

    They fall from the first to the last, which is 0 where the picture is to be finished: one step fewer than there are numbers. Models
    of the Stable Diffusion kind begin near 15, flow models at 1.

    Args:
        numbers: The levels, between commas, spaces or line breaks.
    """
    words = numbers.replace(",", " ").replace(";", " ").split()
    if len(words) > MOST_STEPS + 1:
        raise ValueRefused(
            f"{len(words)} noise levels are too many.", socket="numbers", mend=f"At most {MOST_STEPS + 1}."
        )
    levels: list[float] = []
    for at, word in enumerate(words):
        try:
            levels.append(float(word))
        except ValueError:
            raise ValueRefused(f"Number {at + 1}, '{word}', is none.", socket="numbers") from None
    for at, (earlier, later) in enumerate(pairwise(levels)):
        if later >= earlier:
            raise ValueRefused(
                f"Number {at + 2}, {later:g}, is not below {earlier:g} before it.",
                socket="numbers",
                mend="Noise levels fall from step to step.",
            )
    try:
        return Schedule(tuple(levels))
    except ValueRefused as refused:
        raise ValueRefused(refused.what, socket="numbers", mend="Write at least two numbers, such as 1 0.") from refused


@node("sample/DrawnSchedule", title="Noise levels from a curve", aliases=("sigmas", "spline", "custom", "drawn"))
def from_curve(
    model: Model,
    curve: Curve = CurveEditor("0 1, 0.35 0.6, 0.7 0.2, 1 0"),
    steps: int = Number(20, 1, MOST_STEPS, step=1),
) -> Schedule:
    """The noise levels that a run visits, drawn by hand.

    From left to right are the steps. The top is the most noise that the model knows, the bottom the least, in even training timesteps:
    a straight line from corner to corner is the schedule `normal`. Where the curve is flat, steps are small.

    Args:
        model: Whose noise levels they are.
        curve: How much noise is left; it falls all the way.
        steps: How many steps.
    """
    noise = running().use(model.weights).noise
    try:
        return Schedule(drawn(noise, [curve.at(step / max(steps - 1, 1)) for step in range(steps)]))
    except ValueRefused as refused:
        raise ValueRefused(refused.what, socket="curve", mend=refused.mend) from refused


@node("sample/BetaSchedule", title="Noise levels from betas", aliases=("sigmas", "cosine", "linear", "betas", "ddpm"))
def from_betas(
    betas: Literal["linear", "scaled_linear", "cosine"] = "linear",
    start: float = Number(0.0001, 1e-6, 0.5, step=0.0001, when=When("betas", "linear", "scaled_linear")),
    end: float = Number(0.02, 1e-6, 0.999, step=0.0001, when=When("betas", "linear", "scaled_linear")),
    timesteps: int = Number(1000, 10, MOST_STEPS, step=1, advanced=True),
    schedule: str = Choice(*SPACINGS, default="trailing"),
    steps: int = Number(20, 1, MOST_STEPS, step=1),
) -> Schedule:
    """The noise levels of a table of betas, whatever a model was trained with.

    Beta t is the share of noise that the DDPM forward process puts on between timestep t - 1 and t (Ho et al. 2020); the cosine table is
    that of Nichol and Dhariwal 2021.

    Args:
        betas: How they rise over the timesteps: in even steps, their square roots in even steps (Stable Diffusion), or so that the
            picture fades like a cosine.
        start: The first beta.
        end: The last beta.
        timesteps: How many there are.
        schedule: How the steps of the run are spread over them.
        steps: How many steps.
    """
    if betas == "cosine":
        table = BetaSchedule.cosine(timesteps)
    else:
        made = BetaSchedule.linear if betas == "linear" else BetaSchedule.scaled_linear
        table = made(start, end, timesteps)
    return Schedule(sigmas(schedule, table, steps))
