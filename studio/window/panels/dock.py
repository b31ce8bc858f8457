"""A panel that can be closed, floated and put elsewhere."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QToolButton, QWidget


class PanelDock(QDockWidget):
    """A dock with a quiet header: title, whatever the panel adds, float, close."""

    def __init__(
        self, title: str, panel: QWidget, parent: QWidget, *, name: str, header: QWidget | None = None
    ) -> None:
        super().__init__(title, parent)
        self.setObjectName(name)
        self.setWidget(panel)
        bar = QWidget()
        bar.setObjectName("side")
        row = QHBoxLayout(bar)
        row.setContentsMargins(16, 8, 8, 4)
        row.setSpacing(4)
        heading = QLabel(title)
        heading.setObjectName("heading")
        row.addWidget(heading)
        row.addSpacing(8)
        if header is not None:
            row.addWidget(header, 1)
        else:
            row.addStretch(1)
        for text, tip, act in (
            ("\u2750", f"Float {title.lower()}", lambda: self.setFloating(not self.isFloating())),
            ("\u2715", f"Close {title.lower()}", self.close),
        ):
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(act)
            row.addWidget(button)
        self.setTitleBarWidget(bar)
