"""What a network predicts, and how that becomes a denoised latent.

The numbers that scale tensors are computed in float32, operation by operation as diffusers' EulerDiscreteScheduler does it:
a run of ours can then be compared with a pipeline bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import torch
from torch import Tensor

from studio.diffusion.process import EXPLODING, FLOW, NoisingProcess


class Parametrization(Protocol):
    """How a network is asked for x0. A family whose network is none of the usual kinds brings its own."""

    @property
    def process(self) -> NoisingProcess:
        """The process in which samplers run the model."""

    def model_input(self, x: Tensor, sigma: float) -> Tensor:
        """`x` as the network wants it."""

    def denoised(self, x: Tensor, sigma: float, output: Tensor) -> Tensor:
        """Predicted x0 from the network's output at `x`. x and output: (batch, channels, ...) float32."""


class Prediction(Enum):
    """What the network's output means. The values are diffusers' `prediction_type` names."""

    EPSILON = "epsilon"
    """The noise (Ho et al. 2020, arXiv:2006.11239)."""
    V = "v_prediction"
    """Velocity between noise and picture (Salimans & Ho 2022, arXiv:2202.00512)."""
    SAMPLE = "sample"
    """The clean latent itself."""
    FLOW = "flow_prediction"
    """noise - x0 of flow matching."""

    @property
    def process(self) -> NoisingProcess:
        """The process in which samplers run a model of this kind."""
        return FLOW if self is Prediction.FLOW else EXPLODING

    def model_input(self, x: Tensor, sigma: float) -> Tensor:
        """`x` as the network wants it: of unit variance for networks trained on a variance-preserving process."""
        if self is Prediction.FLOW:
            return x
        return x / float(_root(sigma))

    def denoised(self, x: Tensor, sigma: float, output: Tensor) -> Tensor:
        """Predicted x0 from the network's output at `x`. x and output: (batch, channels, ...) float32."""
        match self:
            case Prediction.EPSILON | Prediction.FLOW:
                return x - sigma * output
            case Prediction.V:
                level = torch.tensor(sigma, dtype=torch.float32)
                return output * float(-level / _root(sigma)) + x / float(level**2 + 1)
            case Prediction.SAMPLE:
                return output


@dataclass(frozen=True, slots=True)
class Clamped:
    """Another parametrization whose x0 is kept within -`bound` .. `bound`: pixels, which cannot be brighter than white."""

    inner: Parametrization
    bound: float

    @property
    def process(self) -> NoisingProcess:
        return self.inner.process

    def model_input(self, x: Tensor, sigma: float) -> Tensor:
        return self.inner.model_input(x, sigma)

    def denoised(self, x: Tensor, sigma: float, output: Tensor) -> Tensor:
        return self.inner.denoised(x, sigma, output).clamp(-self.bound, self.bound)


def _root(sigma: float) -> Tensor:
    """sqrt(sigma^2 + 1), as a float32 power: torch's differs from the square root in the last bit now and then."""
    root: Tensor = (torch.tensor(sigma, dtype=torch.float32) ** 2 + 1) ** 0.5
    return root
