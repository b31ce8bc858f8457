"""ControlNets (Zhang et al. 2023, arXiv:2302.05543) and T2I-Adapters (Mou et al. 2023, arXiv:2302.08453): loading, and what they add.

Their hint is a picture. Networks for Stable Diffusion 3 and Flux take its latent; it is encoded when the size of the latent in the
making is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from studio.diffusion.control import hints_for
from studio.diffusion.decode import encode
from studio.diffusion.device import device_of, dtype_of
from studio.diffusion.digest import digest
from studio.diffusion.families.shared import pack
from studio.diffusion.foreign import Foreign, config_of
from studio.diffusion.model import LoadedVAE, Residuals
from studio.diffusion.weights.components import load_network, network_from_file
from studio.diffusion.weights.folder import ModelFolder, read_json
from studio.diffusion.weights.single_file import SingleFile
from studio.graph.errors import ModelUnreadable, ValueRefused
from studio.resources import resource

KINDS: Final = ("ControlNetModel", "SD3ControlNetModel", "FluxControlNetModel", "T2IAdapter")
"""Classes of diffusers that are known here."""
_FAMILY_OF_WIDTH: Final = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
"""By the width of the text embeddings that a single file's network takes."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedControlNet:
    """A network that steers another one by a picture."""

    kind: str
    """One of `KINDS`."""
    network: nn.Module

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """What has to be on the device."""
        return (self.network,)

    @property
    def takes_latents(self) -> bool:
        """Whether its hint is a picture's latent, so that a VAE is needed."""
        return self.kind in ("SD3ControlNetModel", "FluxControlNetModel")

    @property
    def without_shift(self) -> bool:
        """Whether the latent of its hint lacks the VAE's shift, as those of the first networks for Stable Diffusion 3 do."""
        return bool(getattr(config_of(self.network), "force_zeros_for_pooled_projection", False))


def load_controlnet(path: Path, dtype: torch.dtype, config: Path | None = None) -> LoadedControlNet:
    """A diffusers folder, or a single file of a ControlNet for Stable Diffusion 1, 2 or XL in either layout, loaded on the CPU.

    `config`: a folder with the folder `controlnet` and its config, for single files of unusual size. Raises ModelUnreadable.
    """
    import diffusers

    if path.is_dir():
        about = read_json(path / "config.json", "controlnet")
        kind = str(about.get("_class_name", ""))
        if kind not in KINDS or about.get("conditioning_embedding_channels") is not None:
            raise ModelUnreadable(
                path,
                f"This kind of {kind or 'model'} is not known here.",
                mend=f"Known are: {', '.join(KINDS)}, the last but one without a hint block of its own.",
            )
        folder = ModelFolder(path.parent, {path.name: ["diffusers", kind]})
        return LoadedControlNet(kind, load_network(folder, path.name, getattr(diffusers, kind), dtype))
    file = SingleFile.open(path)
    if config is None:
        widths = {info.shape[-1] for name, info in file.tensors.items() if name.endswith("attn2.to_k.weight")}
        family = _FAMILY_OF_WIDTH.get(max(widths, default=0))
        if family is None:
            raise ModelUnreadable(
                path,
                "This file is not a ControlNet for Stable Diffusion 1, 2 or XL.",
                mend="Others are read from folders with a config.json.",
            )
        config = resource("families", family)
    kind = "ControlNetModel"
    network = network_from_file(file, file.weights(), config, "controlnet", diffusers.ControlNetModel, dtype)
    return LoadedControlNet(kind, network)


Hint: TypeAlias = Callable[[int, int], Tensor]
"""(height, width) of the latent in the making -> the hint for it, (1 or batch, ...)."""


def picture_hint(picture: Tensor, factor: int) -> Hint:
    """(batch, H, W, 3) float32 in [0, 1] at any size, brought to `factor` pixels for a latent pixel: (batch, 3, ...)."""

    @lru_cache(maxsize=4)
    def at(height: int, width: int) -> Tensor:
        whole = picture.permute(0, 3, 1, 2)
        size = (height * factor, width * factor)
        return whole.contiguous() if whole.shape[2:] == size else F.interpolate(whole, size, mode="area")

    return at


def latent_hint(picture: Tensor, vae: LoadedVAE, without_shift: bool = False) -> Hint:
    """The scaled latent of a picture (batch, H, W, 3) float32 in [0, 1], at the size of the latent in the making."""

    @lru_cache(maxsize=4)
    def at(height: int, width: int) -> Tensor:
        pixels = picture_hint(picture, vae.latents.factor)(height, width)
        latent = encode(vae, pixels.permute(0, 2, 3, 1))
        return latent + vae.latents.shift * vae.latents.scaling if without_shift else latent

    return at


@dataclass(frozen=True, slots=True, eq=False)
class Controlled:
    """A ControlNet or T2I-Adapter with its hint: a `Steering`."""

    control: LoadedControlNet
    hint: Hint
    key: bytes
    """A digest of the network's weights and of the hint."""
    batch: int = 1
    """Pictures of the hint: one for all latents, or one each."""
    mode: int | None = None
    """What the hint is, by number, for networks that know several kinds (union)."""
    box: tuple[tuple[int, int, int, int], int, int] | None = None
    """The crop of the latent that is in the making, and the whole latent's height and width."""
    kept: dict[tuple[int, int], list[Tensor]] = field(default_factory=dict)
    """What an adapter said for a latent of that height and width."""

    def added(self, call: Mapping[str, Any], strength: float, items: Sequence[int]) -> Mapping[str, Residuals]:
        """See `Steering`. Raises ValueRefused where the denoising network is of another kind."""
        needed, make = _CALLS[self.control.kind]
        if needed not in call:
            raise ValueRefused(
                f"A {self.control.kind} does not fit this model.",
                socket="positive",
                mend="Choose a ControlNet that was made for the model's family.",
            )
        return make(self, call, strength, items)

    def cropped(self, box: tuple[int, int, int, int], height: int, width: int) -> Controlled:
        return replace(self, box=(box, height, width), kept={})

    def digest(self) -> bytes:
        return digest("control", self.control.kind, self.key, self.mode)

    def hint_at(self, height: int, width: int, items: Sequence[int]) -> Tensor:
        """The hint for a latent of that size, on the network's device and in its number format, one a row."""
        network = self.control.network
        (top, _, left, _), *whole = self.box or ((0, height, 0, width), height, width)
        hint = self.hint(*whole)
        across, down = hint.shape[-1] // whole[1], hint.shape[-2] // whole[0]
        hint = hint[..., top * down : (top + height) * down, left * across : (left + width) * across]
        return hints_for(hint.to(device_of(network), dtype_of(network)).contiguous(), items)


def _unet(one: Controlled, call: Mapping[str, Any], strength: float, items: Sequence[int]) -> Mapping[str, Residuals]:
    network: Foreign = one.control.network
    sample: Tensor = call["sample"]
    width = network.config.cross_attention_dim
    states: Tensor = call["encoder_hidden_states"]
    if states.shape[-1] != width:
        raise ValueRefused(
            f"The ControlNet takes text embeddings {width} wide, this model's are {states.shape[-1]} wide.",
            socket="positive",
            mend="Choose a ControlNet that was made for the model's family.",
        )
    added = call.get("added_cond_kwargs")
    down, middle = network(
        sample[:, : network.config.in_channels].to(dtype_of(network)),
        call["timestep"],
        encoder_hidden_states=states,
        controlnet_cond=one.hint_at(sample.shape[-2], sample.shape[-1], items),
        conditioning_scale=strength,
        guess_mode=False,
        added_cond_kwargs=None if added is None else dict(added),
        return_dict=False,
    )
    return {"down_block_additional_residuals": list(down), "mid_block_additional_residual": middle}


def _adapter(
    one: Controlled, call: Mapping[str, Any], strength: float, items: Sequence[int]
) -> Mapping[str, Residuals]:
    network: Foreign = one.control.network
    sample: Tensor = call["sample"]
    height, width = sample.shape[-2:]
    # What an adapter says depends on the hint alone: it is asked once for every size.
    states = one.kept.get((height, width))
    if states is None:
        hint = one.hint_at(height, width, range(one.batch))
        if network.config.in_channels != hint.shape[1]:
            hint = hint.mean(dim=1, keepdim=True).expand(-1, network.config.in_channels, -1, -1)
        states = one.kept[height, width] = list(network(hint))
    return {"down_intrablock_additional_residuals": [hints_for(state * strength, items) for state in states]}


def _sd3(one: Controlled, call: Mapping[str, Any], strength: float, items: Sequence[int]) -> Mapping[str, Residuals]:
    network: Foreign = one.control.network
    hidden: Tensor = call["hidden_states"]
    pooled: Tensor = call["pooled_projections"]
    config = network.config
    samples = network(
        hidden_states=hidden,
        timestep=call["timestep"],
        encoder_hidden_states=call["encoder_hidden_states"] if config.joint_attention_dim is not None else None,
        pooled_projections=torch.zeros_like(pooled) if config.force_zeros_for_pooled_projection else pooled,
        controlnet_cond=one.hint_at(hidden.shape[-2], hidden.shape[-1], items),
        conditioning_scale=strength,
        return_dict=False,
    )[0]
    return {"block_controlnet_hidden_states": list(samples)}


def _flux(one: Controlled, call: Mapping[str, Any], strength: float, items: Sequence[int]) -> Mapping[str, Residuals]:
    network: Foreign = one.control.network
    places: Tensor = call["img_ids"]
    rows, columns = (int(edge) + 1 for edge in places[:, 1:].amax(dim=0))
    hint = one.hint_at(rows * 2, columns * 2, items)
    mode = None
    if one.mode is not None:
        mode = torch.full((len(items), 1), one.mode, dtype=torch.long, device=hint.device)
    elif network.config.num_mode is not None:
        raise ValueRefused(
            "This ControlNet knows several kinds of hints, and was not told which this is.",
            socket="mode",
            mend=f"Give the number of the kind, 0 to {network.config.num_mode - 1}, after the network's own page.",
        )
    blocks, single = network(
        hidden_states=call["hidden_states"],
        controlnet_cond=pack(hint, 2),
        controlnet_mode=mode,
        conditioning_scale=strength,
        timestep=call["timestep"],
        guidance=call.get("guidance") if network.config.guidance_embeds else None,
        pooled_projections=call["pooled_projections"],
        encoder_hidden_states=call["encoder_hidden_states"],
        txt_ids=call["txt_ids"],
        img_ids=places,
        return_dict=False,
    )
    found: dict[str, Residuals] = {"controlnet_block_samples": list(blocks)} if blocks else {}
    return {**found, "controlnet_single_block_samples": list(single)} if single else found


_Make: TypeAlias = Callable[[Controlled, Mapping[str, Any], float, Sequence[int]], Mapping[str, Residuals]]
_CALLS: Final[Mapping[str, tuple[str, _Make]]] = {
    "ControlNetModel": ("sample", _unet),
    "T2IAdapter": ("sample", _adapter),
    "SD3ControlNetModel": ("hidden_states", _sd3),
    "FluxControlNetModel": ("img_ids", _flux),
}
"""By the kind of network: an argument that the denoising network's call must have, and what to add to it."""
