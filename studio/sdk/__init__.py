"""What a node author imports: `from studio.sdk import Image, Slider, node`.

The names come from `authoring`, at their first use: who only lists plugins does not load numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.sdk.authoring import *  # noqa: F403
else:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        authoring = import_module("studio.sdk.authoring")
        if name in authoring.__all__:
            return getattr(authoring, name)
        raise AttributeError(f"module 'studio.sdk' has no attribute '{name}'")
