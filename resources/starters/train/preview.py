"""The tiny autoencoder that shows a latent while it is being denoised."""

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from train.base import load_base
from train.loop import Place, Task, autocast, fit
from train.pictures import draw_to_learn, to_pixels, to_tensor
from train.sheet import write_sheet
from train.vae import held_out_pictures

BATCH = 6
WIDTH = 16


def build() -> AutoencoderTiny:
    """TAESD's architecture (Bohan 2023), 16 channels wide where that has 64."""
    widths = (WIDTH,) * 4
    return AutoencoderTiny(
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=(1, 1, 1, 2),
        num_decoder_blocks=(3, 2, 1, 1),
        latent_channels=4,
        scaling_factor=1.0,
        force_upcast=False,
    )


def train(minutes: float, resume: bool, place: Place) -> None:
    """Its decoder learns the pictures behind the base's latents, its encoder those latents."""
    vae = load_base(place.base, place.device).vae
    torch.manual_seed(0)
    model = build()
    known = held_out_pictures(24).to(place.device)

    @torch.no_grad()
    def encode(images: Tensor) -> Tensor:
        with autocast(images.device):
            return vae.encode(images).latent_dist.mode().float()

    latents_known = encode(known)

    def loss(step: int) -> Tensor:
        rng = random.Random(f"preview {place.rank} {step}")
        images = to_tensor(np.stack([draw_to_learn(rng).pixels for _ in range(BATCH)])).to(place.device)
        latents = encode(images)
        with autocast(place.device):
            decoded = model.decode(latents + 0.05 * torch.randn_like(latents)).sample
            encoded = model.encode(images).latents
        off = decoded.float() - images
        edges = off.diff(dim=-1).abs().mean() + off.diff(dim=-2).abs().mean()
        return off.abs().mean() + 0.5 * edges + 0.3 * (encoded.float() - latents).abs().mean()

    @torch.no_grad()
    def shown(trained: nn.Module) -> Tensor:
        return trained.decode(latents_known).sample.clamp(-1, 1)

    def score(trained: nn.Module) -> dict[str, float]:
        error = ((shown(trained) - known) ** 2).mean((1, 2, 3)) / 4
        return {"psnr": float((-10 * torch.log10(error)).mean())}

    def sheet(trained: nn.Module, path: Path) -> None:
        rows = torch.stack([known, shown(trained)], 1).flatten(0, 1)
        write_sheet(to_pixels(rows.cpu()), path)

    task = Task("preview", model, loss, BATCH, rate=2e-3, score=score, score_every=60, sheet=sheet, ema=0.99)
    trained = fit(task, minutes, place, resume)
    if place.rank == 0:
        to = place.folder.parents[1] / place.folder.name
        trained.half().save_pretrained(to)
