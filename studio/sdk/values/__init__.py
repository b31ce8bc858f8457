"""The values that travel along wires. Text, whole numbers, numbers, on/off and choices are plain Python values."""

from __future__ import annotations

from studio.sdk.values.audio import Audio, Mel
from studio.sdk.values.image import Image
from studio.sdk.values.latent import Conditioning, Latent, Noise, Schedule
from studio.sdk.values.mask import Mask
from studio.sdk.values.mesh import Mesh
from studio.sdk.values.models import VAE, ControlNet, Model, Pipeline, TextEncoder, Upscaler, Vocoder
from studio.sdk.values.text import Color, Curve, FilePath
from studio.sdk.values.trail import Trail, TrailPart
from studio.sdk.values.video import Video

__all__ = [
    "VAE", "Audio", "Color", "Conditioning", "ControlNet", "Curve", "FilePath", "Image", "Latent", "Mask", "Mel", "Mesh", "Model",
    "Noise", "Pipeline", "Schedule", "TextEncoder", "Trail", "TrailPart", "Upscaler", "Video", "Vocoder",
]  # fmt: skip
