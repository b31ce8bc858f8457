"""Values to look at."""

from __future__ import annotations

from typing import Any

from studio.sdk import node


@node(
    "text/Show",
    title="Show value",
    effect=True,
    aliases=("print", "display", "debug", "PreviewAny", "ShowText"),
    output="text",
)
def show(value: Any) -> str:  # noqa: ANN401 - whatever comes is shown
    """Show a value as text: numbers and texts as they are, of everything else what it is.

    Args:
        value: Whatever is to be looked at.
    """
    return value if isinstance(value, str) else str(value)
