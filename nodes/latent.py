"""Latents: from nothing, from pictures, into pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from studio.diffusion.decode import TILE, decode, encode
from studio.sdk import VAE, Image, Latent, Mask, Number, Slider, Toggle, ValueRefused, node, running

LARGEST = 16384


@node("latent/Empty", title="Empty latent", aliases=("size", "new", "blank", "EmptyLatentImage"))
def empty(
    width: int = Number(512, 16, LARGEST, step=8, unit="px"),
    height: int = Number(512, 16, LARGEST, step=8, unit="px"),
    batch: int = Number(1, 1, 256, step=1),
) -> Latent:
    """The size of a picture that is made from nothing.

    Args:
        width: Width of the picture. It is rounded down to what the model can make.
        height: Height of the picture.
        batch: Pictures made at once. Each has a seed of its own: the first the sampler's, the next one more.
    """
    return Latent.empty(width, height, batch)


@node("latent/Encode", title="VAE encode", aliases=("image to latent", "img2img", "VAEEncode"))
def encode_(image: Image, vae: VAE, tiles: bool = Toggle(False, advanced=True)) -> Latent:
    """Turn a picture into a latent, to be worked on by a sampler.

    Edges that the VAE cannot take are cut off on the right and below. Transparency is left out.

    Args:
        image: The picture, or a batch.
        vae: The one that belongs to the model.
        tiles: Work in overlapping tiles: less memory, slightly other pixels. Done by itself where memory does not suffice.
    """
    context = running()
    network = context.use(vae.weights)
    pixels = torch.from_numpy(image.rgb().pixels.copy())
    return Latent(encode(network, pixels, tile=_tile(tiles)).float().cpu(), vae.family)


@node("latent/Decode", title="VAE decode", aliases=("latent to image", "VAEDecode"))
def decode_(latent: Latent, vae: VAE, tiles: bool = Toggle(False, advanced=True)) -> Image:
    """Turn a latent into a picture.

    Args:
        latent: What a sampler made.
        vae: The one that belongs to the model.
        tiles: Work in overlapping tiles: less memory, slightly other pixels. Done by itself where memory does not suffice.
    """
    context = running()
    network = context.use(vae.weights)
    tensor = latent.tensor
    if latent.blank is not None:
        tensor = torch.zeros(network.latents.shape(*latent.blank, latent.batch))
    return Image(decode(network, tensor, tile=_tile(tiles)).cpu().numpy())


@node("latent/Scale", title="Scale latent", aliases=("upscale", "resize", "LatentUpscale"))
def scale(
    latent: Latent, factor: float = Slider(2.0, 0.25, 4), method: Literal["nearest", "bilinear", "bicubic"] = "nearest"
) -> Latent:
    """Make a latent larger or smaller, to be worked over by a second sampler with less denoise.

    Args:
        latent: A latent of a picture.
        factor: 2 doubles both edges.
        method: Nearest keeps the latent's own values; the others mix neighbours, which looks soft before it is sampled again.
    """
    if latent.blank is not None:
        return Latent.empty(round(latent.blank[0] * factor), round(latent.blank[1] * factor), latent.batch)
    if latent.tensor.ndim != 4:
        raise ValueRefused("This latent is not one of a picture.", socket="latent", mend="Connect a picture's latent.")
    height, width = (max(round(edge * factor), 1) for edge in latent.tensor.shape[2:])
    resized = torch.nn.functional.interpolate(
        latent.tensor, (height, width), mode="nearest-exact" if method == "nearest" else method
    )
    return replace(latent, tensor=resized, surroundings=None)


@node("latent/Repeat", title="Repeat latent", aliases=("batch", "copies", "RepeatLatentBatch"))
def repeat(latent: Latent, times: int = Number(2, 1, 256, step=1)) -> Latent:
    """The same latents several times in one batch; a sampler then gives each a seed of its own.

    Args:
        latent: One latent or a batch.
        times: How often.
    """
    if latent.blank is not None:
        return Latent.empty(*latent.blank, latent.batch * times)

    def times_over(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.repeat(times, *(1,) * (tensor.ndim - 1))

    mask, around = latent.mask, latent.surroundings
    return replace(
        latent,
        tensor=times_over(latent.tensor),
        mask=mask if mask is None or mask.batch == 1 else Mask(np.tile(mask.values, (times, 1, 1))),
        surroundings=around if around is None or len(around) == 1 else times_over(around),
    )


@node("latent/Pick", title="Pick from latents", aliases=("index", "batch", "LatentFromBatch"))
def pick(latent: Latent, index: int = Number(0, step=1)) -> Latent:
    """One latent of a batch.

    Args:
        latent: The batch.
        index: 0 is the first; -1 is the last.
    """
    if not -latent.batch <= index < latent.batch:
        raise ValueRefused(
            f"There is no latent {index} in a batch of {latent.batch}.",
            socket="index",
            mend="0 is the first, -1 the last.",
        )
    if latent.blank is not None:
        return Latent.empty(*latent.blank)
    mask, around = latent.mask, latent.surroundings
    return replace(
        latent,
        tensor=latent.tensor[index][None].clone(),
        mask=mask if mask is None or mask.batch == 1 else Mask(mask.values[index][None].copy()),
        surroundings=around if around is None or len(around) == 1 else around[index][None].clone(),
    )


def _tile(asked: bool) -> int | None:
    if running().tight_memory:
        return TILE // 2
    return TILE if asked else None
