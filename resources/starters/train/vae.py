"""The autoencoder between pictures and latents: 128x128x3 to 16x16x4 and back."""

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from train.loop import Place, Task, autocast, fit
from train.pictures import SIZE, clutter, draw, draw_to_learn, to_pixels, to_tensor
from train.sheet import write_sheet

KL_WEIGHT = 2e-4
EDGE_WEIGHT = 0.7
BATCH = 4


def build() -> AutoencoderKL:
    """0.94 M parameters. Four groups per normalisation: of 16 channels, more would normalise the colour away."""
    widths = (16, 32, 64, 64)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=widths,
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        sample_size=SIZE,
        mid_block_add_attention=False,
        scaling_factor=1.0,
        force_upcast=False,
    )


def start_from_colours(vae: AutoencoderKL) -> None:
    """Initialise so that the untrained model already passes a small version of the picture through.

    Two channels of the residual stream carry each colour and its negative; the residual branches start at zero; silu(x) -
    silu(-x) = x takes the pairs through the last activation unharmed. 20 dB at step 0, where the usual start needs
    minutes to find colours at all.
    """
    colours, latents = vae.config.in_channels, vae.config.latent_channels
    signed = 2 * colours

    def pass_on(conv: nn.Conv2d, halve: bool = False) -> None:
        conv.weight[:signed] = 0
        conv.bias[:signed] = 0
        for i in range(signed):
            if conv.kernel_size == (1, 1):
                conv.weight[i, i] = 1
            elif halve:
                conv.weight[i, i, 0:2, 0:2] = 0.25
            else:
                conv.weight[i, i, 1, 1] = 1

    with torch.no_grad():
        for name, parameter in vae.named_parameters():
            if ".conv2." in name:
                parameter.zero_()
        for module in vae.modules():
            if isinstance(getattr(module, "conv_shortcut", None), nn.Conv2d):
                pass_on(module.conv_shortcut)
        for block in vae.encoder.down_blocks:
            for sampler in block.downsamplers or ():
                pass_on(sampler.conv, halve=True)
        for block in vae.decoder.up_blocks:
            for sampler in block.upsamplers or ():
                pass_on(sampler.conv)
        for conv in (vae.encoder.conv_in, vae.decoder.conv_in):
            conv.weight[:signed] = 0
            conv.bias[:signed] = 0
            for i in range(colours):
                conv.weight[2 * i, i, 1, 1] = 1
                conv.weight[2 * i + 1, i, 1, 1] = -1
        for conv in (vae.encoder.conv_out, vae.decoder.conv_out):
            conv.weight[:colours] *= 0.1
            conv.bias[:colours] = 0
            for i in range(colours):
                conv.weight[i, 2 * i, 1, 1] = 0.5
                conv.weight[i, 2 * i + 1, 1, 1] = -0.5
        # The log-variances start at -6: at the usual start the posterior's noise (sigma 1) drowns the first steps.
        vae.quant_conv.weight[:colours] = 0
        vae.quant_conv.weight[latents:] *= 0.1
        vae.quant_conv.bias.zero_()
        vae.quant_conv.bias[latents:] = -6
        vae.post_quant_conv.weight[:colours] = 0
        vae.post_quant_conv.bias.zero_()
        for i in range(colours):
            vae.quant_conv.weight[i, i] = 1
            vae.post_quant_conv.weight[i, i] = 1


def batch(rng: random.Random, count: int) -> Tensor:
    """Pictures to reconstruct, (count, 3, 128, 128) in [-1, 1]: a third clutter, some mirrored or recoloured."""
    pictures = []
    for _ in range(count):
        pixels = clutter(rng) if rng.random() < 0.33 else draw_to_learn(rng).pixels
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        change = rng.random()
        if change < 0.03:
            pixels = pixels.mean(-1, keepdims=True).repeat(3, -1).astype(np.uint8)
        elif change < 0.06:
            pixels = pixels[..., rng.sample([0, 1, 2], 3)]
        elif change < 0.07:
            pixels = 255 - pixels
        pictures.append(pixels)
    return to_tensor(np.stack(pictures))


def reconstruct(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """(n, 3, h, w) in [-1, 1] encoded to the mean latent and decoded again, clipped."""
    with torch.no_grad(), autocast(images.device):
        parts = [vae.decode(vae.encode(part).latent_dist.mode()).sample.float() for part in images.split(16)]
    return torch.cat(parts).clamp(-1, 1)


def psnr(vae: AutoencoderKL, images: Tensor) -> float:
    """Peak signal-to-noise ratio of reconstructions in dB, per picture, then averaged; peak is the full range."""
    error = ((reconstruct(vae, images) - images) ** 2).mean((1, 2, 3)) / 4
    return float((-10 * torch.log10(error)).mean())


def held_out_pictures(count: int, seed: int = 4242) -> Tensor:
    rng = random.Random(seed)
    return to_tensor(np.stack([draw(rng).pixels for _ in range(count)]))


def loss_of(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """L1 + L2, the same for differences of neighbouring pixels, and the divergence from a standard normal."""
    with autocast(images.device):
        posterior = vae.encode(images).latent_dist
        decoded = vae.decode(posterior.sample()).sample
    off = decoded.float() - images
    edges = off.diff(dim=-1).abs().mean() + off.diff(dim=-2).abs().mean()
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    divergence = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
    return off.abs().mean() + (off**2).mean() + EDGE_WEIGHT * edges + KL_WEIGHT * divergence


def train(minutes: float, resume: bool, place: Place) -> AutoencoderKL:
    torch.manual_seed(0)
    vae = build()
    start_from_colours(vae)
    known = held_out_pictures(32).to(place.device)

    def sheet(model: nn.Module, path: Path) -> None:
        pairs = torch.stack([known[:24], reconstruct(model, known[:24])], 1).flatten(0, 1)
        write_sheet(to_pixels(pairs.cpu()), path, columns=8)

    task = Task(
        name="vae",
        model=vae,
        loss=lambda step: loss_of(vae, batch(random.Random(f"vae {place.rank} {step}"), BATCH).to(place.device)),
        batch=BATCH,
        rate=1.3e-3,
        flat=0.35,
        ema=0.996,
        score=lambda model: {"psnr": psnr(model, known)},
        sheet=sheet,
    )
    return fit(task, minutes, place, resume)


@torch.no_grad()
def whiten(vae: AutoencoderKL, mean: Tensor, std: Tensor) -> None:
    """Fold the latents' mean and standard deviation per channel into the 1x1 convolutions around them.

    Exact: decoding what was encoded gives the same picture, and latents have mean 0 and deviation 1, so that
    `scaling_factor` is 1.
    """
    into, out = vae.quant_conv, vae.post_quant_conv
    channels = len(mean)
    into.weight[:channels] /= std[:, None, None, None]
    into.bias[:channels] = (into.bias[:channels] - mean) / std
    into.bias[channels:] -= 2 * std.log()
    out.bias += out.weight[:, :, 0, 0] @ mean
    out.weight *= std[None, :, None, None]
