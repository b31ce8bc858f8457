"""What a running node may ask of the program: to report steps, to be cancelled, where to write, on which device to compute."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from studio.sdk.resident import Resident
    from studio.sdk.storage import Packed
    from studio.sdk.values.trail import Trail

M = TypeVar("M")

PreviewMaker: TypeAlias = "Callable[[], NDArray[np.uint8] | None]"
"""Makes the picture of a step: (height, width, 3) uint8, or None for none. Called only if somebody looks, so it may cost something."""


class Steps(Protocol):
    """Where states of samplers are kept from step to step, by a key that counts all that they came from. Bounded: the least recently
    used ones go. All methods may be called from several threads."""

    def has(self, key: bytes) -> bool:
        """Whether there is a state, as far as can be told without reading it."""

    def load(self, key: bytes) -> Packed | None:
        """The state, or None where it is gone, or damaged."""

    def keep(self, key: bytes, pack: Callable[[], Packed | None], nbytes: int) -> None:
        """Keep a state of about so many bytes. Returns at once: `pack` is called soon by another thread; where it gives None, nothing is
        kept."""


class NoSteps:
    """Keeps nothing."""

    def has(self, key: bytes) -> bool:
        return False

    def load(self, key: bytes) -> Packed | None:
        return None

    def keep(self, key: bytes, pack: Callable[[], Packed | None], nbytes: int) -> None:
        pass


class Context:
    """The run that a node is part of. This one stands where there is none: in a test, or where a node is called as a function.

    `out`: the folder for output files. `workflow`: the text of the workflow's file, to be written into outputs, or empty. `node`: the
    running node's id. `tight_memory`: a try before this one ran out of memory; work in tiles, in smaller batches. `device`: where to
    compute, as torch names it. `step_store`: where a sampler finds the states of its steps again.
    """

    def __init__(
        self,
        *,
        out: Path | None = None,
        workflow: str = "",
        node: str = "",
        tight_memory: bool = False,
        device: str = "cpu",
        step_store: Steps | None = None,
    ) -> None:
        self.out = out if out is not None else Path.cwd()
        self.workflow = workflow
        self.node = node
        self.tight_memory = tight_memory
        self.device = device
        self.step_store: Steps = step_store if step_store is not None else NoSteps()

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

    def asks_for(self, output: str) -> bool:
        """Whether something in the graph takes this output of the node."""
        return True

    def show_trail(self, trail: Trail) -> None:
        """The steps that the node is about to make: from now on the artist may look at them. Called again with more steps of the same
        sampling, it takes the place of what was shown before."""

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
