"""The running context that nodes see, in a run of the engine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TypeVar

from studio.engine.control import RunControl
from studio.engine.events import Report
from studio.engine.residency import Residency
from studio.graph.graph import NodeId
from studio.sdk.context import Context, PreviewMaker
from studio.sdk.resident import Resident

M = TypeVar("M")


class RunContext(Context):
    """One for each thread that runs nodes; it is told which node is on by `begin` and `end`."""

    def __init__(
        self,
        report: Report,
        control: RunControl,
        residency: Residency,
        *,
        out: Path,
        workflow: str,
        device: str,
        pausable: bool,
    ) -> None:
        super().__init__(out=out, workflow=workflow, device=device)
        self._report = report
        self._control = control
        self._residency = residency
        self._pausable = pausable
        self._pinned: list[str] = []
        self._written: list[tuple[Path, str]] = []
        self._step = 0
        self._first: tuple[float, float] | None = None

    def begin(self, node: NodeId, tight_memory: bool) -> None:
        """A node starts, or tries again."""
        self.node = node
        self.tight_memory = tight_memory
        self._step = 0
        self._first = None
        if self._written:
            self._written = []

    def end(self) -> list[tuple[Path, str]]:
        """The node is done: its weights may be moved. Gives the files it wrote."""
        if self._pinned:
            self._residency.unpin(self._pinned)
            self._pinned = []
        return self._written

    def step(self, index: int, of: int, sigma: float = 0.0, preview: PreviewMaker | None = None) -> None:
        self._step = index
        self._report.stepped(NodeId(self.node), index, of, sigma, self._left(index, of), preview)
        self.checkpoint()

    def progress(self, done: float, total: float) -> None:
        self._report.progressed(NodeId(self.node), done, total, self._left(done, total))
        self.checkpoint()

    def checkpoint(self) -> None:
        control = self._control
        if not control.asked:
            return
        control.obey()
        if self._pausable and control.paused:
            self._report.paused(NodeId(self.node), self._step)
            control.hold()
            self._report.resumed()

    def use(self, resident: Resident[M]) -> M:
        weights = self._residency.use(resident, self.device)
        self._pinned.append(resident.key)
        return weights

    def wrote(self, path: Path, media: str = "image") -> None:
        self._written.append((path, media))
        self._report.wrote(NodeId(self.node), path, media)

    def log(self, text: str) -> None:
        self._report.log(text, "INFO", NodeId(self.node))

    def _left(self, done: float, total: float) -> float | None:
        """Seconds to the end, from the pace since the first report; the time before it is mostly loading."""
        now = time.perf_counter() - self._control.waited
        if self._first is None or done <= self._first[0]:
            self._first = (done, now)
            return None
        pace = (now - self._first[1]) / (done - self._first[0])
        return pace * max(total - done, 0.0)
