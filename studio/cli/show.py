"""A run on the terminal: one JSON object a line for programs, a progress bar or plain lines for people."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final, Protocol

from studio.app.supervisor import Report
from studio.graph.graph import NodeId
from studio.protocol.messages import (
    NodeFailed,
    NodeFinished,
    NodeStarted,
    OutputWritten,
    RunFinished,
    RunPaused,
    RunStarted,
    Stepped,
)

_BAR: Final = 24
_COLUMNS: Final = 80
"""Where a terminal does not say how wide it is."""
_CLEAR: Final = "\r\x1b[K"


class Show(Protocol):
    """Where a run is shown."""

    def event(self, report: Report) -> None:
        """Something happened. Reports that mean nothing to a person are passed over."""

    def step(self, step: Stepped, preview: Path | None) -> None:
        """A step is done; `preview` is the file that shows it."""

    def note(self, text: str) -> None:
        """A sentence that is no event of the run."""

    def end(self) -> None:
        """Leave the terminal as it was."""


class JsonLines:
    """One event a line on standard output; notes on standard error."""

    def event(self, report: Report) -> None:
        match report:
            case RunStarted():
                self._print("run_started", run=report.run, planned=report.planned, cached=list(report.cached))
            case NodeStarted():
                self._print("node_started", node=report.node)
            case NodeFinished():
                self._print(
                    "node_finished",
                    node=report.node,
                    type=report.type,
                    cached=report.cached,
                    seconds=round(report.seconds, 6),
                )
            case NodeFailed():
                self._print(
                    "node_failed",
                    node=report.node,
                    type=report.type,
                    socket=report.socket,
                    what=report.what,
                    mend=report.mend,
                )
            case OutputWritten():
                self._print("output", node=report.node, path=report.path, media=report.media)
            case RunPaused():
                self._print("run_paused", run=report.run, node=report.node, step=report.step)
            case RunFinished():
                self._print("run_finished", state=report.state, seconds=round(report.seconds, 6))
            case _:
                pass

    def step(self, step: Stepped, preview: Path | None) -> None:
        shown = {"preview": str(preview)} if preview is not None else {}
        self._print("step", node=step.node, step=step.index, of=step.of, sigma=step.sigma, **shown)

    def note(self, text: str) -> None:
        print(text, file=sys.stderr)

    def end(self) -> None:
        pass

    def _print(self, event: str, **facts: Any) -> None:  # noqa: ANN401 - plain JSON values of several types
        print(json.dumps({"event": event, **facts}, ensure_ascii=False), flush=True)


class Lines:
    """Outputs on standard output; nodes, and on a terminal a bar with steps and the time left, on standard error."""

    def __init__(self) -> None:
        self._bar = sys.stderr.isatty()
        self._full, self._empty = ("█", "░") if _can_show("█░") else ("#", ".")
        self._began: dict[NodeId, float] = {}
        self._drawn = False

    def event(self, report: Report) -> None:
        match report:
            case RunStarted(planned=planned, cached=cached):
                ready = f", {len(cached)} results are there already" if cached else ""
                self.note(f"{planned} {'node' if planned == 1 else 'nodes'} to run{ready}.")
            case NodeStarted(node=node):
                self._began[node] = time.monotonic()
                if self._bar:
                    self._draw(f"{node} ...")
            case NodeFinished(node=node, cached=False):
                self.note(f"{node}: {report.seconds:.2f} s")
            case NodeFailed():
                place = f"{report.node}.{report.socket}" if report.socket else report.node
                self.note(f"{place} ({report.type}): {report.what} {report.mend}".rstrip())
            case OutputWritten(path=path):
                self.end()
                print(path, flush=True)
            case RunPaused(run=run, node=node, step=step):
                self.note(f"Paused after step {step} of {node}. Go on with: wirelight resume {run}")
            case RunFinished(state=state, seconds=seconds):
                words = {"done": "Done", "failed": "Failed", "cancelled": "Cancelled"}.get(state, state)
                self.note(f"{words} in {seconds:.1f} s.")
            case _:
                pass

    def step(self, step: Stepped, preview: Path | None) -> None:
        if self._bar:
            done = round(_BAR * step.index / max(step.of, 1))
            bar = self._full * done + self._empty * (_BAR - done)
            self._draw(f"{step.node} {bar} {step.index}/{step.of}{_clock(self._left(step))}")

    def note(self, text: str) -> None:
        self.end()
        print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._drawn:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
            self._drawn = False

    def _left(self, step: Stepped) -> float | None:
        """Seconds to the node's end: as the worker says, else as the steps so far took."""
        if step.left is not None or step.node not in self._began or not step.index:
            return step.left
        return (time.monotonic() - self._began[step.node]) / step.index * (step.of - step.index)

    def _draw(self, text: str) -> None:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
        sys.stderr.write(_CLEAR + text[: columns - 1])
        sys.stderr.flush()
        self._drawn = True


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"  {hours}:{minutes:02d}:{rest:02d} left" if hours else f"  {minutes}:{rest:02d} left"


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stderr.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
