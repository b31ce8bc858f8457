"""Random numbers: every one is drawn on the CPU, from an explicit seed, in one stated order.

Each batch item has a generator of its own: item i of a run with seed s draws what a single run with seed s + i draws. So the
third picture of a batch of eight is found again by its own seed, and the size of the batch does not change a picture.
A run draws its initial noise first, then what its sampler asks for, step by step, from the same generators. Numbers are
drawn as float32 and moved to the device afterwards: one seed, one noise, whatever the device and the number format.
"""

from __future__ import annotations

import torch
from torch import Tensor

from studio.diffusion.step import RngState
from studio.graph.errors import ValueRefused

SEEDS = 2**64
"""Seeds are 0 .. SEEDS - 1; item seeds wrap around."""


class NoiseSource:
    """Standard normal noise for a batch, one generator an item."""

    def __init__(self, generators: list[torch.Generator]) -> None:
        self._generators = generators

    @classmethod
    def seeded(cls, seed: int, batch: int) -> NoiseSource:
        """Generators seeded `seed`, `seed` + 1, ... Raises ValueRefused for a seed outside 0 .. 2**64 - 1."""
        if not 0 <= seed < SEEDS:
            raise ValueRefused(f"The seed {seed} is outside 0 .. {SEEDS - 1}.", socket="seed")
        return cls([torch.Generator().manual_seed((seed + item) % SEEDS) for item in range(batch)])

    @classmethod
    def resumed(cls, state: RngState) -> NoiseSource:
        """Generators that go on where `state` was taken."""
        generators = [torch.Generator() for _ in state]
        for generator, item in zip(generators, state, strict=True):
            # torch reads the state from the beginning of the storage: a view into a larger tensor crashes it.
            generator.set_state(item.cpu().clone())
        return cls(generators)

    @property
    def state(self) -> RngState:
        """What `resumed` takes."""
        return torch.stack([generator.get_state() for generator in self._generators])

    def draw(self, like: Tensor) -> Tensor:
        """Noise of the shape of `like` (batch first) on its device, float32. Raises ValueRefused where the batch is another."""
        if like.shape[0] != len(self._generators):
            raise ValueRefused(
                f"The batch holds {like.shape[0]} items, the random state {len(self._generators)}.",
                mend="Resume with the batch size that the run was started with.",
            )
        items = [
            torch.randn(like.shape[1:], generator=generator, dtype=torch.float32) for generator in self._generators
        ]
        noise = torch.stack(items)
        # From pinned memory the copy joins the GPU's queue instead of waiting for it.
        return noise.pin_memory().to(like.device, non_blocking=True) if like.is_cuda else noise.to(like.device)


def seeded_noise(seed: int, shape: tuple[int, ...]) -> Tensor:
    """(batch, channels, ...) float32 standard normal noise on the CPU: what a run with this seed starts from."""
    return NoiseSource.seeded(seed, shape[0]).draw(torch.empty(shape))
