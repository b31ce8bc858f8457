"""The nodes of this plugin. A function with @node above it is one: type hints are sockets, defaults controls, the docstring help."""

from __future__ import annotations

import numpy as np

from studio.sdk import Image, Slider, node


@node("my-plugin/Posterize", aliases=("steps", "flatten"))
def posterize(image: Image, levels: int = Slider(4, 2, 32)) -> Image:
    """Leave only a few tones of each colour.

    Args:
        image: The picture.
        levels: How many tones are left.
    """
    steps = np.float32(levels - 1)
    return image.map(lambda picture: np.rint(picture * steps) / steps)
