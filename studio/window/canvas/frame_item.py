"""Frames and notes behind and between the nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from studio.graph.graph import Frame, FrameId, Note, NoteId
from studio.window.canvas.node_item import REDUCED_BELOW
from studio.window.theme import Theme, blend, ui_font

if TYPE_CHECKING:
    from studio.window.canvas.note_text import NoteText

FRAME_BAND: Final = 28.0
NOTE_PAD: Final = 10.0
CORNER: Final = 14.0
"""Side of the square at the lower right by which a frame or note is sized."""


class FrameItem(QGraphicsItem):
    """A titled rectangle behind nodes."""

    def __init__(self, id: FrameId, frame: Frame, theme: Theme) -> None:
        super().__init__()
        self.id = id
        self.frame = frame
        self.selected = False
        self._theme = theme
        self._font = ui_font(14, bold=True)
        self.setZValue(-20)
        self.setPos(*frame.position)

    @property
    def size(self) -> tuple[float, float]:
        return self.frame.size

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        return QRectF(-2, -2, self.frame.size[0] + 4, self.frame.size[1] + 4)

    def show_frame(self, frame: Frame) -> None:
        if frame.size != self.frame.size:
            self.prepareGeometryChange()
        self.frame = frame
        self.setPos(*frame.position)
        self.update()

    def set_selected(self, selected: bool) -> None:
        self.selected = selected
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        theme = self._theme
        tint = theme.band("", self.frame.color)
        width, height = self.frame.size
        bounds = QRectF(0.5, 0.5, width - 1, height - 1)
        painter.setBrush(blend(theme["canvas"], tint, 0.3))
        painter.setPen(QPen(theme["accent"], 2) if self.selected else QPen(blend(theme["canvas"], tint, 0.9), 1))
        if painter.transform().m11() < REDUCED_BELOW:
            painter.drawRect(bounds)
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawRoundedRect(bounds, 8, 8)
        painter.setFont(self._font)
        painter.setPen(theme["secondary"])
        painter.drawText(
            QRectF(12, 0, width - 24, FRAME_BAND + 4), Qt.AlignmentFlag.AlignVCenter, self.frame.title or "Frame"
        )
        if self.selected:
            _grip(painter, theme, width, height)


class NoteItem(QGraphicsItem):
    """A text on the canvas, in Markdown."""

    def __init__(self, id: NoteId, note: Note, theme: Theme) -> None:
        super().__init__()
        self.id = id
        self.note = note
        self.selected = False
        self._theme = theme
        self._text: NoteText | None = None
        self.setZValue(-5)
        self.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        self.setPos(*note.position)

    @property
    def size(self) -> tuple[float, float]:
        return self.note.size

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        return QRectF(-2, -2, self.note.size[0] + 4, self.note.size[1] + 4)

    def show_note(self, note: Note) -> None:
        if note.size != self.note.size:
            self.prepareGeometryChange()
        if note.text != self.note.text or note.size != self.note.size:
            self._text = None
        self.note = note
        self.setPos(*note.position)
        self.update()

    def set_selected(self, selected: bool) -> None:
        self.selected = selected
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        theme = self._theme
        width, height = self.note.size
        bounds = QRectF(0.5, 0.5, width - 1, height - 1)
        painter.setBrush(
            theme.band("", self.note.color) if self.note.color else blend(theme["panel"], theme["accent"], 0.1)
        )
        painter.setPen(QPen(theme["accent"], 2) if self.selected else QPen(theme["line"], 1))
        if painter.transform().m11() < REDUCED_BELOW:
            painter.drawRect(bounds)
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawRoundedRect(bounds, 6, 6)
        painter.save()
        painter.setClipRect(bounds.adjusted(NOTE_PAD, NOTE_PAD - 2, -NOTE_PAD, -4), Qt.ClipOperation.IntersectClip)
        painter.translate(NOTE_PAD, NOTE_PAD - 2)
        if self._text is None:
            from studio.window.canvas.note_text import NoteText  # most workflows have no note

            self._text = NoteText(self.note.text or "*Double-click to write.*", self.note.size[0] - 2 * NOTE_PAD)
        self._text.paint(painter, theme)
        painter.restore()
        if self.selected:
            _grip(painter, theme, width, height)


def _grip(painter: QPainter, theme: Theme, width: float, height: float) -> None:
    painter.setPen(QPen(theme["accent"], 1.5))
    for inset in (5.0, 9.0):
        painter.drawLine(int(width - inset), int(height - 3), int(width - 3), int(height - inset))
