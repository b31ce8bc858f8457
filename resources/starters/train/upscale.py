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
PICTURES = 480
CROP = 48  # of a small picture; larger than what one pixel of the result depends on
BATCH = 16


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

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) in [0, 1] to (n, 3, 2h, 2w)."""
        x = images
        for layer in self.body:
            x = layer(x)
        return functional.pixel_shuffle(x, SCALE) + functional.interpolate(images, scale_factor=SCALE, mode="nearest")


@torch.no_grad()
def start_from_linear(model: Compact) -> None:
    """Initialise so that the untrained model interpolates linearly.

    Three channels carry the colours through, as PReLU with slope 1 lets them; the last layer turns the nearest pixel into the weighted
    mean of the four nearest. The other channels keep their variance: the usual start of a convolution halves it at every layer, and ten
    layers on there is nothing left to learn from.
    """
    convolutions = [layer for layer in model.body if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        nn.init.kaiming_normal_(layer.weight, a=0.25)
        nn.init.zeros_(layer.bias)
    for layer in convolutions[:-1]:
        layer.weight[:3] = 0
        for colour in range(3):
            layer.weight[colour, colour, 1, 1] = 1
    for layer in model.body:
        if isinstance(layer, nn.PReLU):
            layer.weight[:3] = 1
    last = convolutions[-1].weight
    last.zero_()
    weights = {0: torch.tensor([0.25, 0.75, 0.0]), 1: torch.tensor([0.0, 0.75, 0.25])}
    for colour in range(3):
        for row in range(SCALE):
            for column in range(SCALE):
                kernel = last[colour * SCALE**2 + row * SCALE + column, colour]
                kernel += torch.outer(weights[row], weights[column])
                kernel[1, 1] -= 1


def pairs(vae: AutoencoderKL, rng: random.Random, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
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


def crops(small: Tensor, large: Tensor, rng: random.Random, count: int) -> tuple[Tensor, Tensor]:
    """`count` corresponding squares out of pictures by lot, CROP and SCALE * CROP wide, some mirrored or turned."""
    given, wanted = [], []
    for _ in range(count):
        row = rng.randrange(len(small))
        top, left = rng.randrange(small.shape[2] - CROP + 1), rng.randrange(small.shape[3] - CROP + 1)
        one = small[row, :, top : top + CROP, left : left + CROP]
        other = large[row, :, SCALE * top : SCALE * (top + CROP), SCALE * left : SCALE * (left + CROP)]
        if rng.random() < 0.5:
            one, other = one.flip(-1), other.flip(-1)
        turns = rng.randrange(4)
        given.append(one.rot90(turns, (1, 2)))
        wanted.append(other.rot90(turns, (1, 2)))
    return torch.stack(given), torch.stack(wanted)


def loss_of(model: nn.Module, given: Tensor, wanted: Tensor) -> Tensor:
    """L1 and L2, of which the latter weighs what the autoencoder has bent: by L1 alone pictures become sharp and wrong."""
    with autocast(given.device):
        off = model(given).float() - wanted
    return off.abs().mean() + 20 * (off**2).mean()


def psnr(upscaled: Tensor, wanted: Tensor) -> float:
    error = ((upscaled.clamp(0, 1) - wanted) ** 2).mean((1, 2, 3))
    return float((-10 * torch.log10(error)).mean())


def train(minutes: float, resume: bool, place: Place) -> None:
    vae = load_base(place.base, place.device).vae
    torch.manual_seed(0)
    model = Compact()
    start_from_linear(model)
    small, large = pairs(vae, random.Random(f"upscale {place.rank}"), PICTURES, place.device)
    known, truth = pairs(vae, random.Random(4242), 12, place.device)
    plain = functional.interpolate(known, scale_factor=SCALE, mode="bicubic")

    def loss(step: int) -> Tensor:
        return loss_of(model, *crops(small, large, random.Random(f"crops {place.rank} {step}"), BATCH))

    @torch.no_grad()
    def score(trained: nn.Module) -> dict[str, float]:
        return {"psnr": psnr(trained(known), truth), "bicubic": psnr(plain, truth)}

    @torch.no_grad()
    def sheet(trained: nn.Module, path: Path) -> None:
        rows = torch.stack([plain, trained(known), truth], 1).flatten(0, 1)
        write_sheet(to_pixels(rows.cpu() * 2 - 1), path, columns=6)

    task = Task("upscaler", model, loss, BATCH, rate=1e-3, score=score, score_every=120, sheet=sheet, ema=0.99)
    trained = fit(task, minutes, place, resume)
    if place.rank == 0:
        to = place.folder.parents[1] / place.folder.name
        to.mkdir(parents=True, exist_ok=True)
        state = {k: v.half().cpu().contiguous() for k, v in trained.state_dict().items()}
        save_file(state, to / "model.safetensors", metadata={"format": "pt"})
