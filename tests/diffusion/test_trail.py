"""Step keys, and runs that go on from kept states: bit for bit, at every step, for every sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nodes.kept_steps import KeptSteps
from studio.diffusion.digest import digest
from studio.diffusion.model import Checkpoint, Conditioned
from studio.diffusion.process import EXPLODING, FLOW, NoisingProcess
from studio.diffusion.samplers import SAMPLERS
from studio.diffusion.sampling import Sampling, prepare, started
from studio.diffusion.schedules import sigmas
from studio.diffusion.step import StepState
from studio.diffusion.timing import step_at
from studio.diffusion.trail import StepKey, StepKeys, first_key, follow
from studio.engine.step_memory import StepMemory
from studio.graph.errors import ValueRefused
from tests.diffusion.analytic import blobs, start_at
from tests.diffusion.test_sampling import encoded, same

LEVELS = (14.0, 6.0, 3.0, 1.5, 0.7, 0.3, 0.0)


class Blobs:
    """A denoiser without a network, one part of which acts only from a step of the schedule on."""

    def __init__(self, shift: float = 0.0, acts_from: int = 0, levels: Sequence[float] = LEVELS) -> None:
        self.calls: list[float] = []
        self.told: list[Callable[[int, int], None]] = []
        self._shift = shift
        self._acts_from = acts_from
        self._levels = levels
        self._blobs = blobs()

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        self.calls.append(sigma)
        acts = step_at(self._levels, sigma) >= self._acts_from
        return self._blobs(x, sigma).float() + (self._shift if acts else 0.0)

    def depends_at(self, step: int) -> bytes:
        return digest("blobs", self._shift if step >= self._acts_from else 0.0)


def ready(sd1: Checkpoint, sampler: str, levels: Sequence[float] = LEVELS, denoiser: Blobs | None = None) -> Sampling:
    begin = started(sd1.model, torch.zeros(1, 4, 6, 6), levels, seed=3)
    return Sampling(sd1.model, denoiser or Blobs(levels=levels), SAMPLERS[sampler], levels, begin)


def keys_of(sampling: Sampling) -> StepKeys:
    begin = sampling.begin
    return StepKeys(sampling, first_key(b"blobs", begin.denoised, begin.sigma, 3, None, 1))


def states_of(sampling: Sampling) -> list[StepState]:
    return [sampling.begin, *sampling.states()]


def kept() -> KeptSteps:
    return KeptSteps(StepMemory())


class Some:
    """Kept states of which only some can be read, as after a trim or a crash."""

    def __init__(self, whole: KeptSteps, keys: Sequence[StepKey], broken: Sequence[StepKey] = ()) -> None:
        self._whole, self._keys, self._broken = whole, set(keys), set(broken)
        self.new: list[StepState] = []

    def has(self, key: StepKey) -> bool:
        return key in self._keys

    def load(self, key: StepKey) -> StepState | None:
        return self._whole.load(key) if key in self._keys and key not in self._broken else None

    def keep(self, key: StepKey, state: StepState) -> None:
        self.new.append(state)


@pytest.mark.parametrize("name", SAMPLERS)
def test_equal_keys_mean_equal_states_whatever_comes_after(sd1: Checkpoint, name: str) -> None:
    schedules = [
        LEVELS,
        (*LEVELS[:4], 1.0, 0.0),
        (*LEVELS[:4], 0.0),
        (*LEVELS[:5], 0.2, 0.1, 0.05, 0.0),
        (14.0, 7.0, *LEVELS[2:]),
    ]
    met: dict[StepKey, Tensor] = {}
    shared = 0
    for levels in schedules:
        run = ready(sd1, name, levels)
        keys = keys_of(run)
        for at, state in enumerate(states_of(run)):
            if keys[at] in met:
                assert torch.equal(met[keys[at]], state.latent)
                shared += state.index
            met[keys[at]] = state.latent
    sampler = SAMPLERS[name]
    if sampler.levels is None and not sampler.adaptive:
        assert shared >= 1 + 2 + 1, "what the schedules have in common is shared"
        assert sampler.ending or shared == 2 * sum(range(4)) + sum(range(5))


@pytest.mark.parametrize("process", [EXPLODING, FLOW], ids=lambda process: process.name)
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_calls_the_network_where_it_says(name: str, process: NoisingProcess) -> None:
    calls: list[float] = []
    denoise = blobs(process)

    def denoiser(x: Tensor, sigma: float) -> Tensor:
        calls.append(sigma)
        return denoise(x, sigma)

    sampler = SAMPLERS[name]
    levels = LEVELS if process is EXPLODING else (0.95, 0.9, 0.7, 0.4, 0.1, 0.0)
    lower = False
    for state in sampler.run(denoiser, start_at(levels[0]), levels, process):
        high, low = sampler.asks(levels, state.index - 1, process)
        assert all(low <= sigma <= high for sigma in calls)
        lower = lower or any(sigma < max(calls) for sigma in calls)
        calls.clear()
    assert lower == (sampler.reach is not None or sampler.adaptive)


@pytest.mark.parametrize("name", SAMPLERS)
def test_from_every_step_a_run_goes_on_as_if_it_had_never_stopped(sd1: Checkpoint, name: str) -> None:
    run, everything = ready(sd1, name), kept()
    keys = keys_of(run)
    steps = list(follow(run, keys, everything))
    whole, last = [step.state() for step in steps], len(steps)
    assert [step.index for step in steps] == list(range(1, last + 1))
    assert last == 6 or run.sampler.adaptive
    assert steps[-1].of == last
    assert [step.key for step in steps] == [keys[at] for at in range(1, last + 1)]
    for reached in range(last + 1):
        denoiser = Blobs()
        there = Some(everything, [keys[at] for at in range(reached + 1)])
        again = list(follow(ready(sd1, name, denoiser=denoiser), keys, there))
        assert [step.kept for step in again] == [step.index <= reached for step in again]
        assert [(step.index, step.sigma) for step in again] == [(step.index, step.sigma) for step in steps]
        assert same([step.state() for step in again], whole)  # type: ignore[arg-type]
        assert [state.index for state in there.new] == list(range(reached + 1, last + 1))
        assert bool(denoiser.calls) == (reached < last), "nothing is computed twice"


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_branch_is_exact_from_every_step_and_leaves_its_parent_alone(sd1: Checkpoint, name: str) -> None:
    parent, store = ready(sd1, name), kept()
    keys = keys_of(parent)
    whole = [parent.begin, *(step.state() for step in follow(parent, keys, store))]
    known = {keys[at] for at in range(len(whole))}
    for at in range(len(whole) - 1):
        state = store.load(keys[at])
        assert state is not None
        branch = replace(ready(sd1, name, denoiser=Blobs(0.3)), begin=state)
        steps = list(follow(branch, StepKeys(branch, keys[at]), store))
        assert not {step.key for step in steps} & known, "a branch has keys of its own"
        assert same([step.state() for step in steps], list(branch.states()))  # type: ignore[arg-type]
    for at, state in enumerate(whole):
        assert same([store.load(keys[at])], [state])  # type: ignore[list-item]


@pytest.mark.parametrize("name", ["euler", "heun", "dpmpp_2m", "uni_pc", "plms"])
def test_a_change_that_acts_from_a_step_on_is_computed_from_there(sd1: Checkpoint, name: str) -> None:
    store = kept()
    plain = ready(sd1, name)
    before = [step.key for step in follow(plain, keys_of(plain), store)]
    denoiser = Blobs(0.3, acts_from=3)
    changed = ready(sd1, name, denoiser=denoiser)
    # A sampler that looks ahead asks at the level of the next step within the step before it.
    first = 2 if SAMPLERS[name].reach else 3
    steps = list(follow(changed, keys_of(changed), store))
    assert [step.kept for step in steps] == [step.index <= first for step in steps]
    assert [step.key in before for step in steps] == [step.index <= first for step in steps]
    assert max(denoiser.calls) == LEVELS[first]
    (*_, alone) = ready(sd1, name, denoiser=Blobs(0.3, acts_from=3)).states()
    assert same([steps[-1].state()], [alone])  # type: ignore[list-item]


def test_the_latest_state_that_can_be_read_is_the_one_to_go_on_from(sd1: Checkpoint) -> None:
    run, everything = ready(sd1, "dpmpp_2m"), kept()
    keys = keys_of(run).all()
    list(follow(run, keys_of(run), everything))
    trimmed = Some(everything, keys[3:5])
    assert [step.kept for step in follow(run, keys_of(run), trimmed)] == [True] * 4 + [False] * 2
    damaged = Some(everything, keys[:5], broken=keys[4:5])
    assert [step.kept for step in follow(run, keys_of(run), damaged)] == [True] * 3 + [False] * 3
    holed = Some(everything, [*keys[:3], *keys[4:]])
    steps = list(follow(run, keys_of(run), holed, whole=True))
    assert [step.kept for step in steps] == [True] * 2 + [False] * 4, "a whole trail is made from the first gap on"
    assert [state.index for state in holed.new] == [3, 4, 5, 6]
    assert [state.index for state in trimmed.new] == [0, 5, 6]


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m_sde"])
def test_all_that_a_run_depends_on_is_in_its_keys(sd1: Checkpoint, sampler: str) -> None:
    model = sd1.model
    latent, levels = torch.zeros(model.latents.shape(16, 16)), sigmas("trailing", model.noise, 3)
    noise = torch.ones_like(latent)

    def keys(
        positive: str = "cat",
        negative: str = "",
        guidance: float = 5.0,
        made_by: bytes = b"model",
        seed: int = 1,
        name: str = sampler,
        latent: Tensor = latent,
        noise: Tensor | None = None,
    ) -> list[StepKey]:
        words: list[Conditioned] = [encoded(sd1, text) for text in (positive, negative)]
        run = prepare(model, *words, latent, levels, sampler=name, guidance=guidance, seed=seed, noise=noise)
        return list(StepKeys(run, first_key(made_by, latent, levels[0], seed, noise, len(latent))).all())

    base = keys()
    assert keys() == base
    assert len(set(base)) == 4
    for later in ({"positive": "dog"}, {"negative": "dog"}, {"guidance": 6.0}, {"name": "heun"}):
        changed = keys(**later)  # type: ignore[arg-type]
        assert changed[0] == base[0], "the noise is the same"
        assert not set(changed[1:]) & set(base)
    for first in (
        {"made_by": b"other"},
        {"seed": 2},
        {"latent": latent + 1},
        {"noise": noise},
        {"latent": torch.zeros(2, *latent.shape[1:])},
    ):
        assert not set(keys(**first)) & set(base)  # type: ignore[arg-type]
    assert keys(guidance=1.0, negative="dog") == keys(guidance=1.0), "what is not looked at does not count"


def test_a_state_that_is_not_finite_is_not_kept(sd1: Checkpoint) -> None:
    run, store = ready(sd1, "euler"), kept()
    bad = replace(run.begin, latent=torch.full_like(run.begin.latent, torch.nan))
    store.keep(b"bad", bad)
    assert store.load(b"bad") is None

    def breaks(x: Tensor, sigma: float) -> Tensor:
        return x * (float("nan") if sigma < 2 else 0.5)

    broken = Blobs()
    broken._blobs = breaks
    keys = keys_of(run)
    for _ in range(2):
        steps = follow(ready(sd1, "euler", denoiser=broken), keys, store)
        with pytest.raises(ValueRefused, match="from step 4 on"):
            list(steps)
    assert [store.load(key) is not None for key in keys.all()] == [True] * 4 + [False] * 3
