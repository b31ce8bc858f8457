"""What the engine tells of a run, as messages of the seam."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from studio.engine.events import RunState
from studio.graph import errors
from studio.graph.check import Problem
from studio.graph.graph import NodeId
from studio.graph.spec import Catalog
from studio.graph.types import innermost
from studio.protocol.messages import (
    Log,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    OutputWritten,
    Picture,
    Progressed,
    RunFinished,
    RunId,
    RunPaused,
    RunRefused,
    RunResumed,
    RunStarted,
    Stepped,
)
from studio.sdk.context import PreviewMaker
from studio.worker.now import Now
from studio.worker.outbox import Outbox
from studio.worker.previews import Previews
from studio.worker.printed import Printed
from studio.worker.record import record_output
from studio.worker.shown import plotted

_PICTORIAL: Final = frozenset({"Image", "Mask", "Video", "Audio"})
_PLOTTED: Final = frozenset({"Schedule"})
_LONGEST_TEXT: Final = 10_000
_LONGEST_TRACE: Final = 20_000

ValueOf = Callable[[NodeId, str], object]


class PictorialOutputs:
    """The output of each node type whose picture, or plot, stands for the node."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[tuple[str, frozenset[str]], str | None] = {}

    def of(self, type: str) -> str | None:
        """The name of the first pictorial output, or None."""
        return self._first(type, _PICTORIAL)

    def plotted(self, type: str) -> str | None:
        """The name of the first output that is a row of numbers, or None."""
        return self._first(type, _PLOTTED)

    def _first(self, type: str, names: frozenset[str]) -> str | None:
        key = (type, names)
        if key not in self._known:
            spec = self._catalog.get(type)
            outputs = spec.outputs if spec is not None else ()
            self._known[key] = next((one.name for one in outputs if innermost(one.type).name in names), None)
        return self._known[key]


class RunReport:
    """Passes a run's events on. Every number is made sure of here: node code may report anything."""

    def __init__(
        self,
        run: RunId,
        outbox: Outbox,
        now: Now,
        printed: Printed,
        previews: Previews | None,
        pictorial: PictorialOutputs,
        value_of: ValueOf,
    ) -> None:
        self.over = False
        self._run = run
        self._put = outbox.put
        self._now = now
        self._printed = printed
        self._previews = previews
        self._pictorial = pictorial
        self._value_of = value_of

    def run_refused(self, problems: Sequence[Problem]) -> None:
        self._end()
        self._put(RunRefused(self._run, tuple(problems)))

    def run_started(self, planned: int, cached: Sequence[NodeId]) -> None:
        self._put(RunStarted(self._run, planned, tuple(cached)))

    def node_started(self, node: NodeId) -> None:
        self._now.started(node)
        self._put(NodeStarted(self._run, node))

    def stepped(
        self, node: NodeId, index: int, of: int, sigma: float, left: float | None, preview: PreviewMaker | None
    ) -> None:
        self._now.told()
        picture = self._previews.step(node, preview) if self._previews is not None and preview is not None else None
        self._put(Stepped(self._run, node, int(index), int(of), _finite(sigma), _seconds(left), picture))

    def progressed(self, node: NodeId, done: float, total: float, left: float | None) -> None:
        self._now.told()
        self._put(Progressed(self._run, node, _finite(done), _finite(total), _seconds(left)))

    def node_finished(self, node: NodeId, type: str, seconds: float, cached: bool) -> None:
        self._leave(node)
        shown = None if cached else self._picture_of(node, type)
        self._put(NodeFinished(self._run, node, type, seconds, cached, shown, self._plot_of(node, type)))

    def node_failed(self, failure: errors.NodeFailed) -> None:
        node = NodeId(failure.node)
        self._leave(node)
        self._put(
            NodeFailed(
                self._run,
                node,
                failure.type,
                failure.what[:_LONGEST_TEXT],
                failure.socket,
                failure.mend,
                failure.trace[-_LONGEST_TRACE:],
            )
        )

    def wrote(self, node: NodeId, path: Path, media: str) -> None:
        record_output(self._run, node, path, media)
        self._put(OutputWritten(self._run, node, str(path), media))

    def paused(self, node: NodeId, step: int) -> None:
        self._put(RunPaused(self._run, node, step))

    def resumed(self) -> None:
        self._now.told()
        self._put(RunResumed(self._run))

    def log(self, text: str, level: str, node: NodeId | None) -> None:
        self._put(Log(text, level, node))

    def run_finished(self, state: RunState, seconds: float) -> None:
        self._end()
        self._put(RunFinished(self._run, state.value, seconds))

    def _leave(self, node: NodeId) -> None:
        self._printed.settle()
        self._now.finished(node)

    def _end(self) -> None:
        self._printed.settle()
        self._now.end()
        self.over = True

    def _picture_of(self, node: NodeId, type: str) -> Picture | None:
        output = self._pictorial.of(type)
        if output is None or self._previews is None:
            return None
        try:
            return self._previews.result(lambda: self._value_of(node, output))
        except errors.WirelightError:
            return None  # the result was too large to be kept

    def _plot_of(self, node: NodeId, type: str) -> tuple[float, ...]:
        output = self._pictorial.plotted(type)
        if output is None or self._previews is None:
            return ()
        try:
            return plotted(self._value_of(node, output))
        except errors.WirelightError:
            return ()  # a kept result that was trimmed since


def _finite(number: float) -> float:
    plain = float(number)
    return plain if math.isfinite(plain) else 0.0


def _seconds(left: float | None) -> float | None:
    return left if left is not None and math.isfinite(left) else None
