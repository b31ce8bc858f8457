"""Larger pictures by networks that were trained for it."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from studio.diffusion.upscale import load_upscaler, upscale
from studio.library import models
from studio.sdk import Image, ModelPicker, Number, Resident, Upscaler, node, running


def _content(model: str) -> str:
    return models.content_hash(models.resolve(model, "upscaler"))


@node("model/LoadUpscaler", fingerprint=_content, aliases=("ESRGAN", "spandrel", "UpscaleModelLoader"))
def load(model: str = ModelPicker("upscaler")) -> Upscaler:
    """Open a network that makes pictures larger, or repairs them.

    Args:
        model: The file, of any architecture that spandrel knows: ESRGAN, Compact, SwinIR, DAT, HAT, SPAN and many more.
    """
    path = models.resolve(model, "upscaler")
    resident = Resident(
        f"{models.content_hash(path)}/upscaler", model, partial(load_upscaler, path), lambda held: [held.model]
    )
    return Upscaler(resident, "upscaler")


@node("image/UpscaleWithModel", title="Upscale with model", aliases=("enlarge", "super resolution", "ESRGAN"))
def upscale_with_model(
    image: Image, upscaler: Upscaler, tile: int = Number(512, 64, 4096, step=64, unit="px", advanced=True)
) -> Image:
    """Make a picture larger with a network, by the factor that it was trained for. Transparency is enlarged without it.

    Args:
        image: The picture, or a batch.
        upscaler: From Load upscaler.
        tile: Edge of the pieces that the network sees at once. Smaller ones need less memory.
    """
    context = running()
    network = context.use(upscaler.weights)
    colours = torch.from_numpy(image.rgb().pixels.copy())
    larger = upscale(network, colours, tile, context.progress).clamp(0, 1).numpy()
    if image.channels != 4:
        return Image(larger)
    alpha = Image(image.pixels[..., 3:].copy()).resized(larger.shape[2], larger.shape[1], "linear")
    return Image(np.concatenate([larger, alpha.pixels], axis=-1))
