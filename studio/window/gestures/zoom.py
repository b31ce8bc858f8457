"""Zoom to the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QPointF, Qt

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QWheelEvent

    from studio.window.canvas.view import CanvasView

LOWEST: Final = 0.04
HIGHEST: Final = 4.0
_NOTCH: Final = 1.2
"""Factor of one notch of a mouse wheel."""


class Zoom:
    """By wheel, pinch or key. What lies under the cursor stays there. Two fingers on a touchpad push the canvas instead."""

    def __init__(self, view: CanvasView) -> None:
        self._view = view

    def wheel(self, event: QWheelEvent) -> None:
        held = event.modifiers()
        device = event.device()
        touchpad = device.type() == device.DeviceType.TouchPad
        if touchpad and not held & Qt.KeyboardModifier.ControlModifier:
            moved = event.pixelDelta()
            self._view.pan(moved.x(), moved.y())
        elif held & Qt.KeyboardModifier.ShiftModifier:
            turned = event.angleDelta()
            self._view.pan(turned.y() or turned.x(), 0)
        else:
            self.by(_NOTCH ** (event.angleDelta().y() / 120), event.position())

    def pinch(self, event: QEvent) -> bool:
        """True where the event was a pinch."""
        from PySide6.QtGui import QNativeGestureEvent  # not before the first frame

        if not isinstance(event, QNativeGestureEvent) or event.gestureType() != Qt.NativeGestureType.ZoomNativeGesture:
            return False
        self.by(1 + event.value(), event.position())
        return True

    def by(self, factor: float, at: QPointF) -> None:
        """Zoom by a factor, around a point of the view."""
        zoom = min(max(self._view.zoom * factor, LOWEST), HIGHEST)
        if abs(zoom - 1) < 0.04 and abs(factor - 1) < 0.5:
            zoom = 1.0
        self._view.set_zoom(zoom, at)
