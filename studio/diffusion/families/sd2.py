"""Stable Diffusion 2.x: the network of 1.x with an OpenCLIP text encoder of width 1024, and v-prediction at 768 pixels.

The text encoder is cut after its penultimate layer, by its config: the last hidden states are the right ones here too.
"""

from __future__ import annotations

from typing import ClassVar

from studio.diffusion.families.sd1 import StableDiffusion1, TextPart, UNetShape
from studio.diffusion.prediction import Prediction


class StableDiffusion2(StableDiffusion1):
    """SD 2.x. Single files are taken for the 768 pixel model; for a `base` model, epsilon has to be asked for."""

    name: ClassVar[str] = "sd2"
    title: ClassVar[str] = "Stable Diffusion 2"
    prediction: ClassVar[Prediction] = Prediction.V
    text_parts: ClassVar[tuple[TextPart, ...]] = (TextPart("text_encoder", "tokenizer", "CLIPTextModel", padding="!"),)

    def is_mine(self, shape: UNetShape) -> bool:
        return not shape.pooled and shape.context == 1024


FAMILY = StableDiffusion2()
