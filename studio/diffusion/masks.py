"""Working on a part of a latent: inside a mask it is made anew, outside it stays as it was, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from studio.diffusion.digest import digest
from studio.diffusion.guidance import Guided
from studio.diffusion.process import NoisingProcess
from studio.diffusion.regions import region_at
from studio.diffusion.step import StepState
from studio.diffusion.timing import step_at


@dataclass(frozen=True, slots=True, eq=False)
class Inpainting:
    """What of a latent is made anew, and how."""

    mask: Tensor
    """(1 or batch, height, width) in 0 .. 1 at any size; 1 is made anew. Between 0 and 1 old and new are mixed."""
    gradual: bool = False
    """Between 0 and 1 a place is made anew during that last share of the run instead, so that it keeps more or less of what it was
    (differential diffusion, Levin & Fried 2023, arXiv:2306.00950)."""
    surroundings: Tensor | None = None
    """(1 or batch, channels, height, width) latent of the picture with what is inside made grey, for networks that were made for
    inpainting. Such a network sees what surrounds the mask; only the end of the run is then held to the mask."""


class Masked:
    """A denoiser that sees the original, noised as far as x is, outside of the mask; and predicts the original there."""

    def __init__(
        self,
        inner: Guided,
        inpainting: Inpainting,
        original: Tensor,
        noise: Tensor,
        sigmas: Sequence[float],
        process: NoisingProcess,
    ) -> None:
        self._inner = inner
        self._inpainting = inpainting
        self._mask = region_at(inpainting.mask, original)
        self._original = original
        self._noise = noise
        self._sigmas = tuple(sigmas)
        self._process = process
        self._own = digest(inpainting.gradual, self._mask, original, noise)

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        mask = self._mask_at(step_at(self._sigmas, sigma))
        known = self._process.alpha(sigma) * self._original + sigma * self._noise
        return self._over(self._inner((1 - mask) * known + mask * x, sigma), mask)

    @property
    def told(self) -> list[Callable[[int, int], None]]:
        """Who hears (step, steps) before each forward."""
        return self._inner.told

    def depends_at(self, step: int) -> bytes:
        """A digest of all that the answers at a step depend on, beside x, sigma and the weights."""
        return digest(self._inner.depends_at(step), self._own)

    def finished(self, states: Iterator[StepState]) -> Generator[StepState, None, None]:
        """The states, the last one with the original outside of the mask."""
        last = len(self._sigmas) - 1
        mask = self._mask_at(last)
        for state in states:
            if state.sigma > self._sigmas[-1]:
                yield state
                continue
            yield replace(state, latent=self._over(state.latent, mask), denoised=self._over(state.denoised, mask))

    def _mask_at(self, step: int) -> Tensor:
        if not self._inpainting.gradual:
            return self._mask
        left = 1 - step / (len(self._sigmas) - 1)
        # A share of the run need not be a number of steps exactly.
        return ((self._mask > 0) & (self._mask >= left - 1e-6)).to(self._mask.dtype)

    def _over(self, x: Tensor, mask: Tensor) -> Tensor:
        return (1 - mask) * self._original + mask * x
