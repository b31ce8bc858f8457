"""Align Your Steps (Sabour et al. 2024, arXiv:2404.14507): noise levels that were optimized for a model family, in ten steps.

The tables and the way to other numbers of steps are those of the authors' page
(https://research.nvidia.com/labs/toronto-ai/AlignYourSteps/howto.html).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from studio.graph.errors import ValueRefused

PUBLISHED: Final[Mapping[str, Sequence[float]]] = {
    "sd1": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
    "sdxl": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
    "svd": (700.00, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002),
}
"""Sigmas by family. The last one is where the network's noise levels end; a run ends at 0 in its place."""


def align_your_steps(family: str, steps: int) -> list[float]:
    """`steps` sigmas above 0 for a model of that family. Other numbers than 10 are interpolated linearly in log sigma.

    Raises ValueRefused for a family without a published table.
    """
    if family not in PUBLISHED:
        raise ValueRefused(
            f"Align Your Steps has no noise levels for the model family '{family}'.",
            socket="schedule",
            mend=f"There are some for {', '.join(PUBLISHED)}. Choose another schedule, such as 'karras' or 'simple'.",
        )
    logs = np.log(PUBLISHED[family])
    at = np.linspace(0, len(logs) - 1, steps + 1)[:-1]
    return [float(sigma) for sigma in np.exp(np.interp(at, np.arange(len(logs)), logs))]
