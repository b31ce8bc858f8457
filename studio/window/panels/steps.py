"""The steps of a run: drag along them, play them, compare them with another run's, go another way from one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from studio.window.icons import icon
from studio.window.theme import Theme
from studio.window.viewers.strip import StepRow, StepStrip

_FRAME_MS: Final = 120


class StepsPanel(QWidget):
    """Hidden until there are steps. `others` lists the runs that the shown one may be compared with."""

    chosen = Signal(int)
    """A step that the artist looks at."""
    branch_asked = Signal(int)
    compare_asked = Signal(object)
    """A `StepRow` of `others`, or None for no comparison."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.others: Callable[[], Sequence[StepRow]] = lambda: ()
        self._row: StepRow | None = None
        self._other: StepRow | None = None
        self._moved_by_run = False
        heading = QLabel("Steps")
        heading.setObjectName("heading")
        self.words = QLabel()
        self.words.setObjectName("secondary")
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.play = QToolButton()
        self.play.setAccessibleName("Play the steps")
        self.play.setToolTip("Play the steps")
        self.play.clicked.connect(self._play)
        self.strip = StepStrip(theme)
        self.strip.valueChanged.connect(self._choose)
        self.strip.sliderPressed.connect(self._stop)
        self.branch = QPushButton()
        self.branch.clicked.connect(lambda: self.branch_asked.emit(self.strip.value()))
        self.compare = QToolButton()
        self.compare.setText("Compare")
        self.compare.setToolTip("Show another run's steps below")
        self.compare.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.compare.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._menu = QMenu(self.compare)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.compare.setMenu(self._menu)
        self._timer = QTimer(self)
        self._timer.setInterval(_FRAME_MS)
        self._timer.timeout.connect(self._advance)
        above = QHBoxLayout()
        above.setSpacing(8)
        above.addWidget(heading)
        above.addWidget(self.words, 1)
        above.addWidget(self.play)
        below = QHBoxLayout()
        below.setSpacing(8)
        below.addWidget(self.branch, 1)
        below.addWidget(self.compare)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(6)
        column.addLayout(above)
        column.addWidget(self.strip)
        column.addLayout(below)
        self.show_theme(theme)
        self.show_rows(None)

    def show_theme(self, theme: Theme) -> None:
        self._icons = icon("run", theme["text"]), icon("pause", theme["text"])
        self.strip.show_theme(theme)
        self._show_playing()

    @property
    def row(self) -> StepRow | None:
        """The run whose steps are shown."""
        return self._row

    @property
    def other(self) -> StepRow | None:
        """The run below it."""
        return self._other

    def show_rows(self, row: StepRow | None, other: StepRow | None = None, step: int | None = None) -> None:
        """Show a run's steps, with another's below, and go to `step`; a step that is gone to so is not `chosen`."""
        if row is not self._row:
            self._stop()
        self._row, self._other = row, other
        self.setVisible(row is not None)
        self._moved_by_run = True
        try:
            self.strip.show_rows([one for one in (row, other) if one is not None])
            if step is not None:
                self.strip.setValue(step)
        finally:
            self._moved_by_run = False
        self._describe()

    def _choose(self, step: int) -> None:
        self._describe()
        if not self._moved_by_run:
            self.chosen.emit(step)

    def _describe(self) -> None:
        row, step = self._row, self.strip.value()
        if row is None:
            return
        parts = [row.title, f"step {step} of {row.count}"]
        if step in row.sigmas:
            parts.append(f"sigma {row.sigmas[step]:.3g}")
        if self._other is not None:
            parts.append(f"below: {self._other.title}")
        self.words.setText(" \u00b7 ".join(parts))
        self.words.setToolTip(self.words.text())
        self.branch.setText(f"Branch at step {step}")
        self.branch.setToolTip("Go on from here in another way: a copy of the sampler that begins at this step")
        self.branch.setEnabled(step < row.count)

    def _play(self) -> None:
        if self._timer.isActive():
            self._stop()
            return
        if self.strip.value() == self.strip.maximum():
            self.strip.setValue(1)
        self._timer.start()
        self._show_playing()

    def _advance(self) -> None:
        if self.strip.value() >= self.strip.maximum():
            self._stop()
        else:
            self.strip.setValue(self.strip.value() + 1)

    def _stop(self) -> None:
        self._timer.stop()
        self._show_playing()

    def _show_playing(self) -> None:
        self.play.setIcon(self._icons[self._timer.isActive()])

    def _fill_menu(self) -> None:
        self._menu.clear()
        for one in self.others():
            entry = self._menu.addAction(one.title)
            entry.setCheckable(True)
            entry.setChecked(one is self._other)
            entry.triggered.connect(lambda _=False, one=one: self.compare_asked.emit(one))
        if self._menu.isEmpty():
            self._menu.addAction("No other run yet: run again with another seed or prompt").setEnabled(False)
        elif self._other is not None:
            self._menu.addSeparator()
            self._menu.addAction("Compare with none").triggered.connect(lambda: self.compare_asked.emit(None))
