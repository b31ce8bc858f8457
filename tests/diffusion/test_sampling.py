"""Whole runs on a tiny model: prompts and batches, cancelling, resuming, branching, and inputs that do not fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from studio.diffusion.denoise import OneForward
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Checkpoint, Conditioned, LoadedModel
from studio.diffusion.prediction import Prediction
from studio.diffusion.samplers import SAMPLERS
from studio.diffusion.sampling import sample
from studio.diffusion.schedules import sigmas
from studio.diffusion.step import StepState
from studio.graph.errors import ValueRefused
from tests.diffusion.analytic import distance


def encoded(checkpoint: Checkpoint, *prompts: str) -> Conditioned:
    encoder = checkpoint.text_encoder
    assert encoder is not None
    return encoder.family.encode(encoder, prompts).conditioned


def run(
    checkpoint: Checkpoint, prompts: Sequence[str] = ("the cat",), batch: int = 1, **options: Foreign
) -> list[StepState]:
    model = checkpoint.model
    latent = options.pop("latent", torch.zeros(model.latents.shape(16, 16, batch)))
    levels = options.pop("sigmas", sigmas("trailing", model.noise, 6))
    positive, negative = encoded(checkpoint, *prompts), encoded(checkpoint, "dog")
    return list(sample(model, positive, negative, latent, levels, **{"guidance": 5.0, **options}))


def same(one: Sequence[StepState], other: Sequence[StepState]) -> bool:
    return all(
        torch.equal(a.latent, b.latent) and torch.equal(a.denoised, b.denoised) for a, b in zip(one, other, strict=True)
    )


def test_a_list_of_prompts_is_one_run_of_each(sd1: Checkpoint) -> None:
    together = run(sd1, ["the cat", "red dog", ""], seed=4)[-1].latent
    assert together.shape[0] == 3
    for item, prompt in enumerate(["the cat", "red dog", ""]):
        alone = run(sd1, [prompt], seed=4 + item)[-1].latent
        assert distance(together[item : item + 1], alone) < 1e-5


@pytest.mark.parametrize("name", [name for name, found in SAMPLERS.items() if not found.adaptive])
def test_a_batch_is_one_run_of_each_seed(sd1: Checkpoint, name: str) -> None:
    together = run(sd1, batch=3, seed=4, sampler=name)[-1].latent
    for item in range(3):
        assert distance(together[item : item + 1], run(sd1, seed=4 + item, sampler=name)[-1].latent) < 1e-5


def test_a_sampler_that_chooses_its_steps_takes_one_item(sd1: Checkpoint) -> None:
    with pytest.raises(ValueRefused, match="one at a time") as caught:
        run(sd1, batch=2, sampler="dpm_adaptive")
    assert caught.value.socket == "latent"


def test_a_schedule_with_more_noise_than_a_flow_model_knows_is_refused(sd1: Checkpoint) -> None:
    flow = replace(sd1, model=replace(sd1.model, prediction=Prediction.FLOW))
    with pytest.raises(ValueRefused, match="pure noise") as caught:
        run(flow, sigmas=(14.6, 1.0, 0.0))
    assert caught.value.socket == "sigmas"


def test_prompts_share_a_larger_batch_in_order(sd1: Checkpoint) -> None:
    together = run(sd1, ["the cat", "red dog"], batch=4, seed=4)[-1].latent
    assert distance(together[1:2], run(sd1, ["the cat"], seed=5)[-1].latent) < 1e-5
    assert distance(together[2:3], run(sd1, ["red dog"], seed=6)[-1].latent) < 1e-5
    with pytest.raises(ValueRefused, match="evenly"):
        run(sd1, ["the cat", "red dog"], batch=3)
    model = sd1.model
    with pytest.raises(ValueRefused) as caught:
        sample(model, encoded(sd1, "a"), encoded(sd1, "b", "c"), torch.zeros(model.latents.shape(16, 16)), (1.0, 0.0))
    assert caught.value.socket == "negative"


def test_a_step_is_one_forward(sd1: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = []
    forward = sd1.model.network.forward

    def counted(x: Tensor, *rest: Foreign, **more: Foreign) -> Foreign:
        batches.append(x.shape[0])
        return forward(x, *rest, **more)

    monkeypatch.setattr(sd1.model.network, "forward", counted)
    run(sd1, ["the cat", "red dog", "on"])
    assert batches == [6] * 6


def test_no_gradient_is_kept_and_the_callers_mode_is_untouched(sd1: Checkpoint) -> None:
    model = sd1.model
    states = sample(
        model,
        encoded(sd1, "a"),
        encoded(sd1, ""),
        torch.zeros(model.latents.shape(16, 16)),
        sigmas("normal", model.noise, 3),
    )
    first = next(states)
    assert torch.is_grad_enabled()
    assert not first.latent.requires_grad


def test_closing_ends_a_run(sd1: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = sd1.model, []
    forward = model.network.forward
    monkeypatch.setattr(model.network, "forward", lambda *rest, **more: calls.append(1) or forward(*rest, **more))
    states = sample(
        model,
        encoded(sd1, "a"),
        encoded(sd1, ""),
        torch.zeros(model.latents.shape(16, 16)),
        sigmas("normal", model.noise, 9),
    )
    next(states)
    states.close()
    assert len(calls) == 1


@pytest.mark.parametrize("name", SAMPLERS)
def test_resuming_through_the_model_is_exact_too(sd1: Checkpoint, name: str) -> None:
    prompts = ["the cat"] if SAMPLERS[name].adaptive else ["the cat", "red dog"]
    whole = run(sd1, prompts, sampler=name, seed=11)
    for state in whole[:-1]:
        assert same(whole[state.index :], run(sd1, prompts, sampler=name, start=state))


def test_a_branch_follows_its_new_prompt_from_there(sd1: Checkpoint) -> None:
    whole = run(sd1, sampler="dpmpp_2m")
    branch = run(sd1, ["red dog 99"], sampler="dpmpp_2m", start=whole[2])
    assert [state.index for state in branch] == [4, 5, 6]
    assert not torch.equal(branch[-1].latent, whole[-1].latent)


def test_another_sampler_starts_with_an_empty_memory(sd1: Checkpoint) -> None:
    state = run(sd1, sampler="uni_pc")[2]
    assert state.memory
    branch = run(sd1, sampler="dpmpp_2m_sde", start=state)
    assert same(branch, run(sd1, sampler="dpmpp_2m_sde", start=replace(state, memory=())))


def test_a_state_that_is_not_on_the_schedule_is_refused(sd1: Checkpoint) -> None:
    whole = run(sd1)
    for start, steps in ((whole[2], 7), (whole[-1], 6)):
        with pytest.raises(ValueRefused) as caught:
            run(sd1, start=start, sigmas=sigmas("trailing", sd1.model.noise, steps))
        assert caught.value.socket == "start"


def test_denoise_strength_decides_how_much_is_left_of_a_latent(sd1: Checkpoint) -> None:
    model = sd1.model
    latent = torch.randn(model.latents.shape(16, 16), generator=torch.Generator().manual_seed(0)) * 3
    kept = []
    for denoise in (0.02, 0.3, 1.0):
        levels = sigmas("normal", model.noise, 4, denoise)
        begin = run(sd1, latent=latent, sigmas=levels)
        assert len(begin) == 4
        kept.append(distance(begin[-1].latent, latent))
    assert kept[0] < 0.2
    assert kept[0] < kept[1] < kept[2]


def test_given_noise_takes_the_place_of_the_seeds(sd1: Checkpoint) -> None:
    noise = torch.randn(sd1.model.latents.shape(16, 16), generator=torch.Generator().manual_seed(8))
    assert same(run(sd1, noise=noise, seed=1), run(sd1, noise=noise, seed=2))
    assert same(run(sd1, noise=noise), run(sd1, seed=8))
    with pytest.raises(ValueRefused) as caught:
        run(sd1, noise=noise[:, :, :4])
    assert caught.value.socket == "noise"


@pytest.mark.parametrize(
    ("options", "socket"),
    [
        ({"latent": torch.zeros(1, 5, 8, 8)}, "latent"),
        ({"latent": torch.zeros(1, 4, 0, 8)}, "latent"),
        ({"latent": torch.zeros(4)}, "latent"),
        ({"latent": torch.zeros(1, 1, 1, 1).expand(1, 4, 5000, 8)}, "latent"),
        ({"sigmas": (1.0,)}, "sigmas"),
        ({"sigmas": (1.0, 1.0, 0.0)}, "sigmas"),
        ({"sigmas": (math.nan, 1.0, 0.0)}, "sigmas"),
        ({"sigmas": (math.inf, 1.0, 0.0)}, "sigmas"),
        ({"sigmas": (1.0, -1.0)}, "sigmas"),
        ({"sampler": "oiler"}, "sampler"),
        ({"guidance": math.nan}, "guidance"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_step(
    sd1: Checkpoint, options: dict[str, Foreign], socket: str
) -> None:
    with pytest.raises(ValueRefused) as caught:
        run(sd1, **options)
    assert caught.value.socket == socket


def test_guidance_without_a_negative_is_refused(sd1: Checkpoint) -> None:
    model = sd1.model
    with pytest.raises(ValueRefused) as caught:
        sample(model, encoded(sd1, "a"), None, torch.zeros(model.latents.shape(16, 16)), (1.0, 0.0), guidance=5.0)
    assert caught.value.socket == "negative"


def test_conditionings_of_different_encoders_are_refused(sd1: Checkpoint, sd2: Checkpoint) -> None:
    model = sd1.model
    states = sample(
        model, encoded(sd1, "a"), encoded(sd2, "a"), torch.zeros(model.latents.shape(16, 16)), (1.0, 0.0), guidance=5.0
    )
    with pytest.raises(ValueRefused, match="text encoder of the same checkpoint"):
        next(states)
    other = sample(model, encoded(sd2, "a"), None, torch.zeros(model.latents.shape(16, 16)), (1.0, 0.0), guidance=1.0)
    with pytest.raises(ValueRefused, match="1024 wide"):
        next(other)


def test_a_latent_that_stops_being_finite_is_named_with_its_step(sd1: Checkpoint) -> None:
    class Failing(type(sd1.model.family)):  # type: ignore[misc]
        def call(self, model: LoadedModel, x: Tensor, time: float, *rest: Foreign) -> Tensor:
            found: Tensor = super().call(model, x, time, *rest)
            return found * math.nan if time < 600 else found

    broken = replace(sd1, model=replace(sd1.model, family=Failing()))
    model = broken.model
    levels = sigmas("trailing", model.noise, 10)
    states = sample(model, encoded(sd1, "a"), encoded(sd1, ""), torch.zeros(model.latents.shape(16, 16)), levels)
    done = []
    with pytest.raises(ValueRefused, match="from step 5 on"):
        done.extend(states)


def test_odd_sizes_and_one_pixel_work_or_say_why(sd1: Checkpoint) -> None:
    for height, width in ((2, 2), (6, 10), (30, 2)):
        latent = torch.zeros(1, 4, height, width)
        assert run(sd1, latent=latent)[-1].latent.shape == latent.shape


def test_a_half_precision_network_keeps_float32_states(sd1_folder: Foreign) -> None:
    from studio.diffusion.device import Dtypes
    from studio.diffusion.weights.checkpoint import load_checkpoint

    half = load_checkpoint(sd1_folder, Dtypes.all(torch.bfloat16))
    whole = load_checkpoint(sd1_folder, Dtypes.all(torch.float32))
    one, other = run(half, seed=3)[-1], run(whole, seed=3)[-1]
    assert one.latent.dtype == torch.float32
    assert 0 < distance(one.latent, other.latent) < 0.2


def test_the_joined_conditionings_are_made_once(sd1: Checkpoint) -> None:
    predictor = OneForward(sd1.model)
    pair = (encoded(sd1, "a"), encoded(sd1, "b"))
    x = torch.zeros(1, 4, 8, 8)
    predictor(x, 10.0, pair)
    first = predictor._joined
    predictor(x, 20.0, pair)
    assert predictor._joined is first
    predictor(x, 20.0, (pair[1], pair[0]))
    assert predictor._joined is not first
