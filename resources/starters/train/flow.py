"""The flow-matching starter: a small SD3-shaped transformer on the picture starter's latents and text encoder."""

import functools
from pathlib import Path

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
from numpy.typing import NDArray
from torch import Tensor, nn

from train import latents
from train.base import load_base
from train.judge import tally
from train.loop import Place, Task, autocast, fit
from train.pictures import to_pixels
from train.prompts import SHEET
from train.sample import Parts, starting_noise
from train.sheet import write_sheet
from train.unet import WITHOUT_TEXT, asked_prompts, fast_arithmetic
from train.words import token_ids

BATCH = 16
SHIFT = 1.5  # of the schedule: flat pictures decide their composition early, at high noise


def build(text_width: int) -> SD3Transformer2DModel:
    """7.8 M parameters: six joint blocks, 192 wide, on 2x2 patches of 16x16 latents."""
    return SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=6,
        attention_head_dim=32,
        num_attention_heads=6,
        joint_attention_dim=text_width,
        caption_projection_dim=192,
        pooled_projection_dim=text_width,
        pos_embed_max_size=16,
    )


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=SHIFT)


def told(parts: Parts, ids: Tensor) -> tuple[Tensor, Tensor]:
    """The text encoder's states (n, 77, 128), and its summary of each caption (n, 128)."""
    with torch.no_grad(), autocast(ids.device):
        said = parts.text_encoder(ids)
    return said.last_hidden_state.float(), said.pooler_output.float()


@torch.no_grad()
def sample_flow(
    parts: Parts, transformer: nn.Module, captions: list[str], seed: int, steps: int = 20, guidance: float = 3.0
) -> NDArray[np.uint8]:
    """(n, 128, 128, 3) uint8 pictures by Euler steps along the learnt velocity."""
    schedule = scheduler()
    schedule.set_timesteps(steps)
    count = len(captions)
    ids = token_ids(parts.tokenizer, [""] * count + captions).to(parts.device)
    states, pooled = told(parts, ids)
    moving = starting_noise(count, seed).to(parts.device)
    for timestep in schedule.timesteps:
        with autocast(parts.device):
            both = transformer(
                hidden_states=torch.cat([moving, moving]),
                timestep=timestep.expand(2 * count).to(parts.device),
                encoder_hidden_states=states,
                pooled_projections=pooled,
            ).sample.float()
        without, with_text = both.chunk(2)
        moving = schedule.step(without + guidance * (with_text - without), timestep, moving).prev_sample
    with autocast(parts.device):
        return to_pixels(parts.vae.decode(moving).sample.cpu())


def train(minutes: float, resume: bool, place: Place) -> None:
    """Rectified flow (Liu et al. 2022): from noise to latents along a straight line, at logit-normal times (Esser et al. 2024).

    Needs the latents of the picture starter's training beside it.
    """
    data = latents.load(place.folder.parent / "picture")
    parts = load_base(place.base, place.device)
    torch.manual_seed(0)
    transformer = build(parts.text_encoder.config.hidden_size)
    empty = token_ids(parts.tokenizer, [""])[0].to(place.device)

    def loss(step: int) -> Tensor:
        clean, ids = data.pick(BATCH, place.device)
        ids[torch.rand(BATCH, device=place.device) < WITHOUT_TEXT] = empty
        states, pooled = told(parts, ids)
        sigma = torch.sigmoid(torch.randn(BATCH, device=place.device))
        sigma = SHIFT * sigma / (1 + (SHIFT - 1) * sigma)
        noise = torch.randn_like(clean)
        share = sigma[:, None, None, None]
        with fast_arithmetic(place.device):
            velocity = transformer(
                hidden_states=(1 - share) * clean + share * noise,
                timestep=1000 * sigma,
                encoder_hidden_states=states,
                pooled_projections=pooled,
            ).sample
        return ((velocity.float() - (noise - clean)) ** 2).mean()

    prompts = asked_prompts(16)
    draw_all = functools.partial(sample_flow, parts)

    def score(model: nn.Module) -> dict[str, float]:
        found = tally(draw_all(model, [p.caption for p in prompts], seed=0), [p.attributes for p in prompts])
        return {k: found[k] for k in ("one.shape", "one.colour", "one.all", "two.all", "scene.all")}

    def sheet(model: nn.Module, path: Path) -> None:
        write_sheet(draw_all(model, list(SHEET), seed=11), path)

    task = Task(
        "flow",
        transformer,
        loss,
        BATCH,
        rate=8e-4,
        warmup=200,
        ema=0.998,
        average_every=4,
        weight_decay=0.01,
        score=score,
        score_every=480,
        sheet=sheet,
    )
    trained = fit(task, minutes, place, resume)
    if place.rank == 0:
        to = place.folder.parents[1] / place.folder.name
        trained.half().save_pretrained(to / "transformer")
        scheduler().save_pretrained(to / "scheduler")
