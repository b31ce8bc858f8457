"""Pictures from a model in training, many at a time."""

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from train.loop import autocast
from train.noise import dpmpp_2m
from train.pictures import to_pixels
from train.words import token_ids


@dataclass
class Parts:
    """What makes a picture of a caption. `unet` may be any denoiser with the UNet's call."""

    unet: UNet2DConditionModel | nn.Module
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    vae: AutoencoderKL

    @property
    def device(self) -> torch.device:
        return next(self.text_encoder.parameters()).device

    def states(self, captions: list[str]) -> Tensor:
        """(n, 77, 128) what the text encoder makes of the captions."""
        with torch.no_grad():
            return self.text_encoder(token_ids(self.tokenizer, captions).to(self.device))[0]


def starting_noise(count: int, seed: int) -> Tensor:
    return torch.randn(count, 4, 16, 16, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def sample(
    parts: Parts, captions: list[str], seed: int = 0, steps: int = 20, guidance: float = 3.0, chunk: int = 40
) -> NDArray[np.uint8]:
    """(n, 128, 128, 3) uint8 pictures by DPM++ 2M with classifier-free guidance."""
    pictures = []
    noise = starting_noise(len(captions), seed).to(parts.device)
    for first in range(0, len(captions), chunk):
        said = captions[first : first + chunk]
        latents = noise[first : first + chunk]
        scheduler = dpmpp_2m()
        scheduler.set_timesteps(steps)
        states = torch.cat([parts.states([""] * len(said)), parts.states(said)])
        for timestep in scheduler.timesteps:
            with autocast(parts.device):
                both = parts.unet(torch.cat([latents, latents]), timestep, states).sample.float()
            without, with_text = both.chunk(2)
            latents = scheduler.step(without + guidance * (with_text - without), timestep, latents).prev_sample
        with autocast(parts.device):
            pictures.append(to_pixels(parts.vae.decode(latents).sample.cpu()))
    return np.concatenate(pictures)
