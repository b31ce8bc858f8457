"""States of samplers in the running context's store, and back."""

from __future__ import annotations

import torch

from studio.diffusion.step import StepState
from studio.diffusion.trail import Leaving, StepKey
from studio.graph.errors import CodecError, StepsLost
from studio.sdk import Packed, Trail
from studio.sdk.context import Steps
from studio.sdk.values.arrays import pack_tensor, unpack_tensor

_TYPE = "StepState"


class KeptSteps:
    """The context's steps, as the torch library sees them."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def has(self, key: StepKey) -> bool:
        return self._steps.has(key)

    def load(self, key: StepKey) -> StepState | None:
        packed = self._steps.load(key)
        return None if packed is None else unpack_state(packed)

    def keep(self, key: StepKey, state: StepState) -> None:
        leaving = Leaving(state)
        self._steps.keep(key, lambda: pack_state(leaving.state()), leaving.nbytes)


def pack_state(state: StepState) -> Packed | None:
    """A state as it is stored, or None for one that is not finite: a run must never go on from there."""
    if not torch.isfinite(state.latent).all():
        return None
    return Packed(_TYPE, {name: pack_tensor(tensor) for name, tensor in state.tensors().items()}, state.facts())


def unpack_state(packed: Packed) -> StepState | None:
    """The state that was stored; None where it is none."""
    if packed.type != _TYPE:
        return None
    try:
        tensors = {name: unpack_tensor(array) for name, array in packed.arrays.items()}
        return StepState.stored(tensors, packed.meta)
    except (KeyError, ValueError, CodecError):
        return None


def step_of(steps: Steps, trail: Trail, index: int, socket: str = "trail") -> list[StepState]:
    """The states of a trail after `index` steps, one for each of its parts. Raises `StepsLost` where one is gone."""
    kept = KeptSteps(steps)
    found = []
    for key in trail.at(index):
        state = kept.load(key)
        if state is None:
            raise StepsLost(index, socket)
        found.append(state)
    return found
