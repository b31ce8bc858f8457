"""What a node shows of a run. Set from events of the worker, painted by the node; no Qt but the picture."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtGui import QImage

    from studio.window.canvas.plot import Plot


class State(Enum):
    """Where a node stands in the last run."""

    IDLE = "idle"
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CACHED = "cached"
    FAILED = "failed"


@dataclass(slots=True)
class Status:
    """A node's share of a run. `left` are seconds to the node's end, None where nothing tells."""

    state: State = State.IDLE
    step: int = 0
    of: int = 0
    left: float | None = None
    seconds: float = 0.0
    what: str = ""
    mend: str = ""
    socket: str = ""
    trace: str = ""
    preview: QImage | Plot | None = None

    @property
    def progress(self) -> float:
        """0 to 1."""
        return self.step / self.of if self.of else 0.0

    @property
    def text(self) -> str:
        """The words at the right of the title band."""
        if self.state is State.RUNNING:
            if not self.of:
                return "running"
            left = f" \u00b7 {duration(self.left)} left" if self.left is not None and self.step < self.of else ""
            return f"step {self.step} of {self.of}{left}"
        if self.state is State.PAUSED:
            return f"paused at {self.step} of {self.of}" if self.of else "paused"
        if self.state is State.DONE:
            return duration(self.seconds)
        return {State.WAITING: "waiting", State.CACHED: "cached", State.FAILED: "failed"}.get(self.state, "")

    @property
    def short_text(self) -> str:
        """As `text`, where there is little room."""
        if self.state in (State.RUNNING, State.PAUSED) and self.of:
            return f"{self.step}/{self.of}"
        return self.text


def duration(seconds: float) -> str:
    """`0.34 s`, `12 s`, `2 min 5 s`, `1 h 4 min`."""
    if seconds < 0.01:
        return "0 s"
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
