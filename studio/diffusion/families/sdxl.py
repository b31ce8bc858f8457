"""Stable Diffusion XL (Podell et al. 2023, arXiv:2307.01952).

Two text encoders, whose penultimate hidden states lie side by side; the second one's projected embedding and the picture's size
condition the network as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from studio.diffusion.families.sd1 import StableDiffusion1, TextPart, UNetShape
from studio.diffusion.families.shared import check_prompts
from studio.diffusion.family import Encoded
from studio.diffusion.model import Conditioned, LoadedModel, LoadedTextEncoder
from studio.diffusion.prediction import Prediction
from studio.diffusion.text import clip_hidden, tokenize
from studio.graph.errors import ValueRefused


class StableDiffusionXL(StableDiffusion1):
    """SDXL base. Its refiner, which has one text encoder and other size conditions, is a family of its own."""

    name: ClassVar[str] = "sdxl"
    title: ClassVar[str] = "Stable Diffusion XL"
    prediction: ClassVar[Prediction] = Prediction.EPSILON
    text_parts: ClassVar[tuple[TextPart, ...]] = (
        TextPart("text_encoder", "tokenizer", "CLIPTextModel"),
        TextPart("text_encoder_2", "tokenizer_2", "CLIPTextModelWithProjection", padding="!"),
    )

    def is_mine(self, shape: UNetShape) -> bool:
        return shape.pooled and shape.context != 1280

    def encode(self, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        check_prompts(prompts)
        hidden, pooled = [], None
        for tokenizer, part in zip(encoder.tokenizers, encoder.encoders, strict=True):
            tokens = tokenize(tokenizer, part, prompts)
            states, pooled = clip_hidden(part, tokens.ids, skip_layers + 1, final_norm=False)
            hidden.append(states)
        return Encoded(Conditioned(torch.cat(hidden, dim=-1), pooled), tokens.counts, tokens.window, tokens.cut)

    def added(self, model: LoadedModel, x: Tensor, conditioned: Conditioned) -> dict[str, Tensor] | None:
        """Pooled embedding and sizes."""
        if conditioned.pooled is None:
            raise ValueRefused(
                "This conditioning has no pooled embedding.",
                socket="positive",
                mend="Encode it with the text encoder of an SDXL checkpoint.",
            )
        return {"text_embeds": conditioned.pooled, "time_ids": self.sizes(model, x, conditioned)}

    def sizes(self, model: LoadedModel, x: Tensor, conditioned: Conditioned) -> Tensor:
        """(prompts, 6): original height and width, crop top and left, target height and width in pixels.

        Taken from `extras["time_ids"]` where it is there; else the size of the picture in the making, not cropped.
        """
        sizes = conditioned.extras.get("time_ids")
        if sizes is None:
            height, width = (edge * model.latents.factor for edge in x.shape[2:])
            # Filled on the device: a copy from the CPU would wait for the step before.
            edges = [x.new_full((x.shape[0], 1), edge) for edge in (height, width, 0, 0, height, width)]
            sizes = torch.cat(edges, dim=1).to(conditioned.embeds.dtype)
        return sizes


FAMILY = StableDiffusionXL()
