"""What a model family has to say for itself, and where the families are found.

A family is one module in `families/` with a `FAMILY`. Nothing else names it: the loader asks every family whether a file is one of
its own, and from then on the loaded parts carry their family with them.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from studio.diffusion.device import Dtypes, dtype_of
from studio.diffusion.foreign import Foreign, config_of
from studio.diffusion.model import Checkpoint, Conditioned, LoadedModel, LoadedTextEncoder, LoadedVAE
from studio.diffusion.weights.folder import ModelFolder
from studio.diffusion.weights.header import TensorInfo
from studio.diffusion.weights.single_file import SingleFile


@dataclass(frozen=True, slots=True)
class Detected:
    """What the names and shapes of a file's tensors say."""

    family: str
    variant: str = ""
    """"" for the plain text-to-image network; "inpaint", "depth" and the like where the input differs."""
    layout: str = "diffusers"
    """"diffusers", or "ldm" for the original one-file layout."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Prompts as the network takes them, and how they fitted."""

    conditioned: Conditioned
    tokens: tuple[int, ...]
    """Tokens of every prompt, start and end markers included, before anything was cut off."""
    window: int
    """Tokens that fit."""
    cut: tuple[str, ...]
    """What was cut off every prompt; "" where it fitted."""


class Family(ABC):
    """How to detect, load, condition, call and decode the models of one family."""

    name: ClassVar[str]
    """Short and stable: it is written into files."""
    title: ClassVar[str]
    """For people."""
    takes_prompt: ClassVar[bool] = True
    """False where there is no text encoder: the models are sampled without a conditioning, and never guided."""
    latents_of: ClassVar[str] = ""
    """The family whose latents these models work on, where it is another: one then goes on where the other stops."""
    refers: ClassVar[bool] = False
    """True where pictures to go by may be in the extras of a conditioning, as latents "reference.0" and so on."""
    masks: ClassVar[bool] = False
    """True where the network is told which tokens to look at: prompts of different length then share a forward, padded."""

    @abstractmethod
    def detect(self, tensors: Mapping[str, TensorInfo]) -> Detected | None:
        """Whether the denoising network in a file of these tensors is of this family. At most one family says so."""

    @abstractmethod
    def load_folder(self, folder: ModelFolder, dtypes: Dtypes) -> Checkpoint:
        """All parts from a diffusers folder. Raises ModelUnreadable."""

    @abstractmethod
    def load_file(self, file: SingleFile, dtypes: Dtypes) -> Checkpoint:
        """All parts from one file in the original layout. Raises ModelUnreadable."""

    @abstractmethod
    def encode(self, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        """Prompts to conditioning, all in one forward. `skip_layers`: take the text encoder's output that many layers early."""

    @abstractmethod
    def call(
        self, model: LoadedModel, x: Tensor, time: float, conditioned: Conditioned, guidance: float | None
    ) -> Tensor:
        """The network's raw output, float32. `x` (batch, channels, ...) float32 as `Prediction.model_input` made it; `conditioned` with as
        many prompts as the batch has items; `guidance` only for networks that take it as an input."""

    def takes_guidance(self, model: LoadedModel) -> bool:
        """True where guidance is an input of the network (distilled models): it is then not applied a second time."""
        return False

    def guide(self, model: LoadedModel, negative: Tensor, positive: Tensor, scale: float) -> Tensor:
        """The prediction to follow, from those for the two prompts. Overridden where the authors guide their model in another way."""
        return negative + scale * (positive - negative)

    def input_channels(self, model: LoadedModel) -> int:
        """Channels of the network's input, at the latent's size: more than the latent's where the network is shown something beside it."""
        return int(getattr(config_of(model.network), "in_channels", model.latents.channels))

    def inpainting_channels(self, model: LoadedModel, mask: Tensor, surroundings: Tensor) -> Tensor:
        """The further channels of an inpainting network's input, (batch, more, h, w).

        mask: (1 or batch, height, width) at any size; from 0.5 on a place is made anew. surroundings: (1 or batch, channels, h, w) latent
        of the picture with what is inside of the mask made grey. By default those of Stable Diffusion (Rombach et al. 2022): the mask at
        the latent's size, by its nearest pixel, before the latent.
        """
        small = F.interpolate((mask[:, None] >= 0.5).float(), surroundings.shape[-2:], mode="nearest")
        return beside_each_other(small, surroundings)

    def to_pixels(self, vae: LoadedVAE, latent: Tensor) -> Tensor:
        """One scaled latent (1, channels, h, w) float32 on the VAE's device -> picture (1, 3, H, W) in the VAE's format, about -1 .. 1."""
        latent = latent / vae.latents.scaling
        if vae.latents.shift:
            latent = latent + vae.latents.shift
        picture: Tensor = cast("Foreign", vae.network).decode(latent.to(dtype_of(vae.network)), return_dict=False)[0]
        return picture

    def to_latent(self, vae: LoadedVAE, picture: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The inverse of `to_pixels`, of a picture in the VAE's format: the posterior's mean, or with a `generator` a sample of it."""
        latent: Foreign = cast("Foreign", vae.network).encode(picture, return_dict=False)[0]
        if not isinstance(latent, Tensor):  # else the VAE has one latent for a picture, not a distribution
            latent = latent.mode() if generator is None else latent.sample(generator)
        latent = latent.float()
        if vae.latents.shift:
            latent = latent - vae.latents.shift
        scaled: Tensor = latent * vae.latents.scaling
        return scaled


def beside_each_other(first: Tensor, second: Tensor) -> Tensor:
    """The channels of both, (1 or batch, channels, h, w); one item serves all of the other."""
    batch = max(len(first), len(second))
    return torch.cat([one.expand(batch, -1, -1, -1) for one in (first.to(second), second)], dim=1)


@cache
def families() -> Mapping[str, Family]:
    """Every family by name: the modules of the `families` folder that have a `FAMILY`."""
    import studio.diffusion.families as folder

    modules = (
        importlib.import_module(f"{folder.__name__}.{found.name}") for found in pkgutil.iter_modules(folder.__path__)
    )
    members: list[Family] = [module.FAMILY for module in modules if hasattr(module, "FAMILY")]
    return {family.name: family for family in members}


def latents_of(name: str) -> str:
    """The family whose latents the models of this family work on: itself, unless it says otherwise."""
    found = families().get(name)
    return name if found is None else found.latents_of or name


def detect(tensors: Mapping[str, TensorInfo]) -> Detected | None:
    """The family whose network these tensors are; None where no family knows them."""
    return next((found for family in families().values() if (found := family.detect(tensors))), None)
