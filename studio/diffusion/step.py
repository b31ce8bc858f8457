"""The state of a denoising run between two steps: all that a sampler knows.

Pausing is not asking for the next state, resuming is calling the sampler with a stored one, branching is that call with
another denoiser, cancelling is closing the generator. Nothing is hidden in an object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from torch import Tensor

Denoiser: TypeAlias = Callable[[Tensor, float], Tensor]
"""(x, sigma) -> the predicted clean latent x0, of the shape of x. Float32 in and out."""


class DependingDenoiser(Protocol):
    """A `Denoiser` that says what it depends on, which the trail of a run needs (`trail.py`), and tells what is attached to the network."""

    @property
    def told(self) -> list[Callable[[int, int], None]]:
        """Who hears (step, steps) before each forward."""

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """See `Denoiser`."""

    def depends_at(self, step: int) -> bytes:
        """A digest of all that its answers at a step of the run depend on, beside x, sigma and the weights."""


RngState: TypeAlias = Tensor
"""(batch, bytes) uint8 on the CPU: what `torch.Generator.get_state` says of every batch item's generator."""


@dataclass(frozen=True, slots=True, eq=False)
class StepState:
    """Where a run stands after `index` steps. Immutable; its tensors are never written to."""

    index: int
    """Steps done; 0 before the first."""
    sigma: float
    """Noise level of `latent`, in the sigmas of the model's noising process (`process.py`)."""
    latent: Tensor
    """(batch, channels, ...) float32."""
    denoised: Tensor
    """Predicted x0 of the last step, same shape: what a preview shows. Before the first step, the latent that noise was put on."""
    memory: tuple[Tensor, ...] = ()
    """What a multistep sampler remembers, newest first."""
    rng: RngState | None = None
    """What a stochastic sampler will draw next. Deterministic samplers hand it on untouched."""
    sampler: str = ""
    """Name of the sampler that made `memory`; another sampler starts with an empty one."""

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, every one once, for a safetensors file."""
        named = {"latent": self.latent, "denoised": self.denoised}
        named |= {name: tensor for name, tensor in zip(self._places(), self.memory, strict=True) if name not in named}
        return named if self.rng is None else {**named, "rng": self.rng}

    def facts(self) -> dict[str, str]:
        """The rest, as text, for the file's metadata. `sigma` is written so that it is read back exactly."""
        memory = " ".join(self._places())
        return {"index": str(self.index), "sigma": self.sigma.hex(), "sampler": self.sampler, "memory": memory}

    def _places(self) -> list[str]:
        """Under which name every tensor of the memory is kept; the newest is often the last prediction itself."""
        return [
            "denoised" if tensor is self.denoised else f"memory.{place}" for place, tensor in enumerate(self.memory)
        ]

    @classmethod
    def stored(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> StepState:
        """The state whose `tensors` and `facts` these are. Raises KeyError or ValueError where they are not whole."""
        return cls(
            int(facts["index"]),
            float.fromhex(facts["sigma"]),
            tensors["latent"],
            tensors["denoised"],
            tuple(tensors[name] for name in facts["memory"].split()),
            tensors.get("rng"),
            facts["sampler"],
        )
