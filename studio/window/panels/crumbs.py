"""Where the canvas looks: the workflow, and the subgraphs on the way in. Hidden at the outermost."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget


class Crumbs(QWidget):
    """A click on a title goes there."""

    chosen = Signal(int)
    """How many subgraphs deep."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("top")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Where the canvas looks")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(14, 4, 14, 4)
        self._row.setSpacing(4)
        self._titles: tuple[str, ...] = ()
        self._about = ""
        self.hide()

    @property
    def titles(self) -> tuple[str, ...]:
        """What stands there, the outermost first."""
        return self._titles

    def show_titles(self, titles: Sequence[str], about: str = "") -> None:
        """The way in; `about` is said of the last."""
        if (tuple(titles), about) == (self._titles, self._about):
            return
        self._titles, self._about = tuple(titles), about
        while (item := self._row.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for depth, title in enumerate(titles):
            if depth:
                arrow = QLabel("\u203a")
                arrow.setObjectName("secondary")
                self._row.addWidget(arrow)
            button = QToolButton()
            button.setText(title)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setEnabled(depth < len(titles) - 1)
            button.clicked.connect(lambda _=False, depth=depth: self.chosen.emit(depth))
            self._row.addWidget(button)
        words = QLabel(about)
        words.setObjectName("secondary")
        self._row.addSpacing(8)
        self._row.addWidget(words)
        self._row.addStretch(1)
        self.setVisible(len(titles) > 1)
