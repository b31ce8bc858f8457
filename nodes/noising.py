"""The two processes of diffusion by hand: forward, which buries a latent in noise, and reverse, which digs one out again."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nodes.sample import tensor_for
from nodes.steered import guidance_of, loaded, parts_of
from studio.diffusion.model import LoadedModel
from studio.diffusion.names import SAMPLER_ALIASES, named
from studio.diffusion.noise import SEEDS, NoiseSource, seeded_noise
from studio.diffusion.preview import Pending, project
from studio.diffusion.samplers import SAMPLERS
from studio.diffusion.sampling import sample
from studio.diffusion.step import StepState
from studio.sdk import Choice, Conditioning, Latent, Model, Noise, Number, Seed, Slider, ValueRefused, node, running

LAST = 9999
"""Timesteps that can be typed; most models know 0 to 999."""


@node("sample/AddNoise", title="Add noise", aliases=("forward", "noising", "q sample", "diffuse", "x_t"))
def add_noise(
    model: Model,
    latent: Latent,
    noise: Noise | None = None,
    timestep: int = Number(500, 0, LAST, step=1),
    seed: int = Seed(),
) -> Latent:
    """The forward process: a clean latent x_0 as it is at a timestep t, when noise has been put on it bit by bit.

    All at once, by the closed form of DDPM (Ho et al. 2020, equation 4): x_t = sqrt(a) x_0 + sqrt(1 - a) noise, where a, the product of all
    1 - beta up to t, is how much of the picture is left. Flow models go straight: x_t = (1 - s) x_0 + s noise.

    Args:
        model: Whose timesteps they are.
        latent: A clean latent.
        noise: The noise, in place of the seed's own.
        timestep: How far; 0 is almost clean, the model's last one (mostly 999) almost only noise.
        seed: Where the random numbers begin.
    """
    network = loaded(model)
    sigma = _sigma(network, timestep, "timestep")
    clean = tensor_for(network, latent)
    drawn = seeded_noise(seed, tuple(clean.shape)) if noise is None else noise.tensor
    if drawn.shape != clean.shape:
        raise ValueRefused(
            f"The noise has the shape {tuple(drawn.shape)}, the latent {tuple(clean.shape)}.",
            socket="noise",
            mend="Make the noise for this latent.",
        )
    x = network.prediction.process.alpha(sigma) * clean + sigma * drawn
    return Latent(x / _deviation(network, sigma), model.family)


class Reversed(NamedTuple):
    """What comes out of the reverse process."""

    latent: Latent
    clean: Latent


@node("sample/RemoveNoise", title="Remove noise", live=True, aliases=("reverse", "denoise", "p sample", "x_0"))
def remove_noise(
    model: Model,
    *,
    positive: Conditioning | None = None,
    latent: Latent,
    negative: Conditioning | None = None,
    timestep: int = Number(500, 1, LAST, step=1),
    to: int = Number(0, 0, LAST, step=1),
    steps: int = Number(1, 1, 1000, step=1),
    guidance: float = Slider(4.0, 0, 30, step=0.1),
    sampler: str = Choice(*SAMPLERS, default="ddpm", aliases=SAMPLER_ALIASES),
    seed: int = Seed(),
) -> Reversed:
    """The reverse process: from a noisy latent x_t at a timestep t back to an earlier one, or all the way.

    Every step asks the network what the clean latent may be, and goes part of the way there; DDPM then puts a little fresh noise on, DDIM
    none. In one single step all the way, the result is the network's first guess: the mean of all that x_t may have come from.

    Args:
        model: The denoising network.
        positive: What should be in the picture.
        latent: The noisy latent x_t, as Add noise makes it.
        negative: What should not be in the picture. Needed unless guidance is 1.
        timestep: The t of the latent.
        to: Where to stop; 0 is the clean latent.
        steps: In how many steps, of even timesteps.
        guidance: How strictly the prompts are followed; 1 is not at all.
        sampler: How a step is done; ddpm is the reverse process of the paper.
        seed: Where the random numbers begin.

    Returns:
        latent: The latent at the timestep `to`.
        clean: The network's last guess of the clean latent.
    """
    network = loaded(model)
    if to >= timestep or steps > timestep - to:
        raise ValueRefused(
            f"From timestep {timestep} to {to} there are no {steps} steps back.",
            socket="to" if to >= timestep else "steps",
            mend="The process goes back to a smaller timestep, at least one of them a step.",
        )
    times = [timestep + (to - timestep) * step / steps for step in range(steps + 1)]
    levels = [_sigma(network, time, "timestep") for time in times]
    if to == 0:
        levels[-1] = 0.0
    noisy = tensor_for(network, latent)
    # Noise of its own: the first draw of the seed may be what was put on.
    source = NoiseSource.seeded((seed + 2**32) % SEEDS, noisy.shape[0])
    x = noisy * _deviation(network, levels[0])
    states = sample(
        network,
        parts_of(positive, model, "positive") if positive is not None else None,
        parts_of(negative, model, "negative") if negative is not None else None,
        x,
        levels,
        sampler=named(sampler, "normal")[0].name,
        guidance=guidance_of(model, guidance),
        start=StepState(0, levels[0], x, x, rng=source.state),
    )
    context = running()
    state = None
    for state in states:
        context.step(state.index, max(steps, state.index), state.sigma, partial(_picture, network, state))
    assert state is not None
    reached = state.latent / _deviation(network, state.sigma)
    return Reversed(Latent(reached.cpu(), model.family), Latent(state.denoised.cpu(), model.family))


def _deviation(network: LoadedModel, sigma: float) -> float:
    """Samplers work on x_0 + sigma noise; divided by this it is x_t, whose variance stays 1. Flow models need no scaling."""
    return 1.0 if network.prediction.process.straight else math.sqrt(sigma**2 + 1)


def _picture(network: LoadedModel, state: StepState) -> NDArray[np.uint8]:
    return Pending(project(state.denoised, network.projection())).pixels()


def _sigma(network: LoadedModel, timestep: float, socket: str) -> float:
    last = network.noise.timesteps - 1
    if timestep > last:
        raise ValueRefused(
            f"This model has no timestep {timestep:g}.", socket=socket, mend=f"Its timesteps go from 0 to {last}."
        )
    return float(torch.tensor(network.noise.sigma(timestep), dtype=torch.float32))
