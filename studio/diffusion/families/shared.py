"""What several families need: checks of what comes in, latent formats from configs, patches, and the parts of flow transformers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor, nn

from studio.diffusion.device import Dtypes
from studio.diffusion.family import Family
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Checkpoint, Conditioned, LatentFormat, LoadedModel, LoadedVAE
from studio.diffusion.noise_schedule import FlowSchedule
from studio.diffusion.prediction import Prediction
from studio.diffusion.preview import projection_of
from studio.diffusion.weights.components import network_from_file
from studio.diffusion.weights.folder import read_json
from studio.diffusion.weights.single_file import SingleFile
from studio.graph.errors import ModelUnreadable, ValueRefused
from studio.resources import resource

ORIGINAL = "model.diffusion_model."
"""What stands before the network's names in files that were saved as whole checkpoints."""


REFERENCE = "reference"
"""Extras of a conditioning that are pictures to go by: "reference.0" and so on."""


def check_prompts(prompts: Sequence[str]) -> None:
    """Raises ValueRefused for an empty list (an empty prompt is fine)."""
    if not prompts:
        raise ValueRefused("The list of prompts is empty.", socket="prompt")


def check_channels(x: Tensor, wanted: int) -> None:
    """Raises ValueRefused where the network takes another number of channels than `x` (batch, channels, ...) has."""
    if x.shape[1] != wanted:
        raise ValueRefused(
            f"This network takes {wanted} channels, the latent has {x.shape[1]}.",
            socket="model",
            mend="Choose a plain text-to-image model; or, for one that inpaints, make the latent with the Inpaint node.",
        )


def check_conditioning(embeds: Tensor, width: int, whole: bool, title: str) -> None:
    """Raises ValueRefused unless `embeds` (prompts, tokens, width) has the network's width and is `whole`: nothing it needs is missing."""
    if not whole or embeds.shape[-1] != width:
        raise ValueRefused(
            f"This conditioning ({embeds.shape[-1]} wide) is not one of the text encoder of {title}.",
            socket="positive",
            mend="Encode the prompts with the text encoder of the same checkpoint.",
        )


def folders_only(file: SingleFile, title: str) -> NoReturn:
    """For families that are not read from single files. Raises ModelUnreadable."""
    raise ModelUnreadable(
        file.path,
        f"{title} cannot be read from a single file.",
        mend="Choose its diffusers folder, the one that holds model_index.json.",
    )


def kl_latents(config: Mapping[str, Foreign], patch: int = 1) -> LatentFormat:
    """Latent format of an AutoencoderKL, from its config. `patch`: see `LatentFormat`."""
    return LatentFormat(
        channels=int(config["latent_channels"]),
        factor=2 ** (len(config["block_out_channels"]) - 1),
        scaling=float(config["scaling_factor"]),
        shift=float(config.get("shift_factor") or 0.0),
        patch=patch,
    )


def prediction_of(schedule: Mapping[str, Foreign], path: Path) -> Prediction:
    """What the network predicts, after its scheduler config. Raises ModelUnreadable for a kind we do not know."""
    stated = schedule.get("prediction_type", "epsilon")
    try:
        return Prediction(stated)
    except ValueError as error:
        raise ModelUnreadable(path, f"The prediction type '{stated}' is not known.", field="prediction_type") from error


def flow_model(
    family: Family,
    network: nn.Module,
    schedule: Mapping[str, Foreign],
    latents: LatentFormat,
    vae: LoadedVAE | None,
    edge: int,
) -> LoadedModel:
    """A network trained with flow matching on square pictures of `edge` latent pixels; `schedule` is its scheduler's config."""
    return LoadedModel(
        family,
        network,
        Prediction.FLOW,
        FlowSchedule.from_config(schedule, (edge // latents.patch) ** 2),
        latents,
        (edge * latents.factor, edge * latents.factor),
        projection_of(family, vae),
    )


def flow_file(
    family: Family,
    file: SingleFile,
    dtypes: Dtypes,
    kind: type[Foreign],
    latents: Callable[[Mapping[str, Foreign]], LatentFormat],
    edge: int,
    variant: str = "",
) -> Checkpoint:
    """The network alone, as files of large flow transformers hold it. Raises ModelUnreadable.

    `latents` makes the format out of the VAE's config. `variant`: ending of the config folders where the family has several.
    """
    configs = file.config or resource("families", family.name)
    ending = f"_{variant}" if variant and file.config is None else ""
    weights = {name.removeprefix(ORIGINAL): tensor for name, tensor in file.weights().items()}
    network = network_from_file(file, weights, configs, f"transformer{ending}", kind, dtypes.network)
    schedule = read_json(configs / f"scheduler{ending}" / "scheduler_config.json", "scheduler")
    form = latents(read_json(configs / "vae" / "config.json", "vae"))
    return Checkpoint(flow_model(family, network, schedule, form, None, edge), None, None)


def pack(x: Tensor, patch: int) -> Tensor:
    """(batch, channels, height, width) -> (batch, patches, channels patch^2): the patches row by row, a channel's pixels side by side."""
    batch, channels, height, width = x.shape
    rows, columns = height // patch, width // patch
    patches = x.view(batch, channels, rows, patch, columns, patch).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(batch, rows * columns, channels * patch**2)


def unpack(patches: Tensor, height: int, width: int, patch: int) -> Tensor:
    """The inverse of `pack`, for a latent of that size."""
    batch, _, numbers = patches.shape
    channels = numbers // patch**2
    latent = patches.view(batch, height // patch, width // patch, channels, patch, patch).permute(0, 3, 1, 4, 2, 5)
    return latent.reshape(batch, channels, height, width)


def references(conditioned: Conditioned, channels: int) -> list[Tensor]:
    """The latents (prompts, channels, height, width) of the pictures to go by, in their order: extras "reference.0", "reference.1" ...

    Raises ValueRefused for latents of another number of channels.
    """
    named = [f"{REFERENCE}.{number}" for number in range(len(conditioned.extras))]
    found = [conditioned.extras[name] for name in named if name in conditioned.extras]
    for latent in found:
        if latent.ndim != 4 or latent.shape[1] != channels:
            raise ValueRefused(
                f"The latent of a reference picture has the shape {tuple(latent.shape)}; this network takes {channels} channels.",
                socket="positive",
                mend="Encode the reference picture with the VAE of the same checkpoint.",
            )
    return found


def places(picture: Tensor, patch: int, time: int, axes: int) -> Tensor:
    """(patches, axes) of a latent (batch, channels, height, width): time, row, column, and zeros. Whole numbers in every number format."""
    rows, columns = (edge // patch for edge in picture.shape[2:])
    found = torch.zeros(rows, columns, axes, dtype=torch.long, device=picture.device)
    found[..., 0] += time
    found[..., 1] += torch.arange(rows, device=picture.device)[:, None]
    found[..., 2] += torch.arange(columns, device=picture.device)
    return found.reshape(rows * columns, axes)


def times_of(x: Tensor, time: float) -> Tensor:
    """(batch,) float32: the model's time once an item, on its device."""
    return torch.full((x.shape[0],), time, dtype=torch.float32, device=x.device)
