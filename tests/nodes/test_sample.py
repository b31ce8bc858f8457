"""From a checkpoint to a picture, on the starter model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
import torch

from nodes.conditioning import encode_prompt, instruct
from nodes.latent import decode_, empty, encode_, pick, repeat, scale
from nodes.model import LoadedCheckpoint, load
from nodes.sample import mix_noise, noise_, sample_, schedule_
from studio.diffusion.family import Encoded, Family
from studio.diffusion.model import LoadedTextEncoder
from studio.graph.errors import Cancelled, ModelMissing, ValueRefused
from studio.sdk import Conditioning, Image, Latent
from studio.sdk.context import activate
from studio.sdk.definition import definition_of
from studio.sdk.testing import Recorder, run_node


class Ready(NamedTuple):
    parts: LoadedCheckpoint
    positive: Conditioning
    negative: Conditioning


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WIRELIGHT_HOME", str(tmp_path_factory.mktemp("home")))
        parts = LoadedCheckpoint(*run_node(load, model="picture"))
    words = [
        run_node(encode_prompt, text_encoder=parts.text_encoder, text=text)
        for text in ("a red circle on a blue background", "")
    ]
    return Ready(parts, *words)


def sampled(ready: Ready, **changes: object) -> Latent:
    inputs = {
        "model": ready.parts.model,
        "positive": ready.positive,
        "negative": ready.negative,
        "latent": Latent.empty(64, 64),
        "steps": 2,
        "guidance": 4.0,
        "seed": 1,
    }
    made: Latent = run_node(sample_, **{**inputs, **changes})[0]
    return made


def test_opening_a_checkpoint_reads_no_weights(home: object) -> None:
    parts = run_node(load, model="picture", precision="float16")
    assert not any(one.weights.loaded for one in parts)
    assert {one.family for one in parts} == {"sd1"}
    assert len({one.weights.key for one in parts}) == 3
    again = run_node(load, model="picture", precision="float16")
    assert again[0].weights is parts[0].weights, "one checkpoint is in memory once"
    assert run_node(load, model="picture", precision="bfloat16")[0].weights.key != parts[0].weights.key


def test_the_first_part_that_is_needed_brings_in_the_others() -> None:
    parts = run_node(load, model="picture", precision="bfloat16")
    vae = parts[2].weights.load()
    assert vae.network.dtype == torch.bfloat16
    assert all(one.weights.loaded for one in parts)
    parts[0].weights.drop()
    model = parts[0].weights.load()
    assert parts[2].weights.load() is vae, "what is there is not replaced"
    assert model.projection() is not None, "previews keep their colours though the VAE they came with is gone"


def test_the_checkpoints_content_counts_in_the_key() -> None:
    fingerprint = definition_of(load).fingerprint
    assert fingerprint is not None
    assert fingerprint(model="picture", precision="auto") == fingerprint(model="picture", precision="float32")
    with pytest.raises(ModelMissing, match="pictures"):
        fingerprint(model="pictures", precision="auto")


def test_words_become_a_picture_step_by_step(ready: Ready) -> None:
    with activate(Recorder()) as run:
        latent = sampled(ready, steps=8, latent=Latent.empty(128, 128))
    image = run_node(decode_, latent=latent, vae=ready.parts.vae)
    assert [(index, of) for index, of, _ in run.steps] == [(at, 8) for at in range(1, 9)]
    sigmas = [sigma for _, _, sigma in run.steps]
    assert sigmas == sorted(sigmas, reverse=True)
    assert sigmas[-1] == 0
    assert image.pixels.shape == (1, 128, 128, 3)
    red, _, blue = image.pixels[0, 56:72, 56:72].mean(axis=(0, 1))
    assert red > blue + 0.3, "the circle is red"
    red, _, blue = image.pixels[0, :12, :12].mean(axis=(0, 1))
    assert blue > red + 0.3, "the background is blue"
    last = run.previews[-1].astype(np.float32) / 255
    assert last.shape == (16, 16, 3)
    small = image.resized(16, 16).pixels[0]
    assert np.abs(last - small).mean() < 0.1, "the last preview looks like the picture"


def test_the_same_seed_gives_the_same_picture_and_each_of_a_batch_its_own(ready: Ready) -> None:
    one = sampled(ready, seed=5)
    torch.testing.assert_close(sampled(ready, seed=5).tensor, one.tensor, rtol=0, atol=0)
    assert not torch.equal(sampled(ready, seed=6).tensor, one.tensor)
    batch = sampled(ready, seed=4, latent=Latent.empty(64, 64, 2))
    torch.testing.assert_close(batch.tensor[1:], one.tensor, rtol=1e-3, atol=1e-3)


def test_with_little_memory_a_batch_is_done_piece_by_piece_with_the_same_result(ready: Ready) -> None:
    blank = Latent.empty(64, 64, 3)
    noise = run_node(noise_, model=ready.parts.model, latent=blank, seed=9)
    for given in ({"seed": 4}, {"seed": 4, "noise": noise, "sampler": "euler_ancestral"}):
        whole = sampled(ready, latent=blank, **given)
        with activate(Recorder(tight_memory=True)) as run:
            pieces = sampled(ready, latent=blank, **given)
        assert [index for index, _, _ in run.steps] == [1, 2, 3, 4, 5, 6]
        torch.testing.assert_close(pieces.tensor, whole.tensor, rtol=1e-3, atol=1e-3)


def test_a_sampler_that_chooses_its_steps_does_each_of_a_batch_by_itself(ready: Ready) -> None:
    with activate(Recorder()) as run:
        batch = sampled(ready, sampler="dpm_adaptive", seed=4, latent=Latent.empty(64, 64, 2))
    alone = [sampled(ready, sampler="dpm_adaptive", seed=seed) for seed in (4, 5)]
    assert torch.equal(batch.tensor, torch.cat([one.tensor for one in alone]))
    done = [index / of for index, of, _ in run.steps]
    assert done[-1] == 1
    assert all(0 < share <= 1 for share in done)


def test_a_run_is_cancelled_between_steps(ready: Ready) -> None:
    with activate(Recorder(cancel_after=2)) as run, pytest.raises(Cancelled):
        sampled(ready, steps=20)
    assert len(run.steps) == 2


def test_given_sigmas_and_noise_stand_for_the_controls(ready: Ready) -> None:
    plain = sampled(ready, seed=3, steps=3, schedule="normal")
    sigmas = run_node(schedule_, model=ready.parts.model, steps=3, schedule="normal")
    noise = run_node(noise_, model=ready.parts.model, latent=Latent.empty(64, 64), seed=3)
    assert sigmas.steps == 3
    given = sampled(ready, seed=3, steps=50, sigmas=sigmas, noise=noise)
    torch.testing.assert_close(given.tensor, plain.tensor, rtol=0, atol=0)


def test_a_name_of_another_program_is_taken_as_it_is(ready: Ready) -> None:
    ours = sampled(ready, steps=3, sampler="dpmpp_2m", schedule="karras")
    theirs = sampled(ready, steps=3, sampler="DPM++ 2M Karras", schedule="normal")
    assert torch.equal(ours.tensor, theirs.tensor)
    levels = run_node(schedule_, model=ready.parts.model, steps=3, schedule="Karras")
    assert levels == run_node(schedule_, model=ready.parts.model, steps=3, schedule="karras")
    with pytest.raises(ValueRefused, match="euler_cfg_pp"):
        sampled(ready, sampler="euler_cfg_pp")


def test_mixed_noise_is_noise() -> None:
    from studio.sdk import Noise

    first, second = (Noise(torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(at))) for at in (1, 2))
    mixed = run_node(mix_noise, first=first, second=second, amount=0.3).tensor
    assert mixed.std().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(run_node(mix_noise, first=first, second=second, amount=0.0).tensor, first.tensor)
    with pytest.raises(ValueRefused, match="cannot be mixed"):
        run_node(mix_noise, first=first, second=Noise(torch.zeros(1, 4, 8, 8)))


def test_a_picture_goes_through_the_vae_and_back(ready: Ready) -> None:
    image = Image.solid(72, 64, (0.8, 0.3, 0.2))
    latent = run_node(encode_, image=image, vae=ready.parts.vae)
    assert latent.tensor.shape == (1, 4, 8, 9)
    back = run_node(decode_, latent=latent, vae=ready.parts.vae)
    assert back.size == (72, 64)
    assert back.pixels[0, 32, 32] == pytest.approx([0.8, 0.3, 0.2], abs=0.12)


def test_with_little_memory_it_is_decoded_in_tiles(ready: Ready) -> None:
    latent = run_node(encode_, image=Image.solid(512, 64, (0.2, 0.4, 0.8)), vae=ready.parts.vae)
    whole = run_node(decode_, latent=latent, vae=ready.parts.vae)
    with activate(Recorder(tight_memory=True)):
        tiled = run_node(decode_, latent=latent, vae=ready.parts.vae)
    assert not np.array_equal(whole.pixels, tiled.pixels)
    assert np.abs(whole.pixels - tiled.pixels).mean() < 0.02


def test_less_denoise_keeps_more_of_a_picture(ready: Ready) -> None:
    sketch = run_node(encode_, image=Image.solid(64, 64, (0.9, 0.8, 0.1)), vae=ready.parts.vae)
    little, much = (sampled(ready, latent=sketch, steps=3, denoise=share) for share in (0.1, 0.9))
    assert (little.tensor - sketch.tensor).abs().mean() < (much.tensor - sketch.tensor).abs().mean() / 2


def test_latents_are_repeated_picked_and_scaled(ready: Ready) -> None:
    latent = Latent(torch.arange(2.0)[:, None, None, None].expand(2, 4, 4, 6).clone(), "sd1")
    twice = run_node(repeat, latent=latent, times=2)
    assert twice.tensor[:, 0, 0, 0].tolist() == [0, 1, 0, 1]
    assert run_node(pick, latent=twice, index=-1).tensor.mean() == 1
    assert run_node(scale, latent=latent, factor=1.5).tensor.shape == (2, 4, 6, 9)
    with pytest.raises(ValueRefused, match="no latent 2"):
        run_node(pick, latent=latent, index=2)
    blank = run_node(empty, width=64, height=32, batch=3)
    assert run_node(repeat, latent=blank, times=2).batch == 6
    assert run_node(scale, latent=blank, factor=2.0).blank == (128, 64)
    assert run_node(pick, latent=blank).batch == 1
    assert run_node(decode_, latent=blank, vae=ready.parts.vae).pixels.shape == (3, 32, 64, 3)


def test_a_prompt_that_is_too_long_is_cut_and_the_log_says_so(ready: Ready) -> None:
    with activate(Recorder()) as run:
        run_node(encode_prompt, text_encoder=ready.parts.text_encoder, text="a red circle " * 30)
    assert len(run.lines) == 1
    assert "77 fit" in run.lines[0]


def test_what_does_not_fit_together_is_refused_with_its_socket(ready: Ready) -> None:
    other = Conditioning(ready.positive.tensors, "sdxl")
    for changes, socket in (
        ({"positive": other}, "positive"),
        ({"negative": other}, "negative"),
        ({"negative": None}, "negative"),
        ({"latent": Latent(torch.zeros(1, 16, 8, 8))}, "latent"),
    ):
        with pytest.raises(ValueRefused) as refused:
            sampled(ready, **changes)
        assert refused.value.socket == socket
        assert refused.value.mend
    assert sampled(ready, negative=None, guidance=1.0).batch == 1


def test_an_instruction_rides_on_the_text_encoder(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(ready.parts.text_encoder.weights.load().family)
    encode, told = kind.encode, []

    def listened(family: Family, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        told.append(encoder.instruction)
        return encode(family, encoder, prompts, skip_layers)

    monkeypatch.setattr(kind, "encode", listened)
    other = run_node(instruct, text_encoder=ready.parts.text_encoder, text="Draw this: ")
    for encoder in (ready.parts.text_encoder, other):
        run_node(encode_prompt, text_encoder=encoder, text="a red circle")
    assert told == [None, "Draw this: "]
