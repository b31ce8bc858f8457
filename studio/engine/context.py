"""The running context that nodes see, in a run of the engine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, TypeVar

from studio.engine.control import RunControl
from studio.engine.events import Report
from studio.engine.keys import Key
from studio.engine.residency import Residency
from studio.engine.step_memory import StepKeeper
from studio.engine.task import Task
from studio.graph.graph import NodeId
from studio.sdk.context import Context, PreviewMaker
from studio.sdk.resident import Resident
from studio.sdk.values.trail import Trail

M = TypeVar("M")

_MOST_TRAILS: Final = 256


class Trails:
    """The steps that nodes have announced, for as long as they are among the last few."""

    def __init__(self) -> None:
        self._of: dict[Key, list[Trail]] = {}

    def begin(self, task: Task) -> None:
        """A node starts, or tries again: what it announced before does not hold."""
        self._of.pop(task.key, None)

    def add(self, task: Task, trail: Trail) -> None:
        """One more; or more of the last one."""
        held = self._of.setdefault(task.key, [])
        if held and trail.goes_on_from(held[-1]):
            held.pop()
        held.append(trail)
        while len(self._of) > _MOST_TRAILS:
            del self._of[next(iter(self._of))]

    def of(self, task: Task) -> list[Trail]:
        """Those of a node, one for each call."""
        return list(self._of.get(task.key, ()))


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
        steps: StepKeeper | None = None,
        trails: Trails | None = None,
        pause_at: tuple[NodeId, int] | None = None,
    ) -> None:
        super().__init__(out=out, workflow=workflow, device=device, step_store=steps)
        self._report = report
        self._control = control
        self._residency = residency
        self._pausable = pausable
        self._keeper = steps
        self._pause_at = pause_at
        self._trails = trails if trails is not None else Trails()
        self._task: Task | None = None
        self._pinned: list[str] = []
        self._written: list[tuple[Path, str]] = []
        self._step = 0
        self._first: tuple[float, float] | None = None

    def begin(self, task: Task, tight_memory: bool) -> None:
        """A node starts, or tries again."""
        self.node = task.id
        self._task = task
        self._trails.begin(task)
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
        if self._pause_at == (self.node, index):
            self._pause_at = None
            self._control.pause()
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
            if self._keeper is not None:
                self._keeper.flush()  # from now on nothing is lost, whatever becomes of this process
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

    def asks_for(self, output: str) -> bool:
        return self._task is None or self._task.asks_for(output)

    def show_trail(self, trail: Trail) -> None:
        if self._task is not None:
            self._trails.add(self._task, trail)

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
