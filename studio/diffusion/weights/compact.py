"""Weights kept in 8 bits a number, each layer made wide again for the moment in which it computes.

Row by row, after the largest number of each: int8 as in vector-wise quantization (Dettmers et al. 2022, arXiv:2208.07339, section 3.1), and
float8 (E4M3; Micikevicius et al. 2022, arXiv:2209.05433) with a power of two a row, so that a file that is in float8 already loses nothing.

torchao does the same, but doubles the time that diffusers takes to be imported, with or without a model in 8 bits.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from studio.diffusion.device import Compact
from studio.diffusion.foreign import Foreign

_LARGEST = {torch.int8: 127.0, torch.float8_e4m3fn: 448.0}
_WIDE = (
    "time",
    "embedder",
    "pos_embed",
    "patch_embed",
    "latent_image_embedding",
    "^conv_in$",
    "^conv_out$",
    "^proj_out$",
)
"""Layers that say when, where and what last: small, and what is lost there is lost everywhere."""


class CompactLayer(nn.Module):
    """A linear layer or convolution whose `weight` is made of `bits` whenever it is asked for. The rest is the layer's own."""

    bits: Tensor
    """Of the weight's shape, int8: its numbers, or the bits of float8 numbers."""
    scale: Tensor
    """One a row, in the format that is computed in."""
    storage: torch.dtype

    @property
    def weight(self) -> Tensor:
        """The numbers that compute, in the format of `scale`."""
        bits = self.bits if self.storage == torch.int8 else self.bits.view(self.storage)
        return bits.to(self.scale.dtype) * self.scale


class CompactLinear(CompactLayer, nn.Linear):  # type: ignore[override]  # what reads `weight` need not know that it is made
    """Also an `nn.Linear`."""


class CompactConv2d(CompactLayer, nn.Conv2d):  # type: ignore[override]  # as above
    """Also an `nn.Conv2d`."""


def compact(network: nn.Module, format: Compact) -> None:
    """Put the network's large layers into 8 bits, one after the other and in place. Raises ValueError for weights that are not finite."""
    kinds: dict[type[nn.Module], type[CompactLayer]] = {nn.Linear: CompactLinear, nn.Conv2d: CompactConv2d}
    theirs: Foreign = network
    own = getattr(theirs, "_skip_layerwise_casting_patterns", None) or ()
    # The library names all adaptive norms too, which are a quarter of some networks.
    wide = re.compile("|".join({*_WIDE, *own} - {"norm"}))
    for name, parent in list(network.named_modules()):
        for child, layer in list(parent.named_children()):
            whole = f"{name}.{child}" if name else child
            kind = kinds.get(type(layer))
            if kind is not None and not wide.search(whole):
                setattr(parent, child, _compact(layer, kind, format, whole))
    for parameter in network.parameters():
        if parameter.is_floating_point() and parameter.dtype != format.compute:
            parameter.data = parameter.data.to(format.compute)


def _compact(layer: Foreign, kind: type[CompactLayer], format: Compact, name: str) -> CompactLayer:
    weight: Tensor = layer.weight.detach()
    rows = weight.flatten(1).abs().amax(dim=1).float().reshape(-1, *(1,) * (weight.ndim - 1))
    if not rows.isfinite().all():
        raise ValueError(f"'{name}.weight' holds numbers that are not finite.")
    scale = torch.where(rows > 0, rows / _LARGEST[format.storage], 1.0)
    if format.storage == torch.int8:
        scale = scale.to(format.compute)
        bits = (weight.float() / scale.float()).round().clamp(-127, 127).to(torch.int8)
    else:
        scale = torch.exp2(torch.log2(scale).ceil())
        bits = (weight.float() / scale).to(format.storage).view(torch.int8)
    made = kind.__new__(kind)
    nn.Module.__init__(made)
    for attribute, value in vars(layer).items():
        if attribute not in ("_parameters", "_buffers"):
            vars(made)[attribute] = value
    made.register_parameter("bias", layer.bias)
    made.register_buffer("bits", bits)
    made.register_buffer("scale", scale.to(format.compute))
    made.storage = format.storage
    return made
