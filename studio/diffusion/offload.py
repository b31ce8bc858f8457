"""Networks larger than a GPU: the weights stay in the computer's memory, and come to the device layer by layer as they compute.

The hooks are those of diffusers (`apply_group_offloading`). On CUDA the next layer is on its way while one computes.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from studio.diffusion.device import computes_on
from studio.diffusion.foreign import Foreign

_HOOKS = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")
_LAYERS = 2
"""Layers on the device at a time: one that computes, and the next."""


class LayerByLayer:
    """How a resident comes to a device without moving there. See `studio.sdk.resident.Placing`."""

    def bring(self, modules: Iterable[nn.Module], device: str) -> None:
        """Make the modules compute on a device. On the CPU they are as they were."""
        for module in modules:
            stay(module)
            if torch.device(device).type != "cpu":
                come(module, torch.device(device))

    def bytes_on_device(self, modules: Iterable[nn.Module]) -> int:
        """What the largest layers take."""
        layers = [layer for module in modules for layer in module.modules() if not list(layer.children())]
        largest = max(
            (sum(one.nbytes for one in (*layer.parameters(), *layer.buffers())) for layer in layers), default=0
        )
        return _LAYERS * largest


def come(module: nn.Module, device: torch.device) -> None:
    """Each layer comes to `device` for its turn. The weights are on the CPU before and after."""
    from diffusers import hooks

    theirs: Foreign = hooks
    streams = device.type == "cuda"
    theirs.apply_group_offloading(
        module.to("cpu"),
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        use_stream=streams,
        record_stream=streams,
        non_blocking=streams,
    )
    computes_on(module, device)


def stay(module: nn.Module) -> None:
    """Undo `come`."""
    from diffusers.hooks import hooks

    theirs: Foreign = hooks
    if computes_on(module, None):
        registry = theirs.HookRegistry.check_if_exists_or_initialize(module)
        for name in _HOOKS:
            registry.remove_hook(name, recurse=True)
