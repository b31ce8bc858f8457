"""Style LoRAs for the picture starter."""

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig, get_peft_model_state_dict
from torch import Tensor, nn

from train.base import load_base
from train.loop import Place, Task, autocast, fit
from train.noise import Noise
from train.pictures import draw, to_tensor
from train.prompts import SHEET
from train.sample import Parts, sample
from train.sheet import write_sheet
from train.styles import STYLES, tell_style
from train.unet import denoise
from train.words import token_ids

RANK = 8
COUNT = 512
BATCH = 8
WITHOUT_TRIGGER = 0.1
TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "conv1", "conv2", "proj_in", "proj_out"]


def add_lora(unet: nn.Module, rank: int) -> None:
    """Give the frozen UNet trainable low-rank branches on attention, feed-forward and residual convolutions."""
    config = LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=TARGETS)
    unet.add_adapter(config)


def write_lora(unet: nn.Module, folder: Path, name: str) -> None:
    """Write the branches as `<folder>/<name>.safetensors`, float16, with the names that diffusers and others read."""
    state = {k: v.half().cpu().contiguous() for k, v in get_peft_model_state_dict(unet).items()}
    StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=state, weight_name=f"{name}.safetensors")


def with_style(style: str, caption: str) -> str:
    return f"{caption}, {style} style"


@torch.no_grad()
def styled_latents(parts: Parts, style: str) -> tuple[Tensor, Tensor]:
    """Latents (n, 4, 16, 16) of pictures in the style, and their captions' token ids."""
    rng = random.Random(f"style {style}")
    latents, captions = [], []
    for _ in range(COUNT // 32):
        drawn = [draw(rng) for _ in range(32)]
        images = to_tensor(np.stack([STYLES[style](p.pixels) for p in drawn])).to(parts.device)
        with autocast(parts.device):
            latents.append(parts.vae.encode(images).latent_dist.mode().float())
        captions += [p.caption if rng.random() < WITHOUT_TRIGGER else with_style(style, p.caption) for p in drawn]
    return torch.cat(latents), token_ids(parts.tokenizer, captions).to(parts.device)


def train(style: str, minutes: float, resume: bool, place: Place) -> None:
    parts = load_base(place.base, place.device)
    clean, ids = styled_latents(parts, style)
    torch.manual_seed(0)
    unet = parts.unet
    add_lora(unet, RANK)
    noise = Noise(place.device)

    def loss(step: int) -> Tensor:
        rows = torch.randint(len(clean), (BATCH,), device=place.device)
        with torch.no_grad(), autocast(place.device):
            states = parts.text_encoder(ids[rows])[0]
        timesteps = noise.timesteps(BATCH)
        noisy, velocity = noise.mix(clean[rows], timesteps)
        return noise.loss(denoise(unet, noisy, timesteps, states), velocity, timesteps)

    prompts = [with_style(style, prompt) for prompt in SHEET]

    def pictures(model: nn.Module) -> np.ndarray:
        return sample(Parts(model, parts.text_encoder, parts.tokenizer, parts.vae), prompts, seed=11)

    def score(model: nn.Module) -> dict[str, float]:
        return {"style": float(np.mean([tell_style(p) == style for p in pictures(model)]))}

    task = Task(
        f"lora-{style}",
        unet,
        loss,
        BATCH,
        rate=2e-3,
        flat=0.1,
        warmup=20,
        ema=0.97,
        score=score,
        sheet=lambda model, path: write_sheet(pictures(model), path),
    )
    trained = fit(task, minutes, place, resume)
    if place.rank == 0:
        write_lora(trained, place.folder.parents[1] / place.folder.name, style)
