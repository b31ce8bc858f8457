"""The queue: which run is on, which wait, and how the last ones ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtWidgets import QHBoxLayout, QLabel, QScrollArea, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from studio.app.runs import Runs
from studio.window.theme import Theme

_ENDED_SHOWN = 12
_MOST_WORDS = 200


class QueuePanel(QScrollArea):
    """Made anew at each change; there are few rows."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("side")
        self.viewport().setObjectName("side")
        self.setWidgetResizable(True)
        self.setAccessibleName("Queue")
        self._theme = theme
        self.show_queue(None, "")

    def show_theme(self, theme: Theme) -> None:
        self._theme = theme

    def show_queue(self, queue: Runs | None, words: str) -> None:
        """What there is now. `words` tell how far the run that is on has come."""
        page = QWidget()
        page.setObjectName("side")
        column = QVBoxLayout(page)
        column.setContentsMargins(16, 4, 16, 8)
        column.setSpacing(2)
        current = queue.current if queue is not None else None
        if queue is not None and current is not None:
            column.addLayout(self._row(current.title or "Untitled", words, "running", (("Cancel", queue.cancel),)))
        waiting = queue.waiting() if queue is not None else ()
        for run in waiting:
            remove = partial(queue.remove, run.id) if queue is not None else bool
            column.addLayout(self._row(run.title or "Untitled", "waiting", "secondary", (("Remove", remove),)))
        ended = queue.ended()[-_ENDED_SHOWN:] if queue is not None else ()
        for run in reversed(ended):
            token = {"finished": "ok", "failed": "error"}.get(str(run.state), "secondary")
            column.addLayout(self._row(run.title or "Untitled", run.message or str(run.state), token, ()))
        if current is None and not waiting and not ended:
            empty = QLabel("Nothing is running, and nothing waits.")
            empty.setObjectName("secondary")
            column.addWidget(empty)
        column.addStretch(1)
        self.setWidget(page)

    def _row(
        self, title: str, words: str, token: str, buttons: Sequence[tuple[str, Callable[[], object]]]
    ) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(QLabel(title))
        state = QLabel(words if len(words) < _MOST_WORDS else f"{words[:_MOST_WORDS]}\u2026")
        state.setToolTip(words)
        state.setStyleSheet(f"color: {self._theme.hex(token)}")
        state.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row.addSpacing(12)
        row.addWidget(state, 1)
        for name, act in buttons:
            button = QToolButton()
            button.setText(name)
            button.clicked.connect(lambda _=False, act=act: act())
            row.addWidget(button)
        return row
