"""What a run tells whoever asked for it, as plain calls. The worker turns them into messages of the seam."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from studio.graph.check import Problem
from studio.graph.errors import NodeFailed
from studio.graph.graph import NodeId
from studio.sdk.context import PreviewMaker


class RunState(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"
    """At least one node failed; all that did not need it was computed."""
    CANCELLED = "cancelled"
    REFUSED = "refused"
    """The graph cannot run; nothing was computed."""


class Report(Protocol):
    """Receives what happens in a run.

    Calls come from the thread that called `Engine.run` and, for nodes that work in the background, from one other thread. They have to
    be quick: the run waits for them. `Engine.value` may be called inside.
    """

    def run_refused(self, problems: Sequence[Problem]) -> None:
        """The graph cannot run. No other call comes before or after."""

    def run_started(self, planned: int, cached: Sequence[NodeId]) -> None:
        """So many nodes will be computed, lazy inputs not counted; the results of `cached` are used, and hide what only they need."""

    def node_started(self, node: NodeId) -> None: ...

    def stepped(
        self, node: NodeId, index: int, of: int, sigma: float, left: float | None, preview: PreviewMaker | None
    ) -> None:
        """Step `index` (from 1) of `of` is done. `left`: estimated seconds to the node's end. `preview` is called now, or never."""

    def progressed(self, node: NodeId, done: float, total: float, left: float | None) -> None:
        """So much of a node's work is done, in a unit of its own."""

    def node_finished(self, node: NodeId, type: str, seconds: float, cached: bool) -> None:
        """A node's outputs can be had. `seconds` leaves out pauses; it is 0 where the result was `cached`."""

    def node_failed(self, failure: NodeFailed) -> None:
        """A node raised. What needs it will not run; the rest goes on."""

    def wrote(self, node: NodeId, path: Path, media: str) -> None:
        """An output file is complete under its final name, or (after a cached effect) still there unchanged."""

    def paused(self, node: NodeId, step: int) -> None:
        """The run holds, after `step` steps of a node."""

    def resumed(self) -> None: ...

    def log(self, text: str, level: str, node: NodeId | None) -> None:
        """A line for the artist. `level` as in `logging`."""

    def run_finished(self, state: RunState, seconds: float) -> None: ...


class Silent:
    """A report that nobody reads; also a base for those that care about a few calls."""

    def run_refused(self, problems: Sequence[Problem]) -> None:
        pass

    def run_started(self, planned: int, cached: Sequence[NodeId]) -> None:
        pass

    def node_started(self, node: NodeId) -> None:
        pass

    def stepped(
        self, node: NodeId, index: int, of: int, sigma: float, left: float | None, preview: PreviewMaker | None
    ) -> None:
        pass

    def progressed(self, node: NodeId, done: float, total: float, left: float | None) -> None:
        pass

    def node_finished(self, node: NodeId, type: str, seconds: float, cached: bool) -> None:
        pass

    def node_failed(self, failure: NodeFailed) -> None:
        pass

    def wrote(self, node: NodeId, path: Path, media: str) -> None:
        pass

    def paused(self, node: NodeId, step: int) -> None:
        pass

    def resumed(self) -> None:
        pass

    def log(self, text: str, level: str, node: NodeId | None) -> None:
        pass

    def run_finished(self, state: RunState, seconds: float) -> None:
        pass
