"""The trail: every state of a run, kept under a key that counts all that it came from.

Keys form a chain, as content keys do. That of the state before the first step counts what the run began with; that of every later one
the key before it, the sampler, the noise levels of the step, and what the denoiser depends on there (`depends_at`). Two runs that
agree up to step k have equal keys up to step k, whoever asks for them: a run that was broken off goes on where it was, a change that acts
only from step k on is computed from k on, and a branch shares its parent's steps. What a multistep sampler remembers lies in the state,
and is counted by the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from itertools import count, takewhile
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from studio.diffusion.digest import digest
from studio.diffusion.foreign import Foreign
from studio.diffusion.preview import side_stream
from studio.diffusion.sampling import Sampling
from studio.diffusion.step import StepState
from studio.diffusion.timing import step_at

StepKey: TypeAlias = bytes

_FORMAT = "wirelight step 1"
"""Changes whenever the way keys are made does."""


class Steps(Protocol):
    """Where states are kept."""

    def has(self, key: StepKey) -> bool:
        """Whether there is a state, as far as can be told without reading it."""

    def load(self, key: StepKey) -> StepState | None:
        """The state, on the CPU; None where it is gone, or damaged."""

    def keep(self, key: StepKey, state: StepState) -> None:
        """Keep a state, soon; never waits for a disk or a device."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A step of a run that was followed."""

    index: int
    of: int
    """Steps of the whole run, as far as can be told."""
    sigma: float
    key: StepKey
    kept: bool
    """It was not computed now, but before."""
    state: Callable[[], StepState | None]
    """None where it is no longer there."""


def first_key(made_by: bytes, latent: Tensor, sigma: float, seed: int, noise: Tensor | None, batch: int) -> StepKey:
    """The key of the state before the first step. `made_by`: a digest of the model's weights and number format, and of the code that
    computes. `latent` and `noise` as given to `prepare`; `batch` of the state."""
    return digest(_FORMAT, made_by, latent, float(sigma), seed, noise, batch)


class StepKeys:
    """The keys of a run's states from `sampling.begin` on, whose key is `start`; made as they are asked for."""

    def __init__(self, sampling: Sampling, start: StepKey) -> None:
        self._sampling = sampling
        self._keys = [start]

    def __getitem__(self, step: int) -> StepKey:
        """The key of the state after `step` steps since `sampling.begin`."""
        while len(self._keys) <= step:
            self._keys.append(self._next(self._keys[-1], self._sampling.begin.index + len(self._keys) - 1))
        return self._keys[step]

    def all(self) -> tuple[StepKey, ...]:
        """Those of a whole run of a sampler whose steps are known beforehand."""
        begin = self._sampling.begin.index
        return tuple(self[step] for step in range(len(self._sampling.sigmas) - begin))

    def _next(self, before: StepKey, i: int) -> StepKey:
        run = self._sampling
        high, low = run.sampler.asks(run.sigmas, i, run.model.prediction.process)
        steps = range(step_at(run.sigmas, high), step_at(run.sigmas, low) + 1)
        depends = [(float(run.sigmas[step]), run.depends_at(step)) for step in steps]
        # Where nothing changes from one step to the next, it does not matter where one ends.
        while len(depends) > 1 and depends[-1][1] == depends[-2][1]:
            depends.pop()
        return digest(before, run.sampler.name, run.sampler.looks_at(run.sigmas, i), depends)


def follow(sampling: Sampling, keys: StepKeys, steps: Steps, *, whole: bool = False) -> Generator[Step, None, None]:
    """The steps after `sampling.begin`: those that are kept already, then those that are computed, which are kept from now on.

    The run goes on from the latest state that can be read. With `whole`, all states are kept in the end: it goes on from the first that is
    missing. One that is not `resumable` begins anew, unless it was over. Closing the generator ends the run.
    """
    sampler, sigmas, first = sampling.sampler, sampling.sigmas, sampling.begin.index
    reached, latest = _latest(sampling, keys, steps, whole=whole)
    for at in range(1, reached + 1):
        load = _loader(steps, keys[at]) if at < reached or latest is None else _holder(latest)
        seen = load() if sampler.adaptive else None
        sigma = seen.sigma if seen is not None else sampling.levels[min(first + at, len(sigmas) - 1)]
        of = sampler.steps(seen, sigmas) if seen is not None else len(sigmas) - 1
        yield Step(first + at, of, sigma, keys[at], True, load)
    if not steps.has(keys[0]):
        steps.keep(keys[0], sampling.begin)
    if latest is not None and sampling.is_over(latest):
        return
    for state in sampling.states(latest):
        key = keys[state.index - first]
        steps.keep(key, state)
        yield Step(state.index, sampler.steps(state, sigmas), state.sigma, key, False, _holder(state))


def _latest(sampling: Sampling, keys: StepKeys, steps: Steps, *, whole: bool) -> tuple[int, StepState | None]:
    """How many steps after the first state there are already, and the last of their states. (0, None) for none."""
    if sampling.sampler.adaptive:
        here = list(takewhile(lambda at: steps.has(keys[at]), count(1)))
    else:
        here = [at for at in range(1, len(sampling.sigmas) - sampling.begin.index) if steps.has(keys[at])]
    if whole:
        here = [at for place, at in enumerate(here, 1) if at == place]
    for at in reversed(here):
        state = steps.load(keys[at])
        if state is not None and state.index == sampling.begin.index + at:
            if not sampling.resumable and not sampling.is_over(state):
                return 0, None
            return at, state
    return 0, None


def _loader(steps: Steps, key: StepKey) -> Callable[[], StepState | None]:
    return lambda: steps.load(key)


def _holder(state: StepState) -> Callable[[], StepState | None]:
    return lambda: state


class Leaving:
    """A state on its way to the CPU. On a GPU the copy rides a side stream, and `state` waits for it."""

    def __init__(self, state: StepState) -> None:
        self._state = state
        self._done: Foreign = None
        if state.latent.is_cuda:
            cuda: Foreign = torch.cuda
            stream = side_stream(state.latent.device)
            stream.wait_stream(torch.cuda.current_stream(state.latent.device))
            copies: dict[int, Tensor] = {}
            with torch.cuda.stream(stream):
                for tensor in (state.latent, state.denoised, *state.memory):
                    if id(tensor) not in copies and not tensor.is_cuda:
                        copies[id(tensor)] = tensor
                    elif id(tensor) not in copies:
                        there = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
                        copies[id(tensor)] = there.copy_(tensor, non_blocking=True)
                        tensor.record_stream(stream)
                self._done = cuda.Event()
                self._done.record(stream)
            self._state = replace(
                state,
                latent=copies[id(state.latent)],
                denoised=copies[id(state.denoised)],
                memory=tuple(copies[id(tensor)] for tensor in state.memory),
            )

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the copy takes."""
        return sum(tensor.nbytes for tensor in self._state.tensors().values())

    def state(self) -> StepState:
        """The state on the CPU."""
        if self._done is not None:
            self._done.synchronize()
        return self._state
