"""What all gestures share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QPointF, Qt

if TYPE_CHECKING:
    from studio.window.canvas.view import CanvasView

THRESHOLD = 4
"""Pixels of the screen that a press may move and still be a click."""


class Pointer(NamedTuple):
    """Where the mouse is: in the scene, on the view, and with which keys held."""

    scene: QPointF
    view: QPointF
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier

    @property
    def shift(self) -> bool:
        return bool(self.modifiers & Qt.KeyboardModifier.ShiftModifier)

    @property
    def control(self) -> bool:
        return bool(self.modifiers & Qt.KeyboardModifier.ControlModifier)

    @property
    def alt(self) -> bool:
        return bool(self.modifiers & Qt.KeyboardModifier.AltModifier)


class Gesture:
    """From a press to its release, or Escape. `dragged` turns true once the mouse has left the place of the press."""

    cursor: Qt.CursorShape | None = None

    def __init__(self, view: CanvasView) -> None:
        self.view = view
        self.start: Pointer | None = None
        self.dragged = False

    def press(self, at: Pointer) -> None:
        """The button went down."""
        self.start = at
        self.begin(at)

    def drag(self, at: Pointer) -> None:
        """The mouse moved with the button down."""
        assert self.start is not None
        if not self.dragged:
            away = at.view - self.start.view
            if abs(away.x()) + abs(away.y()) < THRESHOLD:
                return
            self.dragged = True
        self.move(at)

    def release(self, at: Pointer) -> None:
        """The button went up."""
        if self.dragged:
            self.end(at)
        else:
            self.click(at)

    def begin(self, at: Pointer) -> None:
        """Right after the press."""

    def move(self, at: Pointer) -> None:
        """Each move of a drag."""

    def end(self, at: Pointer) -> None:
        """The release of a drag."""

    def click(self, at: Pointer) -> None:
        """A release where the press was."""

    def cancel(self) -> None:
        """Escape, or something took the mouse away: all is as before the press."""
