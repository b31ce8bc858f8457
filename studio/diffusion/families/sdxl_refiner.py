"""The refiner of Stable Diffusion XL (Podell et al. 2023, arXiv:2307.01952, section 2.5).

A network for the last, low noise levels, in the latents of SDXL: it goes on where SDXL's own stops. It has the second of SDXL's text
encoders alone, and is told how beautiful the picture should be in place of its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from studio.diffusion.families.sd1 import TextPart, UNetShape
from studio.diffusion.families.sdxl import StableDiffusionXL
from studio.diffusion.family import Encoded
from studio.diffusion.model import Conditioned, LoadedModel, LoadedTextEncoder

AESTHETIC_SCORE = "aesthetic_score"
"""Extra of a conditioning, (prompts, 1)."""
BEAUTIFUL = 6.0
"""The score of a prompt where nothing else is said; the authors give negative prompts 2.5."""


class StableDiffusionXLRefiner(StableDiffusionXL):
    """SDXL's refiner."""

    name: ClassVar[str] = "sdxl_refiner"
    title: ClassVar[str] = "Stable Diffusion XL refiner"
    latents_of: ClassVar[str] = "sdxl"
    text_parts: ClassVar[tuple[TextPart, ...]] = (
        TextPart("text_encoder_2", "tokenizer_2", "CLIPTextModelWithProjection", padding="!"),
    )

    def is_mine(self, shape: UNetShape) -> bool:
        return shape.pooled and shape.context == 1280

    def encode(self, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        encoded = super().encode(encoder, prompts, skip_layers)
        score = encoded.conditioned.embeds.new_full((len(prompts), 1), BEAUTIFUL)
        return replace(encoded, conditioned=replace(encoded.conditioned, extras={AESTHETIC_SCORE: score}))

    def sizes(self, model: LoadedModel, x: Tensor, conditioned: Conditioned) -> Tensor:
        """(prompts, 5): height, width, and crop as for SDXL, then the score out of `extras["aesthetic_score"]`."""
        sizes = super().sizes(model, x, conditioned)
        return torch.cat([sizes[:, :4], conditioned.extras[AESTHETIC_SCORE].to(sizes)], dim=1)


FAMILY = StableDiffusionXLRefiner()
