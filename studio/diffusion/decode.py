"""Between pictures and latents, through the VAE."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

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
    blended tiles: much less memory, slightly other pixels. Raises ValueRefused for a latent of another format, and for a result that is
    not finite.
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
    # In place: a large picture is there once more for every operation that is not.
    pixels = torch.cat(pictures).float().div_(2).add_(0.5).clamp_(0, 1)
    if not pixels.isfinite().all():
        _not_finite("picture", "latent", scaled)
    return pixels.permute(0, 2, 3, 1).contiguous()


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
        latent = torch.cat(
            [vae.family.to_latent(vae, item[None], generator) for item in pixels.to(dtype_of(network)).unbind()]
        )
    if not latent.isfinite().all():
        _not_finite("latent", "image", pixels)
    return latent


def _not_finite(made: str, socket: str, given: Tensor) -> NoReturn:
    """Raises ValueRefused for a result with holes in it, which would be black, or nothing, without a word."""
    if not given.isfinite().all():
        raise ValueRefused(f"The {socket} holds numbers that are not finite.", socket=socket)
    raise ValueRefused(
        f"The {made} holds numbers that are not finite: the VAE overflows in its number format, or its file is damaged.",
        socket="vae",
        mend="Set the checkpoint's vae_precision to float32; if that does not help, download the file again.",
    )


_OVERLAP = 0.25
"""Of a tile with the next, for VAEs that are told so in pixels."""


@contextmanager
def _tiled(network: Foreign, tile: int | None) -> Iterator[None]:
    """The VAE with tiling of that size switched on, and as it was afterwards. A VAE that cannot tile works whole."""
    settings = {} if tile is None else _tiles_of(network, tile)
    before = {name: getattr(network, name) for name in settings}
    for name, value in settings.items():
        setattr(network, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(network, name, value)


def _tiles_of(network: Foreign, tile: int) -> dict[str, int | bool]:
    """The settings of a VAE of diffusers for tiles of about that size; none where it has no tiles."""
    if hasattr(network, "tile_overlap_factor"):
        factor = network.tile_sample_min_size // network.tile_latent_min_size
        edge = max(tile // factor, 8)
        return {"use_tiling": True, "tile_latent_min_size": edge, "tile_sample_min_size": edge * factor}
    if not hasattr(network, "tile_sample_stride_height"):
        return {}
    factor = network.spatial_compression_ratio
    edge = max(tile // factor, 8)
    stride = edge - max(int(edge * _OVERLAP), 1)
    sizes: dict[str, int | bool] = {"use_tiling": True}
    for side in ("height", "width"):
        sizes[f"tile_sample_min_{side}"], sizes[f"tile_sample_stride_{side}"] = edge * factor, stride * factor
        if hasattr(network, f"tile_latent_min_{side}"):
            sizes[f"tile_latent_min_{side}"] = edge
    return sizes
