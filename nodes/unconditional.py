"""What steers models that take no prompt."""

from __future__ import annotations

import torch

from nodes.conditioning import from_conditioned
from studio.diffusion.families.unconditional import CLASS, FAMILY
from studio.diffusion.model import Conditioned
from studio.sdk import Conditioning, Number, node


@node("text/ClassLabel", aliases=("category", "ImageNet", "unconditional", "consistency"))
def class_label(label: int = Number(0, 0, 1_000_000, step=1)) -> Conditioning:
    """Tell a model that was trained without words what to make, by the number of a class. A list of numbers gives one picture each.

    Args:
        label: The class as the model counts them, from 0. For models of ImageNet, 207 is a golden retriever.
    """
    nothing = Conditioned.nothing()
    return from_conditioned(Conditioned(nothing.embeds, extras={CLASS: torch.tensor([label])}), FAMILY.name)
