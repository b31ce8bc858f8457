"""What the first picture will need, imported while nobody waits for anything.

A worker is ready once torch is there. The libraries of model code take longer than that; the artist is still looking at the graph.
"""

from __future__ import annotations

import gc
import importlib
import logging
from collections import deque
from typing import Final

IDLE: Final = 1.0
"""Seconds without a message from which on the worker warms itself."""

_PARTS: Final = (
    ("diffusers", "AutoencoderKL"),
    ("diffusers", "UNet2DConditionModel"),
    ("transformers", "CLIPTokenizer"),
    ("transformers", "CLIPTextModel"),
)


class Warmth:
    """A list of imports, one at a time."""

    def __init__(self, *, with_torch: bool) -> None:
        self._left = deque(_PARTS if with_torch else ())

    @property
    def complete(self) -> bool:
        return not self._left

    def more(self) -> None:
        """Import the next part. One that cannot be imported is told of; the node that needs it will say so as well."""
        library, name = self._left.popleft()
        try:
            getattr(importlib.import_module(library), name)
            gc.freeze()
        except (ImportError, AttributeError, RuntimeError) as error:  # both libraries wrap what went wrong in these
            logging.getLogger(__name__).warning("%s.%s cannot be imported: %s", library, name, error)
