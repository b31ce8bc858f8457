"""Linear heads that tell a caption's attributes from an embedding, for text encoders in training."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

Known = Mapping[str, tuple[str, ...]]
"""The values that each attribute may have."""


def attribute_heads(width: int, known: Known) -> nn.ModuleDict:
    """One head an attribute, from `width` to its values and one more."""
    return nn.ModuleDict({name: nn.Linear(width, len(values) + 1) for name, values in known.items()})


def labels(attributes: list[dict[str, str]], known: Known, name: str) -> Tensor:
    """Index of each caption's value; what a caption leaves open has an index of its own, the last."""
    values = known[name]
    return torch.tensor([values.index(a[name]) if name in a else len(values) for a in attributes])
