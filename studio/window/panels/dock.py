"""A panel that can be closed, floated and put elsewhere."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QWidget


class PanelDock(QDockWidget):
    """A dock with a quiet header: title, whatever the panel adds, float, close. Empty until `fill`."""

    def __init__(self, title: str, parent: QWidget, *, name: str) -> None:
        super().__init__(title, parent)
        self.setObjectName(name)
        empty = QWidget()
        empty.setObjectName("side")
        self.setWidget(empty)
        bar = QWidget()
        bar.setObjectName("side")
        self._row = QHBoxLayout(bar)
        self._row.setContentsMargins(16, 8, 8, 4)
        self._row.setSpacing(4)
        heading = QLabel(title)
        heading.setObjectName("heading")
        self._row.addWidget(heading)
        self._row.addSpacing(8)
        self._row.addStretch(1)
        self.setTitleBarWidget(bar)

    def fill(self, panel: QWidget, header: QWidget | None = None) -> None:
        """Put the panel in, and what it wants in the header."""
        from PySide6.QtWidgets import QToolButton  # not before the first frame

        old = self.widget()
        self.setWidget(panel)
        old.deleteLater()
        if header is not None:
            self._row.insertWidget(2, header, 100)
        title = self.windowTitle().lower()
        for text, tip, act in (
            ("\u2750", f"Float the {title}", lambda: self.setFloating(not self.isFloating())),
            ("\u2715", f"Close the {title}", self.close),
        ):
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(act)
            self._row.addWidget(button)
