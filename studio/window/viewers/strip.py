"""The steps of a run as a strip of small pictures, to be dragged along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from PySide6.QtCore import QPoint, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QAbstractSlider, QSizePolicy, QWidget

from studio.window.theme import Theme

SIDE: Final = 48
_GAP: Final = 4
_ROWS_GAP: Final = 6


@dataclass(slots=True, eq=False)
class StepRow:
    """The steps of one run of one node, as far as they were seen. `pictures` by step, the first being 1."""

    title: str
    count: int
    pictures: dict[int, QImage] = field(default_factory=dict)
    sigmas: dict[int, float] = field(default_factory=dict)


class StepStrip(QAbstractSlider):
    """Its value is the chosen step of the first row; a second row is there for comparison, step under step.

    A slider to the keyboard, the wheel and a screen reader. Pictures overlap where there is no room, the chosen one on top.
    """

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._rows: Sequence[StepRow] = ()
        self._small: dict[int, QPixmap] = {}
        """By the key of the picture, at the size at which it is painted."""
        self.setOrientation(Qt.Orientation.Horizontal)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Steps")
        self.setToolTip("Drag along the steps; arrow keys go one by one")
        self.setPageStep(5)
        self.valueChanged.connect(self._describe)

    def show_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_rows(self, rows: Sequence[StepRow]) -> None:
        """Show these, at most two. The chosen step stays where it is, as far as there are so many."""
        self._rows = rows[:2]
        self.setRange(1, max((row.count for row in self._rows[:1]), default=1))
        shown = {image.cacheKey() for row in self._rows for image in row.pictures.values()}
        self._small = {key: pixmap for key, pixmap in self._small.items() if key in shown}
        self.updateGeometry()
        self._describe()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        rows = max(1, len(self._rows))
        return QSize(6 * (SIDE + _GAP), rows * SIDE + (rows - 1) * _ROWS_GAP + 4)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(SIDE, self.sizeHint().height())

    def place(self, step: int, row: int = 0) -> QRectF:
        """Where the picture of a step is painted."""
        return QRectF(2 + (step - 1) * self._pitch(), 2 + row * (SIDE + _ROWS_GAP), SIDE, SIDE)

    def step_at(self, point: QPoint) -> int:
        """The step whose picture lies nearest to a point."""
        across = (point.x() - 2 - min(self._pitch(), SIDE) / 2) / self._pitch()
        return min(max(round(across) + 1, self.minimum()), self.maximum())

    def _pitch(self) -> float:
        between = max(self.maximum() - 1, 1)
        return min(float(SIDE + _GAP), max((self.width() - 4 - SIDE) / between, 1.0))

    def _describe(self) -> None:
        self.setAccessibleDescription(f"Step {self.value()} of {self.maximum()}")

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        chosen = self.value()
        for at, row in enumerate(self._rows):
            for step in [*(one for one in range(1, row.count + 1) if one != chosen), chosen]:
                if step <= row.count:
                    self._paint_step(painter, row, at, step)
        painter.end()

    def _paint_step(self, painter: QPainter, row: StepRow, at: int, step: int) -> None:
        place = self.place(step, at)
        image = row.pictures.get(step)
        if image is None:
            painter.setPen(QPen(self._theme["line"], 1))
            painter.setBrush(self._theme["canvas"])
            painter.drawRoundedRect(place.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        else:
            painter.drawPixmap(place.toRect(), self._pixmap(image))
        if step == self.value():
            painter.setPen(QPen(self._theme["accent"], 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(place.adjusted(-1, -1, 1, 1), 3, 3)
            if self.hasFocus():
                painter.setPen(QPen(self._theme["text"], 1))
                painter.drawRoundedRect(place.adjusted(2, 2, -2, -2), 2, 2)

    def _pixmap(self, image: QImage) -> QPixmap:
        """The middle of a picture as a square of the strip."""
        made = self._small.get(image.cacheKey())
        if made is None:
            side = round(SIDE * self.devicePixelRatioF())
            expanding, smooth = (
                Qt.AspectRatioMode.KeepAspectRatioByExpanding,
                Qt.TransformationMode.SmoothTransformation,
            )
            scaled = image.scaled(side, side, expanding, smooth)
            left, top = (scaled.width() - side) // 2, (scaled.height() - side) // 2
            made = self._small[image.cacheKey()] = QPixmap.fromImage(scaled.copy(left, top, side, side))
        return made

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self.setValue(self.step_at(event.position().toPoint()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self.isSliderDown():
            self.setValue(self.step_at(event.position().toPoint()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.setSliderDown(False)
