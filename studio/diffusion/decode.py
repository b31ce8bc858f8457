"""Between pictures and latents, through the VAE."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from studio.diffusion.device import device_of, dtype_of
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import LoadedVAE
from studio.graph.errors import ValueRefused

TILE = 512
"""Pixels along the edge of a tile."""


@torch.no_grad()
def decode(vae: LoadedVAE, latent: Tensor, *, tile: int | None = None) -> Tensor:
    """Scaled latent (batch, channels, h, w) -> picture (batch, H, W, 3) float32 in [0, 1], on the VAE's device.

    One item at a time, so that a batch needs the memory of one picture. With `tile` (pixels along an edge), each is decoded in overlapping,
    blended tiles: much less memory, slightly other pixels. Raises ValueRefused for a latent of another format.
    """
    if latent.ndim != 4 or latent.shape[1] != vae.latents.channels or 0 in latent.shape:
        raise ValueRefused(
            f"The latent has the shape {tuple(latent.shape)}; this VAE takes (batch, {vae.latents.channels}, height, width).",
            socket="latent",
            mend="Use the VAE of the checkpoint that made the latent.",
        )
    network = vae.network
    scaled = latent.to(device_of(network), torch.float32)
    with _tiled(network, tile):
        pictures = [vae.family.to_pixels(vae, item[None]) for item in scaled.unbind()]
    return (torch.cat(pictures).float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).contiguous()


@torch.no_grad()
def encode(
    vae: LoadedVAE, picture: Tensor, *, tile: int | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """Picture (batch, H, W, 3) float32 in [0, 1] -> scaled latent (batch, channels, h, w) float32, on the VAE's device.

    The mean of the VAE's posterior; with a CPU `generator`, a sample of it. Edges that are not a multiple of the VAE's factor and the
    model's patch are cut off on the right and below. Raises ValueRefused for another shape, or a picture smaller than one patch.
    """
    factor = vae.latents.factor * vae.latents.patch
    if picture.ndim != 4 or picture.shape[-1] != 3 or min(picture.shape[1:3]) < factor:
        raise ValueRefused(
            f"The picture has the shape {tuple(picture.shape)}; needed is (batch, height, width, 3), at least {factor} pixels an edge.",
            socket="image",
        )
    height, width = (edge // factor * factor for edge in picture.shape[1:3])
    network = vae.network
    pixels = picture[:, :height, :width].permute(0, 3, 1, 2).to(device_of(network), torch.float32).contiguous() * 2 - 1
    with _tiled(network, tile):
        return torch.cat(
            [vae.family.to_latent(vae, item[None], generator) for item in pixels.to(dtype_of(network)).unbind()]
        )


@contextmanager
def _tiled(network: Foreign, tile: int | None) -> Iterator[None]:
    """The VAE with tiling of that size switched on, and as it was afterwards. A VAE that cannot tile works whole."""
    names = ("use_tiling", "tile_sample_min_size", "tile_latent_min_size", "tile_overlap_factor")
    if tile is None or not all(hasattr(network, name) for name in names):
        yield
        return
    before = {name: getattr(network, name) for name in names}
    factor = before["tile_sample_min_size"] // before["tile_latent_min_size"]
    network.tile_latent_min_size = max(tile // factor, 8)
    network.tile_sample_min_size = network.tile_latent_min_size * factor
    network.use_tiling = True
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(network, name, value)
