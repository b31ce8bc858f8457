"""Ways to make a network answer worse for a moment; guidance then leads away from what it says (`guidance.AwayFromWeak`)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from studio.diffusion.digest import digest
from studio.diffusion.foreign import Foreign
from studio.graph.errors import ValueRefused


@dataclass(frozen=True, slots=True)
class PerturbedAttention:
    """Self-attention that looks at nothing but the place itself (Ahn et al. 2024, arXiv:2403.17377).

    `layers`: a part of the names of the U-Net's attention layers. In which ones is a matter of taste; the middle is the authors' choice.
    """

    layers: str = "mid_block"

    @contextmanager
    def weakened(self, network: nn.Module) -> Iterator[None]:
        """Raises ValueRefused where the network has no self-attention of that name."""
        found: list[Foreign] = [
            module
            for name, module in network.named_modules()
            if name.endswith("attn1") and self.layers in name and hasattr(module, "to_v")
        ]
        if not found:
            names = sorted({name.partition(".")[0] for name, _ in network.named_modules() if name.endswith("attn1")})
            raise ValueRefused(
                f"This model has no self-attention layers of the name '{self.layers}'.",
                socket="layers",
                mend=f"It has them in: {', '.join(names)}." if names else "Use it with Stable Diffusion 1, 2 or XL.",
            )
        before = [module.processor for module in found]
        try:
            for module in found:
                module.processor = _values_alone
            yield
        finally:
            for module, processor in zip(found, before, strict=True):
                module.processor = processor

    def digest(self) -> bytes:
        return digest("perturbed attention", self.layers)


@dataclass(frozen=True, slots=True)
class SkippedLayers:
    """Blocks of a transformer left out (as with Stable Diffusion 3.5 medium, whose authors propose 7, 8 and 9). Counted from 0."""

    layers: tuple[int, ...]

    @contextmanager
    def weakened(self, network: nn.Module) -> Iterator[None]:
        """Raises ValueRefused where the network cannot leave out blocks, or has fewer."""
        blocks = len(getattr(network, "transformer_blocks", ()))
        if "skip_layers" not in inspect.signature(network.forward).parameters:
            raise ValueRefused(
                "This model's network cannot leave out layers.", socket="model", mend="Use it with Stable Diffusion 3."
            )
        if not self.layers or max(self.layers) >= blocks or min(self.layers) < 0:
            raise ValueRefused(f"The layers of this model are 0 to {blocks - 1}.", socket="layers")

        def add(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return args, {**kwargs, "skip_layers": list(self.layers)}

        handle = network.register_forward_pre_hook(add, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def digest(self) -> bytes:
        return digest("skipped layers", self.layers)


def _values_alone(attn: Foreign, hidden_states: Tensor, *_: Foreign, **__: Foreign) -> Tensor:
    """What attention gives where every place attends to itself alone. (rows, tokens, width) in and out."""
    out: Tensor = attn.to_out[1](attn.to_out[0](attn.to_v(hidden_states)))
    if attn.residual_connection:
        out = out + hidden_states
    scaled: Tensor = out / attn.rescale_output_factor
    return scaled
