"""The numbers of a node's result, large: the noise levels of a schedule over its steps."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from studio.window.canvas.plot import HEIGHT, Plot, paint_plot
from studio.window.theme import Theme

_MOST_WORDS: Final = 64


class PlotView(QWidget):
    """A plot that is as wide as there is room; hidden where there is nothing to plot."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.numbers: Plot = ()
        self._theme = theme
        self.setMinimumHeight(120)
        self.setAccessibleName("Noise levels")
        self.hide()

    def show_numbers(self, result: object) -> None:
        """Show what a node's status holds of its result."""
        self.numbers = result if isinstance(result, tuple) else ()
        levels = ", ".join(f"{one:.3g}" for one in self.numbers)
        self.setAccessibleDescription(levels)
        self.setToolTip(levels if len(self.numbers) <= _MOST_WORDS else "")
        self.setVisible(bool(self.numbers))
        self.update()

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        return round(max(width * HEIGHT, 120))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        if self.numbers:
            paint_plot(painter, QRectF(self.rect()), self.numbers, self._theme)
