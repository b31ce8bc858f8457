"""The flow starter's training: text as pipelines of Stable Diffusion 3 read it, velocities, and the folder that it writes."""

import contextlib
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline
from train import flow, flow_text
from train.base import load_base
from train.export import export_flow
from train.loop import SHIPPED
from train.noise import Noise
from train.pictures import draw, to_tensor
from train.sample import Parts, starting_noise
from train.words import token_ids

from studio.diffusion.device import Dtypes
from studio.diffusion.weights.checkpoint import load_checkpoint

PROMPT = "a red circle on a blue background"
CPU = torch.device("cpu")


@pytest.fixture
def parts() -> Parts:
    return load_base(SHIPPED, CPU)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bfloat16, so that two ways to the same numbers can be compared."""
    for module in (flow, flow_text):
        monkeypatch.setattr(module, "autocast", lambda device: contextlib.nullcontext())


def restless() -> SD3Transformer2DModel:
    """A transformer whose blocks and output do something, which those that begin to learn do not."""
    torch.manual_seed(1)
    transformer = flow.build()
    torch.nn.init.normal_(transformer.proj_out.weight, std=0.2)
    return transformer.eval()


def test_one_weighted_zero_stands_for_all_that_pipelines_add() -> None:
    transformer = restless()
    torch.manual_seed(2)
    states = torch.randn(2, flow_text.TOKENS, 256)
    inputs = {
        "hidden_states": torch.randn(2, 4, 16, 16),
        "timestep": torch.tensor([900.0, 100.0]),
        "pooled_projections": torch.randn(2, 256),
    }
    with torch.no_grad():
        one = flow.with_zero(states)
        many = torch.cat([one[:, :-1], torch.zeros(2, flow.ZEROS, flow.CONTEXT_WIDTH)], 1)
        wanted = transformer(encoder_hidden_states=many, **inputs).sample
        too_light = transformer(encoder_hidden_states=one, **inputs).sample
        transformer.set_attn_processor(flow.OneZero())
        found = transformer(encoder_hidden_states=one, **inputs).sample
    assert torch.allclose(found, wanted, atol=1e-4)
    assert not torch.allclose(too_light, wanted, atol=1e-2)


def test_a_transformer_that_begins_to_learn_answers_nothing() -> None:
    torch.manual_seed(0)
    transformer = flow.build()
    flow.start_from_nothing(transformer)
    with torch.no_grad():
        answer = transformer(
            hidden_states=torch.randn(1, 4, 16, 16),
            timestep=torch.tensor([500.0]),
            encoder_hidden_states=torch.randn(1, 4, flow.CONTEXT_WIDTH),
            pooled_projections=torch.randn(1, 256),
        ).sample
    assert torch.equal(answer, torch.zeros_like(answer))


@pytest.mark.usefixtures("exact")
def test_what_is_written_is_what_was_trained(parts: Parts, tmp_path: Path) -> None:
    transformer = restless().half().float()  # as the folder keeps it
    export_flow(transformer, flow.scheduler(), load_base(SHIPPED, CPU), SHIPPED, tmp_path)
    pipeline = StableDiffusion3Pipeline.from_pretrained(
        tmp_path, dtype=torch.float32, text_encoder_3=None, tokenizer_3=None, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    noise = starting_noise(1, seed=0)
    theirs = pipeline(PROMPT, num_inference_steps=3, guidance_scale=3.0, latents=noise, output_type="np").images[0]
    trained = SD3Transformer2DModel.from_pretrained(tmp_path / "transformer", dtype=torch.float32)
    trained.set_attn_processor(flow.OneZero())
    ours = flow.sample_flow(parts, trained, [PROMPT], seed=0, steps=3)[0]
    assert np.abs(ours - theirs * 255).max() < 1.5
    assert ours.std() > 10


@pytest.mark.usefixtures("exact")
def test_our_loader_reads_the_same_text_from_the_folder(parts: Parts, tmp_path: Path) -> None:
    export_flow(flow.build(), flow.scheduler(), load_base(SHIPPED, CPU), SHIPPED, tmp_path)
    checkpoint = load_checkpoint(tmp_path, Dtypes.all(torch.float32))
    assert checkpoint.text_encoder is not None
    found = checkpoint.model.family.encode(checkpoint.text_encoder, [PROMPT])
    said = flow_text.tell(parts.text_encoder, token_ids(parts.tokenizer, [PROMPT]))
    assert (checkpoint.model.family.name, found.window) == ("sd3", flow_text.TOKENS)
    assert torch.allclose(found.conditioned.embeds, said.states, atol=1e-4)
    assert torch.allclose(found.conditioned.pooled, said.pooled, atol=1e-4)


@pytest.mark.usefixtures("exact")
def test_the_picture_starter_leads_to_the_picture_that_it_sees(parts: Parts) -> None:
    """Little noise: picture and noise are known from the mixture, so its velocity must be near the true one."""
    leader = flow.Leader(parts.unet, Noise(CPU))
    with torch.no_grad():
        noise = starting_noise(1, seed=3)
        drawn = draw(random.Random(3), "one", plain=1.0)
        said = flow_text.tell(parts.text_encoder, token_ids(parts.tokenizer, [drawn.caption]))
        clean = parts.vae.encode(to_tensor(drawn.pixels[None])).latent_dist.mode()
        sigma = torch.tensor([0.3])
        mixed = 0.7 * clean + 0.3 * noise
        velocity = leader.velocity(mixed, sigma, said.base_states)
    assert (velocity - (noise - clean)).std() < 0.25 * (noise - clean).std()
