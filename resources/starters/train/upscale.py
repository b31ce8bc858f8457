"""The 2x upscaler: 128x128 pictures, as the autoencoder leaves them, to clean 256x256."""

import random
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from train.base import load_base
from train.loop import Place, Task, autocast, fit
from train.pictures import SIZE, clutter, draw_to_learn, to_pixels, to_tensor
from train.sheet import write_sheet
from train.vae import reconstruct

SCALE = 2
FEATURES = 24
LAYERS = 8
BATCH = 6


class Compact(nn.Module):
    """The SRVGGNetCompact architecture (Real-ESRGAN), with its names, so that spandrel recognises the weights."""

    def __init__(self) -> None:
        super().__init__()
        inner = [m for _ in range(LAYERS) for m in (nn.Conv2d(FEATURES, FEATURES, 3, 1, 1), nn.PReLU(FEATURES))]
        self.body = nn.ModuleList(
            [
                nn.Conv2d(3, FEATURES, 3, 1, 1),
                nn.PReLU(FEATURES),
                *inner,
                nn.Conv2d(FEATURES, 3 * SCALE**2, 3, 1, 1),
            ]
        )
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                # The usual start of a convolution halves what passes; after ten of them nothing would be left to learn from.
                nn.init.kaiming_normal_(layer.weight, a=0.25)
                nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.body[-1].weight)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) in [0, 1] to (n, 3, 2h, 2w)."""
        x = images
        for layer in self.body:
            x = layer(x)
        return functional.pixel_shuffle(x, SCALE) + functional.interpolate(images, scale_factor=SCALE, mode="nearest")


def batch(vae: AutoencoderKL, rng: random.Random, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Small and large pictures in [0, 1]; two thirds of the small ones went through the autoencoder."""
    side = SIZE * SCALE
    large = np.stack(
        [clutter(rng, side) if rng.random() < 0.2 else draw_to_learn(rng, size=side).pixels for _ in range(count)]
    )
    small = np.stack([cv2.resize(p, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for p in large])
    wanted, given = to_tensor(large).to(device), to_tensor(small).to(device)
    through = 2 * count // 3
    given = torch.cat([reconstruct(vae, given[:through]), given[through:]])
    return (given + 1) / 2, (wanted + 1) / 2


def psnr(upscaled: Tensor, wanted: Tensor) -> float:
    error = ((upscaled.clamp(0, 1) - wanted) ** 2).mean((1, 2, 3))
    return float((-10 * torch.log10(error)).mean())


def train(minutes: float, resume: bool, place: Place) -> None:
    vae = load_base(place.base, place.device).vae
    torch.manual_seed(0)
    model = Compact()
    known, truth = batch(vae, random.Random(4242), 12, place.device)
    plain = functional.interpolate(known, scale_factor=SCALE, mode="bicubic")

    def loss(step: int) -> Tensor:
        given, wanted = batch(vae, random.Random(f"upscale {place.rank} {step}"), BATCH, place.device)
        with autocast(place.device):
            off = model(given).float() - wanted
        edges = off.diff(dim=-1).abs().mean() + off.diff(dim=-2).abs().mean()
        return off.abs().mean() + 0.5 * edges

    @torch.no_grad()
    def score(trained: nn.Module) -> dict[str, float]:
        return {"psnr": psnr(trained(known), truth), "bicubic": psnr(plain, truth)}

    @torch.no_grad()
    def sheet(trained: nn.Module, path: Path) -> None:
        rows = torch.stack([plain, trained(known), truth], 1).flatten(0, 1)
        write_sheet(to_pixels(rows.cpu() * 2 - 1), path, columns=6)

    task = Task("upscaler", model, loss, BATCH, rate=5e-4, score=score, score_every=60, sheet=sheet, ema=0.99)
    trained = fit(task, minutes, place, resume)
    if place.rank == 0:
        to = place.folder.parents[1] / place.folder.name
        to.mkdir(parents=True, exist_ok=True)
        state = {k: v.half().cpu().contiguous() for k, v in trained.state_dict().items()}
        save_file(state, to / "model.safetensors", metadata={"format": "pt"})
