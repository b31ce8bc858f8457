"""Pictures that a model goes by: what it is to edit, or to take a figure or a manner from."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from nodes.steered import combined, each
from studio.diffusion.decode import encode
from studio.diffusion.families.shared import REFERENCE
from studio.diffusion.family import families
from studio.sdk import VAE, Conditioning, Image, Slider, ValueRefused, node, running

MEGAPIXEL = 1024**2


@node(
    "conditioning/Reference",
    title="Reference picture",
    aliases=("edit", "kontext", "ReferenceLatent", "FluxKontextImageScale"),
)
def reference(
    conditioning: Conditioning, image: Image, vae: VAE, largest: float = Slider(1.0, 0.1, 4, step=0.1, unit="MP")
) -> Conditioning:
    """Show the model a picture beside the prompt: one to edit, or to go by. For Flux.1 Kontext and Flux.2.

    Several of these nodes one after the other show several pictures, and so does a batch. The prompt may speak of the first, the second ...

    Args:
        conditioning: What should become of it.
        image: The picture. Edges that the VAE cannot take are cut off on the right and below.
        vae: The one that belongs to the model.
        largest: A larger picture is made smaller, to so many megapixels. More are slower, and beyond 1 few models were trained.
    """
    family = families()[conditioning.family]
    if not family.refers:
        able = ", ".join(one.title for one in families().values() if one.refers)
        raise ValueRefused(
            f"Models of the family {family.title} go by no pictures.",
            socket="conditioning",
            mend=f"Families that do: {able}.",
        )
    if vae.family != conditioning.family:
        raise ValueRefused(
            f"This VAE is one of '{vae.family}', the conditioning of '{conditioning.family}'.",
            socket="vae",
            mend="Connect the VAE of the same checkpoint.",
        )
    share = math.sqrt(largest * MEGAPIXEL / (image.width * image.height))
    if share < 1:
        image = image.resized(max(int(image.width * share), 1), max(int(image.height * share), 1))
    network = running().use(vae.weights)
    latents = encode(network, torch.from_numpy(image.rgb().pixels.copy())).cpu()
    parts = []
    for one in each(conditioning):
        first = sum(name.startswith(f"extras.{REFERENCE}.") for name in one.tensors)
        prompts = one.tensors["embeds"].shape[0]
        shown = {
            f"extras.{REFERENCE}.{first + number}": latent.expand(prompts, -1, -1, -1).contiguous()
            for number, latent in enumerate(latents[:, None])
        }
        parts.append(replace(one, tensors={**one.tensors, **shown}))
    return combined(parts)
