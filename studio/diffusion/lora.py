"""LoRAs (Hu et al. 2021, arXiv:2106.09685): small changes of a network's layers, added to what the layers say and never to their weights.

Read from files in the layouts of diffusers, peft and kohya. While one is attached, hooks on the layers add scale * up(down(x)); afterwards
the network is what it was, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from studio.diffusion.digest import digest
from studio.diffusion.foreign import Foreign, config_of
from studio.diffusion.timing import WHOLE_RUN, Window
from studio.diffusion.weights.single_file import SingleFile
from studio.graph.errors import ModelUnreadable, ValueRefused

_ENDS: Final = {
    "lora_A.weight": "down", "lora.down.weight": "down", "lora_down.weight": "down", "lora_linear_layer.down.weight": "down",
    "lora_B.weight": "up", "lora.up.weight": "up", "lora_up.weight": "up", "lora_linear_layer.up.weight": "up",
    "alpha": "alpha",
}  # fmt: skip
"""How the name of a tensor ends, and what it is."""
_KOHYA: Final = {
    "lora_unet_": "network",
    "lora_te_": "text_encoder",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
}
_DIFFUSERS: Final = {
    "unet.": "network", "transformer.": "network", "diffusion_model.": "network",
    "text_encoder.": "text_encoder", "text_encoder_2.": "text_encoder_2",
}  # fmt: skip
_SGM: Final = ("lora_unet_input_blocks_", "lora_unet_middle_block_", "lora_unet_output_blocks_")


class Delta(nn.Module):
    """The change of one layer."""

    down: Tensor
    up: Tensor

    def __init__(self, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("down", tensors["down"].to(dtype))
        self.register_buffer("up", tensors["up"].to(dtype))
        self.rank = self.down.shape[0]
        self.alpha = float(tensors["alpha"]) if "alpha" in tensors else float(self.rank)

    def change(self, layer: nn.Module, x: Tensor) -> Tensor:
        """What is added to the layer's output for the input x, at scale 1."""
        if isinstance(layer, nn.Conv2d):
            down, up = (one if one.ndim == 4 else one[..., None, None] for one in (self.down, self.up))
            return F.conv2d(F.conv2d(x, down, None, layer.stride, layer.padding, layer.dilation), up)
        return F.linear(F.linear(x, self.down.flatten(1)), self.up.flatten(1))


@dataclass(frozen=True, slots=True, eq=False)
class LoadedLoRA:
    """The changes of a LoRA, by part and by the names of its layers with underscores between them, as kohya writes them."""

    path: Path
    parts: Mapping[str, Mapping[str, Delta]]
    """`network`, `text_encoder` and `text_encoder_2`."""

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """What has to be on the device."""
        return tuple(delta for part in self.parts.values() for delta in part.values())


def load_lora(path: Path, dtype: torch.dtype, network: nn.Module | None = None) -> LoadedLoRA:
    """A LoRA's file on the CPU. `network`: the one that it will be for, which files in the layout of Stability's own code need.

    Raises ModelUnreadable for a file that is damaged, no LoRA, or of a kind that is not known here.
    """
    weights = SingleFile.open(path).weights()
    if network is not None and any(name.startswith(_SGM) for name in weights):
        from diffusers.loaders import lora_conversion_utils

        convert: Foreign = lora_conversion_utils._maybe_map_sgm_blocks_to_diffusers
        weights = convert(weights, config_of(network))
    found: dict[str, dict[str, dict[str, Tensor]]] = {}
    for name, tensor in weights.items():
        part, layer, what = _place(path, name)
        found.setdefault(part, {}).setdefault(layer, {})[what] = tensor
    parts: dict[str, dict[str, Delta]] = {}
    for part, layers in found.items():
        for layer, tensors in layers.items():
            if not {"down", "up"} <= tensors.keys():
                raise ModelUnreadable(
                    path, f"The change of a layer is not whole: {', '.join(sorted(tensors))}.", field=layer
                )
            parts.setdefault(part, {})[layer] = Delta(tensors, dtype)
    if not parts:
        raise ModelUnreadable(path, "The file holds no tensors.")
    return LoadedLoRA(path, parts)


@dataclass(frozen=True, slots=True, eq=False)
class LoRA:
    """A LoRA on a network: an `Adapter`. `blocks`: factors for layers whose names begin so, the longest that fits counts."""

    loaded: LoadedLoRA
    key: str
    """A digest of its weights."""
    weight: float = 1.0
    window: Window = WHOLE_RUN
    blocks: tuple[tuple[str, float], ...] = ()
    part: str = "network"

    @contextmanager
    def attached(self, network: nn.Module) -> Iterator[Callable[[int, int], None]]:
        """Raises ValueRefused where its layers are not the network's."""
        layers = {name.replace(".", "_"): (name, layer) for name, layer in network.named_modules()}
        layers |= {name.removeprefix("text_model_"): found for name, found in layers.items()}
        strength = [self.weight]
        handles = []
        try:
            for wanted, delta in self.loaded.parts.get(self.part, {}).items():
                found = layers.get(wanted) or layers.get(wanted.removeprefix("text_model_"))
                if found is None or not _fits(found[1], delta):
                    raise ValueRefused(
                        f"{self.loaded.path.name} was made for another model: this one has no such layer as '{wanted}'.",
                        socket="model",
                        mend="Choose a LoRA of the model's own family.",
                    )
                factor = self._factor(found[0])
                if factor:
                    handles.append(found[1].register_forward_hook(_adding(delta, strength, factor)))

            def tell(step: int, steps: int) -> None:
                strength[0] = self.weight if self.window.holds(step, steps) else 0.0

            yield tell
        finally:
            for handle in handles:
                handle.remove()

    def depends_at(self, step: int, steps: int) -> bytes:
        acts = self.weight != 0 and self.window.holds(step, steps)
        return digest("lora", self.key, self.weight, self.blocks) if acts else b""

    def _factor(self, name: str) -> float:
        fitting = [(len(begin), factor) for begin, factor in self.blocks if name.startswith(begin)]
        return max(fitting)[1] if fitting else 1.0


def _adding(
    delta: Delta, strength: Sequence[float], factor: float
) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
    def add(layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        # In the order in which peft multiplies: a LoRA then gives the same bits here and there.
        scale = strength[0] * factor * delta.alpha / delta.rank
        return output if scale == 0 else output + delta.change(layer, args[0]).to(output.dtype) * scale

    return add


def _place(path: Path, name: str) -> tuple[str, str, str]:
    """The part, the layer and the role of a tensor."""
    end = next((end for end in sorted(_ENDS, key=len, reverse=True) if name.endswith(f".{end}")), None)
    begins = {**_KOHYA, **_DIFFUSERS}
    begin = next((begin for begin in begins if name.startswith(begin)), None)
    if end is None or begin is None:
        raise ModelUnreadable(
            path, "This is not a LoRA of a kind that is known here.", field=name, mend="LoHa, LoKr and DoRA are not."
        )
    layer = name.removeprefix(begin).removesuffix(f".{end}").removesuffix(".processor").replace(".", "_")
    return begins[begin], layer.removeprefix("text_model_"), _ENDS[end]


def _fits(layer: nn.Module, delta: Delta) -> bool:
    if isinstance(layer, nn.Linear):
        inputs, outputs = layer.in_features, layer.out_features
    elif isinstance(layer, nn.Conv2d) and layer.groups == 1:
        inputs, outputs = layer.in_channels, layer.out_channels
    else:
        return False
    return delta.down.shape[1] == inputs and delta.up.shape[0] == outputs
