"""The forward and the reverse process by hand, on the starter model."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from diffusers import DDPMScheduler

from nodes.conditioning import encode_prompt
from nodes.model import load
from nodes.noising import add_noise, remove_noise
from nodes.sample import noise_
from studio.diffusion.noise import seeded_noise
from studio.resources import resource
from studio.sdk import Conditioning, Latent, Model, Noise, ValueRefused
from studio.sdk.context import activate
from studio.sdk.testing import Recorder, run_node

CLEAN = Latent(seeded_noise(77, (1, 4, 8, 8)) * 0.8, "sd1")


class Ready(NamedTuple):
    model: Model
    positive: Conditioning
    negative: Conditioning


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WIRELIGHT_HOME", str(tmp_path_factory.mktemp("home")))
        model, encoder, _ = run_node(load, model="picture")
    return Ready(model, *(run_node(encode_prompt, text_encoder=encoder, text=text) for text in ("a red circle", "")))


@pytest.mark.parametrize("timestep", [0, 199, 999])
def test_the_forward_process_is_that_of_ddpm(ready: Ready, timestep: int) -> None:
    scheduler = DDPMScheduler.from_config(DDPMScheduler.load_config(resource("starters", "picture", "scheduler")))
    noise = seeded_noise(5, (1, 4, 8, 8))
    theirs = scheduler.add_noise(CLEAN.tensor, noise, torch.tensor([timestep]))
    ours = run_node(add_noise, model=ready.model, latent=CLEAN, timestep=timestep, seed=5)
    torch.testing.assert_close(ours.tensor, theirs, rtol=1e-4, atol=1e-4)
    given = run_node(noise_, model=ready.model, latent=CLEAN, seed=5)
    same = run_node(add_noise, model=ready.model, latent=CLEAN, noise=given, timestep=timestep)
    assert torch.equal(same.tensor, ours.tensor)


def back(ready: Ready, noisy: Latent, timestep: int, **changes: object) -> tuple[Latent, Latent]:
    inputs = {"model": ready.model, "positive": ready.positive, "negative": ready.negative, "latent": noisy}
    latent, clean = run_node(remove_noise, **inputs, timestep=timestep, **changes)
    return latent, clean


def test_the_reverse_process_leads_back_from_little_noise_and_elsewhere_from_much(ready: Ready) -> None:
    # A latent that the model takes for a picture: what it makes of noise itself.
    start = Latent(seeded_noise(1, (1, 4, 16, 16)), "sd1")
    picture, _ = back(ready, start, 999, steps=8, sampler="ddim")
    away = {}
    for timestep in (150, 950):
        noisy = run_node(add_noise, model=ready.model, latent=picture, timestep=timestep, seed=9)
        again, clean = back(ready, noisy, timestep, steps=4, seed=2)
        away[timestep] = float((again.tensor - picture.tensor).norm() / picture.tensor.norm())
        torch.testing.assert_close(clean.tensor, again.tensor, msg="the last guess is the result")
    assert away[150] < away[950] / 1.5


def test_every_step_back_is_shown(ready: Ready) -> None:
    with activate(Recorder()) as run:
        back(ready, Latent(seeded_noise(1, (1, 4, 8, 8)), "sd1"), 900, steps=3)
    assert [(index, of) for index, of, _ in run.steps] == [(1, 3), (2, 3), (3, 3)]
    assert [picture.shape for picture in run.previews] == [(8, 8, 3)] * 3


def test_two_ways_halfway_are_one_way(ready: Ready) -> None:
    noisy = Latent(seeded_noise(1, (1, 4, 8, 8)), "sd1")
    whole, _ = back(ready, noisy, 900, steps=4, sampler="ddim")
    half, guess = back(ready, noisy, 900, steps=2, to=450, sampler="ddim")
    rest, _ = back(ready, half, 450, steps=2, sampler="ddim")
    torch.testing.assert_close(rest.tensor, whole.tensor, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(guess.tensor, half.tensor, atol=0.1)


@pytest.mark.parametrize(
    ("changes", "socket"),
    [({"timestep": 1000}, "timestep"), ({"timestep": 500, "to": 500}, "to"), ({"timestep": 3, "steps": 4}, "steps")],
)
def test_what_is_no_way_back_is_refused(ready: Ready, changes: dict[str, int], socket: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        back(ready, CLEAN, changes.pop("timestep"), **changes)
    assert caught.value.socket == socket
    assert caught.value.mend


def test_noise_of_another_size_is_refused(ready: Ready) -> None:
    with pytest.raises(ValueRefused, match="shape") as caught:
        run_node(add_noise, model=ready.model, latent=CLEAN, noise=Noise(torch.zeros(1, 4, 4, 4)))
    assert caught.value.socket == "noise"
