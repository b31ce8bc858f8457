"""What a running node may ask of the program: to report steps, to be cancelled, where to write, on which device to compute."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from studio.sdk.resident import Resident

M = TypeVar("M")

PreviewMaker: TypeAlias = "Callable[[], NDArray[np.uint8]]"
"""Makes the picture of a step: (height, width, 3) uint8. Called only if somebody looks, so it may cost something."""


class Context:
    """The run that a node is part of. This one stands where there is none: in a test, or where a node is called as a function.

    `out`: the folder for output files. `workflow`: the text of the workflow's file, to be written into outputs, or empty. `node`: the
    running node's id. `tight_memory`: a try before this one ran out of memory; work in tiles, in smaller batches. `device`: where to
    compute, as torch names it.
    """

    def __init__(
        self,
        *,
        out: Path | None = None,
        workflow: str = "",
        node: str = "",
        tight_memory: bool = False,
        device: str = "cpu",
    ) -> None:
        self.out = out if out is not None else Path.cwd()
        self.workflow = workflow
        self.node = node
        self.tight_memory = tight_memory
        self.device = device

    def step(self, index: int, of: int, sigma: float = 0.0, preview: PreviewMaker | None = None) -> None:
        """Step `index` (from 1) of `of` is done; `sigma` is the noise level reached. Also a `checkpoint`."""
        self.checkpoint()

    def progress(self, done: float, total: float) -> None:
        """`done` of `total` is done, in any unit. Also a `checkpoint`."""
        self.checkpoint()

    def checkpoint(self) -> None:
        """A good moment to stop: waits while the run is paused, raises `Cancelled` where it was cancelled."""

    def use(self, resident: Resident[M]) -> M:
        """The weights on `device`, loaded if need be. They stay there until the node is done."""
        return resident.to(self.device)

    def wrote(self, path: Path, media: str = "image") -> None:
        """An output file is complete under its final name. `media` is `image`, `audio`, `video` or `other`."""

    def log(self, text: str) -> None:
        """A line for the artist's log panel."""


_current: ContextVar[Context | None] = ContextVar("wirelight_context", default=None)


def running() -> Context:
    """The run that the calling node is part of; outside of one, a context that reports to nobody and writes to the current folder."""
    return _current.get() or Context()


@contextlib.contextmanager
def activate(context: Context) -> Iterator[Context]:
    """Within the block, and in this thread, `running()` is `context`. For whoever runs nodes."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
