"""Noising processes: how much picture and how much noise there is at a sigma, x = alpha x0 + sigma noise.

Samplers are written for any of them, in the log signal-to-noise ratio of Lu et al. 2022 (arXiv:2211.01095), lambda =
log(alpha / sigma). With alpha = 1 they are the formulas of Karras et al. 2022 (arXiv:2206.00364) and k-diffusion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NoisingProcess:
    """x = alpha(sigma) x0 + sigma noise.

    `straight`: alpha = 1 - sigma and sigma in [0, 1], as in flow matching (Lipman et al. 2022, arXiv:2210.02747). Otherwise
    alpha = 1 and sigma in [0, inf), the variance-exploding view that eps-, v- and sample-predicting models are run in.
    """

    name: str
    straight: bool

    def alpha(self, sigma: float) -> float:
        """Share of the picture at `sigma`."""
        return 1.0 - sigma if self.straight else 1.0

    def ratio(self, sigma: float) -> float:
        """sigma / alpha = exp(-lambda), the noise level with the picture at full strength; infinite where there is only noise."""
        alpha = self.alpha(sigma)
        return sigma / alpha if alpha > 0 else math.inf

    def sigma(self, ratio: float) -> float:
        """The sigma whose `ratio` this is."""
        if not self.straight:
            return ratio
        return 1.0 if math.isinf(ratio) else ratio / (1.0 + ratio)


EXPLODING = NoisingProcess("exploding", straight=False)
FLOW = NoisingProcess("flow", straight=True)
