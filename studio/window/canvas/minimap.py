"""The whole graph in a corner, with the part that is seen."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QTransform
from PySide6.QtWidgets import QWidget

from studio.window.canvas.scene import CanvasScene
from studio.window.canvas.view import CanvasView

SIZE: Final = QSize(180, 120)
_PAUSE_MS: Final = 120
"""The picture of the graph is made anew at most so often."""


class Minimap(QWidget):
    """A press or drag looks at that place."""

    def __init__(self, view: CanvasView) -> None:
        super().__init__(view)
        self._view = view
        self._scene: CanvasScene | None = None
        self._picture: QPixmap | None = None
        self._bounds = QRectF()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._renew)
        self.setFixedSize(SIZE)
        self.setAccessibleName("Overview of the workflow")
        self.setToolTip("The whole workflow. Drag to look elsewhere.")
        view.moved.connect(self._view_moved)
        self._view_moved()
        self.show()

    def show_scene(self, scene: CanvasScene) -> None:
        if self._scene is not None:
            self._scene.content_changed.disconnect(self._changed)
        self._scene = scene
        scene.content_changed.connect(self._changed)
        self._renew()

    def _view_moved(self) -> None:
        self.move(16, self._view.height() - self.height() - 16)
        self.update()

    def _changed(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _renew(self) -> None:
        self._picture = None
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        theme = self._view.canvas.theme
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme["line"], 1))
        painter.setBrush(theme["panel"])
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        if self._picture is None:
            self._picture = self._draw()
        painter.drawPixmap(0, 0, self._picture)
        transform = self._transform()
        seen = transform.mapRect(self._view.visible_area()).intersected(QRectF(self.rect()).adjusted(4, 4, -4, -4))
        painter.setPen(QPen(theme["accent"], 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(seen, 3, 3)
        painter.end()

    def _draw(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        picture = QPixmap(self.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        if self._scene is None:
            return picture
        self._bounds = self._scene.content()
        painter = QPainter(picture)
        painter.setTransform(self._transform(), combine=True)
        for frame in self._scene.frames.values():
            painter.fillRect(QRectF(frame.pos(), frame.boundingRect().size()), self._view.canvas.theme["raised"])
        self._scene.overview.paint(painter, self._view.canvas.theme)
        painter.end()
        return picture

    def _transform(self) -> QTransform:
        """From the scene to this widget."""
        bounds = self._bounds if not self._bounds.isEmpty() else QRectF(-500, -300, 1000, 600)
        scale = min((self.width() - 24) / bounds.width(), (self.height() - 24) / bounds.height(), 0.2)
        middle = bounds.center()
        return QTransform(
            scale, 0, 0, scale, self.width() / 2 - middle.x() * scale, self.height() / 2 - middle.y() * scale
        )

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._look(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._look(event.position())

    def _look(self, at: QPointF) -> None:
        inverted, _ = self._transform().inverted()
        self._view.center(inverted.map(at))
