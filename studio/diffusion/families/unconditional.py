"""Models that take no prompt: DDPM and DDIM (Ho et al. 2020, arXiv:2006.11239), and consistency models (Song et al. 2023,
arXiv:2303.01469). Some are told the class of the picture instead.

A U-Net without cross-attention, which works on the picture's own pixels in [-1, 1]; where the folder holds a VQ autoencoder (latent
diffusion without a prompt), on its latents. The scheduler's config says which kind the network is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from studio.diffusion.device import Dtypes, dtype_of
from studio.diffusion.families.shared import folders_only, prediction_of, times_of
from studio.diffusion.family import Detected, Encoded, Family
from studio.diffusion.foreign import Foreign, config_of
from studio.diffusion.model import Checkpoint, Conditioned, LatentFormat, LoadedModel, LoadedTextEncoder, LoadedVAE
from studio.diffusion.noise_schedule import BetaSchedule, NoiseSchedule
from studio.diffusion.prediction import Clamped, Parametrization
from studio.diffusion.preview import Projection, ProjectionOf, pixel_projection
from studio.diffusion.process import EXPLODING, NoisingProcess
from studio.diffusion.weights.components import load_network
from studio.diffusion.weights.folder import ModelFolder
from studio.diffusion.weights.header import TensorInfo
from studio.diffusion.weights.single_file import SingleFile
from studio.graph.errors import ModelUnreadable, ValueRefused

CLASS = "class_labels"
"""Name under which a conditioning carries the class: (prompts,) int64."""
BETA_SCHEDULERS = (
    "DDIM", "DDPM", "DEISMultistep", "DPMSolverMultistep", "DPMSolverSDE", "DPMSolverSinglestep", "EulerAncestralDiscrete",
    "EulerDiscrete", "HeunDiscrete", "IPNDM", "KDPM2AncestralDiscrete", "KDPM2Discrete", "LMSDiscrete", "PNDM", "UniPCMultistep",
)  # fmt: skip
"""Schedulers of diffusers for networks that were trained on a table of betas."""


class Unconditional(Family):
    """U-Nets that take no prompt, from diffusers folders."""

    name: ClassVar[str] = "unconditional"
    title: ClassVar[str] = "Unconditional (DDPM, DDIM, consistency models)"
    takes_prompt: ClassVar[bool] = False

    def detect(self, tensors: Mapping[str, TensorInfo]) -> Detected | None:
        parts = {
            "conv_in.weight": 4,
            "conv_out.weight": 4,
            "time_embedding.linear_1.weight": 2,
            "mid_block.resnets.0.conv1.weight": 4,
        }
        if not all(part in tensors and len(tensors[part].shape) == dims for part, dims in parts.items()):
            return None
        taken, given = tensors["conv_in.weight"].shape[1], tensors["conv_out.weight"].shape[0]
        if given not in (taken, 2 * taken):  # it is shown a picture beside the noise
            return None
        others = (".attn", ".transformer_blocks.", ".add_k_proj.", ".temp_", ".motion_modules.", "add_embedding.")
        if any(other in f".{name}" for name in tensors for other in others):
            return None
        return Detected(self.name, "class" if "class_embedding.weight" in tensors else "")

    def load_folder(self, folder: ModelFolder, dtypes: Dtypes) -> Checkpoint:
        import diffusers

        network = load_network(folder, "unet", diffusers.UNet2DModel, dtypes.network)
        config = config_of(network)
        coarsest = 2 ** (len(config.block_out_channels) - 1)
        projection: Callable[[], Projection | None]
        if folder.has("vqvae"):
            vae = load_network(folder, "vqvae", diffusers.VQModel, dtypes.vae)
            vq = config_of(vae)
            factor = 2 ** (len(vq.block_out_channels) - 1)
            latents = LatentFormat(config.in_channels, factor, vq.scaling_factor, patch=coarsest)
            loaded = LoadedVAE(self, vae, latents)
            projection = ProjectionOf(loaded)
        else:
            latents = LatentFormat(config.in_channels, 1, patch=coarsest)
            loaded = LoadedVAE(self, Pixels(config.in_channels), latents)
            projection = partial(pixel_projection, config.in_channels)
        edge = config.sample_size
        height, width = (edge, edge) if isinstance(edge, int) or edge is None else edge
        size = ((width or coarsest) * latents.factor, (height or coarsest) * latents.factor)
        parametrization, noise = _trained(folder)
        return Checkpoint(LoadedModel(self, network, parametrization, noise, latents, size, projection), None, loaded)

    def load_file(self, file: SingleFile, dtypes: Dtypes) -> Checkpoint:
        folders_only(file, "An unconditional model")

    def encode(self, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        raise ValueRefused("This model takes no prompt.", socket="text_encoder", mend="Leave the prompt out.")

    def call(
        self, model: LoadedModel, x: Tensor, time: float, conditioned: Conditioned, guidance: float | None
    ) -> Tensor:
        network = model.network
        output: Tensor = network(
            x.to(dtype_of(network)),
            times_of(x, time),
            class_labels=_classes(network, conditioned),
            return_dict=False,
        )[0]
        # Some networks predict a variance too.
        return output[:, : x.shape[1]].float()


@dataclass(frozen=True, slots=True)
class Consistency:
    """Boundary weights of consistency models (appendix C): at sigma_min the network's answer is the input itself."""

    sigma_min: float
    sigma_data: float

    @property
    def process(self) -> NoisingProcess:
        return EXPLODING

    def model_input(self, x: Tensor, sigma: float) -> Tensor:
        return x / math.sqrt(sigma**2 + self.sigma_data**2)

    def denoised(self, x: Tensor, sigma: float, output: Tensor) -> Tensor:
        above = sigma - self.sigma_min
        skip = self.sigma_data**2 / (above**2 + self.sigma_data**2)
        out = above * self.sigma_data / math.sqrt(sigma**2 + self.sigma_data**2)
        return out * output + skip * x


@dataclass(frozen=True, slots=True)
class ConsistencySchedule:
    """Noise levels of Karras et al. 2022, equation 5; the network is told 250 log(sigma)."""

    sigma_min: float
    sigma_max: float
    rho: float
    timesteps: int
    lowest: float = 0.0

    def sigma(self, timestep: float) -> float:
        low, high = (edge ** (1 / self.rho) for edge in (self.sigma_min, self.sigma_max))
        return float((low + timestep / (self.timesteps - 1) * (high - low)) ** self.rho)

    def timestep(self, sigma: float) -> float:
        low, high, root = (edge ** (1 / self.rho) for edge in (self.sigma_min, self.sigma_max, max(sigma, 0.0)))
        share: float = (root - low) / (high - low)
        return min(max(share, 0.0), 1.0) * (self.timesteps - 1)

    def model_time(self, sigma: float) -> float:
        return 250 * math.log(sigma + 1e-44)


class Pixels(nn.Module):
    """Stands where other models have a VAE: the latent is the picture in [-1, 1]. A grey model's one channel is shown as three."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        # One number that changes nothing, by which the module has a device and a number format. Pixels stay float32.
        self.unit = nn.Parameter(torch.ones(()), requires_grad=False)

    def decode(self, latent: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        return ((latent.expand(-1, 3, -1, -1) if self.channels == 1 else latent) * self.unit,)

    def encode(self, picture: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        return ((picture.mean(dim=1, keepdim=True) if self.channels == 1 else picture) * self.unit,)


def _trained(folder: ModelFolder) -> tuple[Parametrization, NoiseSchedule]:
    """What the network predicts, and the noise it was trained with. Raises ModelUnreadable for a scheduler that says neither."""
    config: Mapping[str, Foreign] = folder.config("scheduler", "scheduler_config.json")
    path = folder.path / "scheduler"
    kind = str(config.get("_class_name", ""))
    if kind == "CMStochasticIterativeScheduler":
        low, high = float(config.get("sigma_min", 0.002)), float(config.get("sigma_max", 80.0))
        steps, rho = int(config.get("num_train_timesteps", 40)), float(config.get("rho", 7.0))
        parametrization: Parametrization = Consistency(low, float(config.get("sigma_data", 0.5)))
        clamped = bool(config.get("clip_denoised", True))
        return Clamped(parametrization, 1.0) if clamped else parametrization, ConsistencySchedule(low, high, rho, steps)
    if kind.removesuffix("Scheduler") not in BETA_SCHEDULERS:
        raise ModelUnreadable(
            path,
            f"Models of the scheduler '{kind}' are not sampled here.",
            field="_class_name",
            mend="Run the folder with the Pipeline node.",
        )
    if config.get("thresholding"):
        raise ModelUnreadable(
            path,
            "Dynamic thresholding is not done here.",
            field="thresholding",
            mend="Run the folder with the Pipeline node.",
        )
    parametrization, noise = prediction_of(config, path), BetaSchedule.from_config(config)
    # Only these two clamp, and do unless told otherwise.
    clamps = kind in ("DDPMScheduler", "DDIMScheduler") and config.get("clip_sample", True)
    return Clamped(parametrization, float(config.get("clip_sample_range", 1.0))) if clamps else parametrization, noise


def _classes(network: nn.Module, conditioned: Conditioned) -> Tensor | None:
    """The class of every item, for a network that is told one. Raises ValueRefused where that is missing, or given in vain."""
    embedding: nn.Module | None = getattr(network, "class_embedding", None)
    given = conditioned.extras.get(CLASS)
    if embedding is None:
        if given is not None:
            raise ValueRefused("This model knows no classes.", socket="positive", mend="Leave the class out.")
        return None
    if given is None:
        raise ValueRefused(
            "This model is told the class of the picture, and there is none.",
            socket="positive",
            mend="Connect a Class label.",
        )
    known: int | None = config_of(network).num_class_embeds
    if known is not None and int(given.max()) >= known:
        raise ValueRefused(
            f"There is no class {int(given.max())}.", socket="positive", mend=f"This model knows 0 to {known - 1}."
        )
    return given


FAMILY = Unconditional()
