"""Sampling in parts gives what a whole run gives, on the starter model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nodes.conditioning import clip_skip, encode_prompt
from nodes.sample import sample_, schedule_
from nodes.sampling_parts import (
    distilled_guidance,
    guider,
    sample_parts,
    sample_steps,
    sampler,
    shift,
    shift_for_size,
)
from nodes.steered import distilled, loaded
from studio.diffusion.noise_schedule import FlowSchedule
from studio.graph.errors import ValueRefused
from studio.sdk import Latent, Model, Resident
from studio.sdk.context import activate
from studio.sdk.testing import Recorder, run_node
from tests.nodes.test_sample import Ready, ready, sampled

__all__ = ["ready"]

STEPS = {"steps": 4, "guidance": 4.0, "seed": 1, "sampler": "euler", "schedule": "normal"}


def test_a_guider_and_a_schedule_give_what_one_node_gives(ready: Ready) -> None:
    whole = sampled(ready, **STEPS)
    levels = run_node(schedule_, model=ready.parts.model, schedule="normal", steps=4)
    guide = run_node(guider, model=ready.parts.model, positive=ready.positive, negative=ready.negative, guidance=4.0)
    parts = run_node(
        sample_parts,
        guider=guide,
        latent=Latent.empty(64, 64),
        sigmas=levels,
        seed=1,
        sampler=run_node(sampler, sampler="euler"),
    )
    assert torch.equal(parts.tensor, whole.tensor)


def test_two_samplers_one_after_the_other_give_what_one_gives(ready: Ready) -> None:
    """Exact for Euler, which remembers nothing."""
    whole = sampled(ready, **STEPS)
    common = {"model": ready.parts.model, "positive": ready.positive, "negative": ready.negative, **STEPS}
    first = run_node(sample_steps, latent=Latent.empty(64, 64), last=2, keep_noise=True, **common)
    assert not torch.equal(first.tensor, whole.tensor)
    second = run_node(sample_steps, latent=first, first=2, add_noise=False, **common)
    assert torch.allclose(second.tensor, whole.tensor, atol=1e-5)
    assert torch.equal(run_node(sample_steps, latent=Latent.empty(64, 64), **common).tensor, whole.tensor)
    finished = run_node(sample_steps, latent=Latent.empty(64, 64), last=2, **common)
    assert not torch.equal(finished.tensor, first.tensor)
    with pytest.raises(ValueRefused, match="no steps"):
        run_node(sample_steps, latent=Latent.empty(64, 64), first=4, **common)


def test_a_shift_moves_the_levels_of_flow_models_alone(ready: Ready) -> None:
    with pytest.raises(ValueRefused, match="no flow model"):
        run_node(shift, model=ready.parts.model)
    with activate(Recorder()):
        network = replace(loaded(ready.parts.model), noise=FlowSchedule(1.0))
        model = Model(Resident("flow", "flow", lambda: network, lambda held: held.modules), "sd3")
    moved = run_node(schedule_, model=run_node(shift, model=model, shift=3.0), schedule="simple", steps=4).sigmas
    assert moved[2] == pytest.approx(3 * 0.5 / (1 + 2 * 0.5))
    large = run_node(shift_for_size, model=model, width=1024, height=1024)
    assert large.options["shift"] == pytest.approx(3.1582, abs=1e-3)


def test_guidance_that_rides_on_a_prompt_is_for_networks_that_take_it(ready: Ready) -> None:
    prompt = run_node(distilled_guidance, conditioning=ready.positive, guidance=3.5)
    with activate(Recorder()):
        network = loaded(ready.parts.model)
    assert distilled(network, prompt, 7.0) == 7.0
    taking = replace(network, family=_Taking())
    assert distilled(taking, prompt, 1.0) == 3.5
    assert distilled(taking, ready.positive, 2.0) == 2.0
    assert torch.equal(sampled(ready, positive=prompt).tensor, sampled(ready).tensor)
    assert run_node(
        sample_, model=ready.parts.model, positive=prompt, latent=Latent.empty(64, 64), steps=1, guidance=1.0
    )


class _Taking:
    """A family whose network has guidance as an input."""

    def takes_guidance(self, model: object) -> bool:
        return True


def test_clip_skip_counts_as_usual(ready: Ready) -> None:
    skipped = run_node(clip_skip, text_encoder=ready.parts.text_encoder, layers=2)
    ours = run_node(encode_prompt, text_encoder=skipped, text="a red circle")
    plain = run_node(encode_prompt, text_encoder=ready.parts.text_encoder, text="a red circle", skip_layers=1)
    assert torch.equal(ours.tensors["embeds"], plain.tensors["embeds"])
    assert run_node(clip_skip, text_encoder=replace(skipped, family="sdxl"), layers=2).options["skip_layers"] == 0
