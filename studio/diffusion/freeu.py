"""FreeU (Si et al. 2023, arXiv:2309.11497): a U-Net's decoder trusts its own features more, and the skip connections' less."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from studio.diffusion.digest import digest
from studio.diffusion.foreign import Foreign
from studio.graph.errors import ValueRefused


@dataclass(frozen=True, slots=True)
class FreeU:
    """An adapter. `backbone` and `skip`: factors in the two lowest levels of the decoder; 1 changes nothing."""

    backbone: tuple[float, float]
    skip: tuple[float, float]

    @contextmanager
    def attached(self, network: nn.Module) -> Iterator[Callable[[int, int], None]]:
        """Raises ValueRefused for a network that is no U-Net."""
        unet: Foreign = network
        if not hasattr(unet, "enable_freeu"):
            raise ValueRefused(
                "FreeU is for U-Nets; this model's network is none.",
                socket="model",
                mend="Use it with Stable Diffusion 1, 2 or XL.",
            )
        unet.enable_freeu(s1=self.skip[0], s2=self.skip[1], b1=self.backbone[0], b2=self.backbone[1])
        try:
            yield lambda step, steps: None
        finally:
            unet.disable_freeu()

    def depends_at(self, step: int, steps: int) -> bytes:
        return digest("freeu", self.backbone, self.skip)
