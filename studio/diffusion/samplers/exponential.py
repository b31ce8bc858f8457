"""The exponential-integrator step that the DPM-Solver++ family is made of.

In y = x / alpha and the level r = sigma / alpha = exp(-lambda), the step from r to s with a constant predicted x0 is exact:
y' = (s / r) y + (1 - s / r) x0 (Lu et al. 2022, arXiv:2211.01095, equation 8). In x it reads as in `step_towards`, which has no
division by alpha and so can start from pure noise of a flow model, where r is infinite.
"""

from __future__ import annotations

import math

from torch import Tensor

from studio.diffusion.process import NoisingProcess


def decay(high: float, low: float) -> float:
    """exp(-h) = low / high, h the step in lambda; 0 from infinity."""
    return 0.0 if math.isinf(high) else low / high


def step_towards(target: Tensor, x: Tensor, high: float, low: float, process: NoisingProcess) -> Tensor:
    """From level `high` to level `low` (sigma / alpha) with `target` as the predicted x0 all the way."""
    if low == 0:
        return target
    alpha = process.alpha(process.sigma(low))
    return x * (process.sigma(low) / process.sigma(high)) + target * (alpha * (1 - decay(high, low)))
