"""What the worker does for `seam.py`: steps with pictures, and as many messages as it can send."""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray

from studio.diffusion.preview import Projection, preview
from studio.diffusion.step import StepState
from studio.sdk import node, running

torch.set_num_threads(1)  # the projection is so small that threads would only wait for each other

EDGE = 1024
_FACTOR = 8
PROJECTION = Projection(
    torch.tensor([[0.3, 0.2, 0.2, -0.1], [0.2, 0.3, 0.1, -0.2], [0.2, 0.2, 0.4, -0.2]]), torch.full((3,), 0.5)
)
_FULL = [np.full((EDGE, EDGE, 3), level, dtype=np.uint8) for level in range(4)]


def state(index: int) -> StepState:
    """A step of a picture of 1024 x 1024 pixels."""
    edge = EDGE // _FACTOR
    latent = torch.randn((1, 4, edge, edge), generator=torch.Generator().manual_seed(index))
    return StepState(index, 1.0, latent, latent)


def pixels(of: StepState) -> NDArray[np.uint8]:
    """(1024, 1024, 3). The projection gives a pixel for each latent pixel; what crosses in its place is as large as the picture itself."""
    small = preview(of.denoised, PROJECTION)
    full = _FULL[of.index % len(_FULL)]
    full[: len(small), : len(small)] = small
    return full


@node("seam/Preview")
def show(steps: int = 20, pause: float = 0.05, run: int = 0) -> int:
    """Steps whose `sigma` is the moment at which they were done, on the clock that all processes share."""
    for index in range(1, steps + 1):
        time.sleep(pause)
        done = state(index)
        running().step(index, steps, time.monotonic(), lambda done=done: pixels(done))  # type: ignore[misc]
    return run


@node("seam/Messages")
def chatter(messages: int = 10_000, run: int = 0) -> int:
    """Steps without pictures, one after the other."""
    context = running()
    for index in range(1, messages + 1):
        context.step(index, messages, 1.0)
    return run
