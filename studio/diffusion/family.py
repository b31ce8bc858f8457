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
from typing import ClassVar

from torch import Tensor

from studio.diffusion.device import Dtypes
from studio.diffusion.model import Checkpoint, Conditioned, LoadedModel, LoadedTextEncoder
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


@cache
def families() -> Mapping[str, Family]:
    """Every family by name: the modules of the `families` folder that have a `FAMILY`."""
    import studio.diffusion.families as folder

    modules = (
        importlib.import_module(f"{folder.__name__}.{found.name}") for found in pkgutil.iter_modules(folder.__path__)
    )
    members: list[Family] = [module.FAMILY for module in modules if hasattr(module, "FAMILY")]
    return {family.name: family for family in members}


def detect(tensors: Mapping[str, TensorInfo]) -> Detected | None:
    """The family whose network these tensors are; None where no family knows them."""
    return next((found for family in families().values() if (found := family.detect(tensors))), None)
