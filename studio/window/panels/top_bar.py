"""Across the top: menus, what is open, Run, and what is going on."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QAction, QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QMenuBar, QPushButton, QSizePolicy, QWidget

from studio.window.theme import Theme, ui_font

HEIGHT = 44
_MOST_TITLE = 28
_MENUS_WIDTH = 364
"""Kept free for the menus, which come after the first frame."""


class Mark(QWidget):
    """Our mark: a lamp's light in a darkroom."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setFixedSize(QSize(20, 20))

    def show_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme["accent"])
        painter.drawRoundedRect(QRectF(1, 1, 18, 18), 5, 5)
        painter.setBrush(self._theme["panel"])
        painter.drawEllipse(QPointF(10, 10), 3.5, 3.5)
        painter.end()


class TopBar(QWidget):
    """Its buttons stand for actions, which `bind` gives."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("top")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT)
        self.mark = Mark(theme)
        self.title = QLabel()
        self.title.setFont(ui_font(13, bold=True))
        self.edited = QLabel()
        self.edited.setObjectName("secondary")
        self.run = QPushButton("Run")
        self.run.setObjectName("primary")
        self.pause = QPushButton("Pause")
        self.cancel = QPushButton("Cancel")
        self.cancel.hide()
        for button in (self.run, self.pause, self.cancel):
            button.setFixedHeight(28)
            button.setMinimumWidth(92)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.words = QLabel()
        self.words.setObjectName("secondary")
        self.words.setAccessibleName("Progress")
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.menus = QMenuBar()
        self.menus.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.menus.setMinimumWidth(_MENUS_WIDTH)
        left = QHBoxLayout()
        left.setSpacing(8)
        left.addWidget(self.mark)
        left.addWidget(self.menus)
        left.addSpacing(8)
        left.addWidget(self.title)
        left.addWidget(self.edited)
        left.addStretch(1)
        middle = QHBoxLayout()
        middle.setSpacing(8)
        middle.addWidget(self.run)
        middle.addWidget(self.pause)
        middle.addWidget(self.cancel)
        right = QHBoxLayout()
        right.addSpacing(16)
        right.addWidget(self.words, 1)
        row = QGridLayout(self)
        row.setContentsMargins(14, 0, 14, 0)
        row.addLayout(left, 0, 0)
        row.addLayout(middle, 0, 1)
        row.addLayout(right, 0, 2)
        row.setColumnStretch(0, 1)
        row.setColumnStretch(2, 1)

    def bind(self, run: QAction, cancel: QAction, pause: QAction, resume: QAction) -> None:
        """What the buttons do. Pause turns into Resume while a run is paused."""
        self._pause, self._resume = pause, resume
        self.run.clicked.connect(run.trigger)
        self.cancel.clicked.connect(cancel.trigger)
        self.pause.clicked.connect(lambda: (resume if resume.isEnabled() else pause).trigger())
        run.changed.connect(lambda: self.run.setEnabled(run.isEnabled()))
        cancel.changed.connect(lambda: self.cancel.setVisible(cancel.isEnabled()))
        for one in (pause, resume):
            one.changed.connect(self._show_pause)
        self.run.setToolTip(f"Run ({run.shortcut().toString()})")
        self.cancel.setToolTip(f"Cancel ({cancel.shortcut().toString()})")

    def _show_pause(self) -> None:
        self.pause.setText("Resume" if self._resume.isEnabled() else "Pause")
        self.pause.setEnabled(self._resume.isEnabled() or self._pause.isEnabled())

    def show_document(self, title: str, *, edited: bool) -> None:
        self.title.setText(title if len(title) <= _MOST_TITLE else f"{title[: _MOST_TITLE - 1]}\u2026")
        self.title.setToolTip(title)
        self.edited.setText("\u2022 edited" if edited else "")

    def show_theme(self, theme: Theme) -> None:
        self.mark.show_theme(theme)
