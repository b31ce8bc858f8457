"""What every sampler function looks like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from studio.diffusion.noise_schedule import BetaSchedule, FlowSchedule, NoiseSchedule
from studio.diffusion.process import NoisingProcess
from studio.diffusion.step import Denoiser, StepState


class SamplerFunction(Protocol):
    """(denoiser, start, sigmas, process) -> the states after each of the steps that are left."""

    def __call__(
        self, denoiser: Denoiser, start: StepState, sigmas: Sequence[float], process: NoisingProcess = ...
    ) -> Iterator[StepState]: ...


def usual_noise(process: NoisingProcess) -> NoiseSchedule:
    """The training noise that a sampler of timesteps assumes where it is not told the model's: Stable Diffusion's, or a plain flow."""
    return FlowSchedule() if process.straight else BetaSchedule.scaled_linear(0.00085, 0.012)
