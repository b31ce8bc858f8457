"""The flow-matching starter: a small transformer of Stable Diffusion 3's shape, on the picture starter's latents."""

import functools
import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from train import latents
from train.base import load_base
from train.export import export_flow
from train.flow_text import TOKENS, tell
from train.judge import tally
from train.loop import Place, Task, autocast, fit
from train.noise import Noise
from train.pictures import to_pixels
from train.prompts import SHEET
from train.sample import Parts, starting_noise
from train.sheet import write_sheet
from train.unet import WITHOUT_TEXT, asked_prompts
from train.words import token_ids

BATCH = 20
WIDTH = 192
PATCHES = 64  # of 2x2 in a 16x16 latent
SHIFT = 1.5  # of the schedule: flat pictures decide their composition early, at high noise
SPREAD = 1.4  # of the times' logits; 1, as in Stable Diffusion 3, hardly visits the first steps from noise
LED = 0.5  # above this much noise the picture starter's prediction is learnt, below it the picture
ZEROS = 256  # tokens that pipelines put in place of an absent T5
CONTEXT_WIDTH = 320  # wider than both encoders, as T5 makes it: so that every program adds those tokens


class OneZero:
    """Joint attention in which the last text token stands for ZEROS equal ones.

    Tokens without position that start equal stay equal, so that one with the weight of all computes the same as all.
    """

    def __init__(self) -> None:
        weight = torch.zeros(PATCHES + TOKENS + 1)
        weight[-1] = float(np.log(ZEROS))
        self.weight = weight

    def __call__(
        self, attn: nn.Module, hidden_states: Tensor, encoder_hidden_states: Tensor, **more: object
    ) -> tuple[Tensor, Tensor]:
        count, patches = hidden_states.shape[:2]

        def heads(picture: Tensor, text: Tensor) -> Tensor:
            return torch.cat([picture, text], 1).unflatten(2, (attn.heads, -1)).transpose(1, 2)

        query = heads(attn.to_q(hidden_states), attn.add_q_proj(encoder_hidden_states))
        key = heads(attn.to_k(hidden_states), attn.add_k_proj(encoder_hidden_states))
        value = heads(attn.to_v(hidden_states), attn.add_v_proj(encoder_hidden_states))
        logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        shares = (logits.float() + self.weight.to(logits.device)).softmax(-1).to(value.dtype)
        found = (shares @ value).transpose(1, 2).reshape(count, -1, attn.heads * value.shape[-1])
        text = found[:, patches:]
        return attn.to_out[0](found[:, :patches]), text if attn.context_pre_only else attn.to_add_out(text)


def build() -> SD3Transformer2DModel:
    """7.8 M parameters: six joint blocks, 192 wide, on 2x2 patches of 16x16 latents."""
    return SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=6,
        attention_head_dim=32,
        num_attention_heads=6,
        joint_attention_dim=CONTEXT_WIDTH,
        caption_projection_dim=WIDTH,
        pooled_projection_dim=2 * 128,
        pos_embed_max_size=16,
    )


def start_from_nothing(transformer: SD3Transformer2DModel) -> None:
    """Every block begins as the identity, the output as zero (adaLN-zero, Peebles and Xie 2023)."""
    for name, module in transformer.named_modules():
        if isinstance(module, nn.Linear):
            if "norm" in name or name == "proj_out":
                nn.init.zeros_(module.weight)
            else:
                nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=SHIFT)


def with_zero(states: Tensor) -> Tensor:
    """(n, TOKENS, 256) states to (n, TOKENS + 1, CONTEXT_WIDTH): as wide as T5's, with one of its zeros."""
    return functional.pad(states, (0, CONTEXT_WIDTH - states.shape[-1], 0, 1))


@torch.no_grad()
def sample_flow(
    parts: Parts, transformer: nn.Module, captions: list[str], seed: int, steps: int = 20, guidance: float = 3.0
) -> NDArray[np.uint8]:
    """(n, 128, 128, 3) uint8 pictures by Euler steps along the learnt velocity; `transformer` has OneZero attention."""
    schedule = scheduler()
    schedule.set_timesteps(steps)
    count = len(captions)
    said = tell(parts.text_encoder, token_ids(parts.tokenizer, [""] * count + captions).to(parts.device))
    states = with_zero(said.states)
    moving = starting_noise(count, seed).to(parts.device)
    for timestep in schedule.timesteps:
        with autocast(parts.device):
            both = transformer(
                hidden_states=torch.cat([moving, moving]),
                timestep=timestep.expand(2 * count).to(parts.device),
                encoder_hidden_states=states,
                pooled_projections=said.pooled,
            ).sample.float()
        without, with_text = both.chunk(2)
        moving = schedule.step(without + guidance * (with_text - without), timestep, moving).prev_sample
    with autocast(parts.device):
        return to_pixels(parts.vae.decode(moving).sample.cpu())


class Leader:
    """The picture starter's UNet, asked for the velocity of a straight line between picture and noise."""

    def __init__(self, unet: nn.Module, noise: Noise) -> None:
        self.unet = unet
        kept, added = noise.signal.sqrt(), (1 - noise.signal).sqrt()
        self.sigmas = added / (kept + added)

    @torch.no_grad()
    def velocity(self, mixed: Tensor, sigma: Tensor, states: Tensor) -> Tensor:
        """noise - picture, as expected of (1 - sigma) * picture + sigma * noise under the caption."""
        length = (sigma**2 + (1 - sigma) ** 2).sqrt()  # the UNet's mixtures have the variance 1
        kept, added = ((part / length)[:, None, None, None] for part in (1 - sigma, sigma))
        noisy = mixed / length[:, None, None, None]
        timesteps = torch.searchsorted(self.sigmas, sigma).clamp(max=len(self.sigmas) - 1)
        with autocast(mixed.device):
            turned = self.unet(noisy, timesteps, states).sample.float()
        return (kept * turned + added * noisy) - (kept * noisy - added * turned)


def times(count: int, device: torch.device) -> Tensor:
    """(count,) shares of noise, logit-normal (Esser et al. 2024) and shifted as the schedule is."""
    sigma = torch.sigmoid(SPREAD * torch.randn(count, device=device))
    return SHIFT * sigma / (1 + (SHIFT - 1) * sigma)


def train(minutes: float, resume: bool, place: Place) -> None:
    """Rectified flow (Liu et al. 2022): from noise to latents along a straight line.

    Where the caption decides more than the mixture does, a drawn picture is one of many right answers and says little about their
    mean; there the mean is learnt from the picture starter, which knows it.
    """
    data = latents.load(latents.of_base(place))
    parts = load_base(place.base, place.device)
    torch.manual_seed(0)
    transformer = build()
    start_from_nothing(transformer)
    transformer.set_attn_processor(OneZero())
    if shutil.which("c++"):
        for block in transformer.transformer_blocks:
            block.compile(dynamic=False)  # 1.6 times as fast on a CPU
    empty = token_ids(parts.tokenizer, [""])[0].to(place.device)
    leader = Leader(parts.unet, Noise(place.device))

    def loss(step: int) -> Tensor:
        clean, ids = data.pick(BATCH, place.device)
        ids[torch.rand(BATCH, device=place.device) < WITHOUT_TEXT] = empty
        said = tell(parts.text_encoder, ids)
        sigma = times(BATCH, place.device)
        noise = torch.randn_like(clean)
        share = sigma[:, None, None, None]
        mixed = (1 - share) * clean + share * noise
        wanted = noise - clean
        led = sigma > LED
        wanted[led] = leader.velocity(mixed[led], sigma[led], said.base_states[led])
        with autocast(place.device):
            velocity = transformer(
                hidden_states=mixed,
                timestep=1000 * sigma,
                encoder_hidden_states=with_zero(said.states),
                pooled_projections=said.pooled,
            ).sample
        return ((velocity.float() - wanted) ** 2).mean()

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
        rate=1e-3,
        warmup=150,
        ema=0.997,
        average_every=4,
        weight_decay=0.01,
        score=score,
        score_every=1500,
        sheet=sheet,
    )
    trained = fit(task, minutes, place, resume)
    if place.rank == 0:
        export_flow(trained, scheduler(), parts, place.base, place.folder.parents[1] / place.folder.name)
