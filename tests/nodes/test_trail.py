"""The sampler and its trail, on the starter model: broken off and gone on, branched, refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nodes.refine import split
from nodes.sample import Sampled, sample_, schedule_
from studio.diffusion.family import latents_of
from studio.engine.step_memory import StepMemory
from studio.graph.errors import Cancelled, StepsLost, ValueRefused
from studio.sdk import Latent, Schedule, Trail, TrailPart
from studio.sdk.context import activate
from studio.sdk.storage import pack_value, unpack_value
from studio.sdk.testing import Recorder, run_node
from tests.nodes.test_sample import Ready, ready

__all__ = ["ready"]


def sampled(ready: Ready, **changes: object) -> Sampled:
    inputs: dict[str, Any] = {
        "model": ready.parts.model,
        "positive": ready.positive,
        "negative": ready.negative,
        "latent": Latent.empty(64, 64),
        "steps": 6,
        "guidance": 4.0,
        "seed": 1,
    }
    return Sampled(*run_node(sample_, **{**inputs, **changes}))


@pytest.fixture
def calls(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batch of every call of the network."""
    network = ready.parts.model.weights.load().network
    forward, made = network.forward, []

    def counted(x: torch.Tensor, *rest: object, **more: object) -> object:
        made.append(len(x))
        return forward(x, *rest, **more)

    monkeypatch.setattr(network, "forward", counted)
    return made


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "euler_ancestral", "uni_pc"])
def test_a_cancelled_run_goes_on_where_it_was(ready: Ready, calls: list[int], sampler: str) -> None:
    with activate(Recorder()):
        unbroken = sampled(ready, sampler=sampler)
    store = StepMemory()
    with activate(Recorder(cancel_after=4, step_store=store)), pytest.raises(Cancelled):
        sampled(ready, sampler=sampler)
    calls.clear()
    with activate(Recorder(step_store=store)) as run:
        resumed = sampled(ready, sampler=sampler)
    assert len(calls) == 2
    assert torch.equal(resumed.latent.tensor, unbroken.latent.tensor)
    assert [index for index, _, _ in run.steps] == [1, 2, 3, 4, 5, 6], "the strip is whole"
    assert all(preview.shape == (8, 8, 3) for preview in run.previews)
    assert resumed.trail == unbroken.trail


def test_a_branch_shares_its_parents_steps(ready: Ready, calls: list[int]) -> None:
    store = StepMemory()
    with activate(Recorder(step_store=store)) as run:
        parent = sampled(ready)
        calls.clear()
        branch = sampled(ready, start=parent.trail, start_step=4, positive=ready.negative, guidance=1.0)
        assert len(calls) == 2
        assert [index for index, _, _ in run.steps[6:]] == [5, 6]
        assert branch.trail.parts[0].keys[:5] == parent.trail.parts[0].keys[:5]
        assert not set(branch.trail.parts[0].keys[5:]) & set(parent.trail.parts[0].keys)
        assert not torch.equal(branch.latent.tensor, parent.latent.tensor)
        calls.clear()
        assert torch.equal(sampled(ready).latent.tensor, parent.latent.tensor), "the parent is as it was"
        same = sampled(ready, start=parent.trail, start_step=3)
        assert torch.equal(same.latent.tensor, parent.latent.tensor), "a branch that changes nothing is its parent"
        assert not calls
        further = sampled(ready, start=branch.trail, start_step=5, sampler="euler", guidance=2.0)
        assert further.trail.parts[0].keys[:6] == branch.trail.parts[0].keys[:6]
        from_noise = sampled(ready, start=parent.trail, start_step=0, positive=ready.negative, guidance=1.0)
        assert torch.equal(
            from_noise.latent.tensor, sampled(ready, positive=ready.negative, guidance=1.0).latent.tensor
        )


def test_a_batch_branches_whole_or_piece_by_piece(ready: Ready) -> None:
    store, blank = StepMemory(), Latent.empty(64, 64, 2)
    with activate(Recorder(step_store=store)):
        parent = sampled(ready, latent=blank, sampler="euler_ancestral")
        whole = sampled(ready, latent=blank, sampler="euler_ancestral", start=parent.trail, start_step=3, guidance=2.0)
    with activate(Recorder(step_store=store, tight_memory=True)):
        pieces = sampled(ready, latent=blank, sampler="euler_ancestral", start=parent.trail, start_step=3, guidance=2.0)
        alone = sampled(ready, latent=blank, sampler="euler_ancestral")
        again = sampled(ready, latent=blank, sampler="euler_ancestral", start=alone.trail, start_step=3)
    torch.testing.assert_close(pieces.latent.tensor, whole.latent.tensor, rtol=1e-3, atol=1e-3)
    assert [len(one.trail.parts) for one in (parent, pieces, alone)] == [1, 2, 2]
    assert torch.equal(again.latent.tensor, alone.latent.tensor)


def test_a_run_that_stops_early_is_finished_by_another(ready: Ready) -> None:
    schedule = run_node(schedule_, model=ready.parts.model, steps=6, schedule="karras")
    first, _ = run_node(split, schedule=schedule, step=4)
    with activate(Recorder(step_store=StepMemory())):
        begun = sampled(ready, sigmas=first)
        finished = sampled(ready, sigmas=schedule, start=begun.trail, start_step=4)
        whole = sampled(ready, sigmas=schedule)
        with pytest.raises(ValueRefused, match="4 steps, this one 6"):
            sampled(ready, sigmas=schedule, start=begun.trail, start_step=5)
    assert torch.equal(finished.latent.tensor, whole.latent.tensor)
    assert not torch.equal(begun.latent.tensor, whole.latent.tensor)
    assert latents_of("sdxl_refiner") == "sdxl", "a refiner may go on with SDXL's"


@pytest.mark.parametrize(
    ("changes", "socket", "said"),
    [
        ({"latent": Latent.empty(64, 128)}, "latent", "as large as"),
        ({"steps": 7}, "start_step", "same steps"),
        ({"schedule": "normal"}, "start_step", "same steps"),
        ({"start_step": 6}, "start_step", "0 to 5"),
        ({"family": "sdxl"}, "start", "same family"),
    ],
)
def test_what_does_not_fit_a_trail_is_refused_with_the_reason(
    ready: Ready, changes: dict[str, Any], socket: str, said: str
) -> None:
    store = StepMemory()
    with activate(Recorder(step_store=store)):
        trail = sampled(ready).trail
        family = changes.pop("family", trail.family)
        other = Trail(trail.parts, trail.sampler, family, trail.shape)
        with pytest.raises(ValueRefused) as refused:
            sampled(ready, **{"start": other, "start_step": 2, **changes})
    assert refused.value.socket == socket
    assert said in refused.value.mend
    with activate(Recorder(step_store=StepMemory())), pytest.raises(StepsLost):
        sampled(ready, start=trail, start_step=2)


def test_a_trail_is_read_back_as_it_was(ready: Ready) -> None:
    trail = sampled(ready, steps=2).trail
    packed = pack_value(trail)
    assert packed is not None
    assert unpack_value(packed) == trail
    with pytest.raises(ValueRefused):
        TrailPart((1.0, 0.0), (b"a",))


def test_a_schedule_is_cut_in_two() -> None:
    first, rest = run_node(split, schedule=Schedule((8.0, 4.0, 2.0, 0.0)), step=1)
    assert (first.sigmas, rest.sigmas) == ((8.0, 4.0), (4.0, 2.0, 0.0))
    with pytest.raises(ValueRefused, match="cannot be cut"):
        run_node(split, schedule=Schedule((8.0, 0.0)), step=1)
