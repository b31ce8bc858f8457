"""Frames and notes behind and between the nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
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


class Box(QGraphicsItem):
    """What frames and notes have in common: a rectangle that lies somewhere, can be selected, and is sized by its corner."""

    def __init__(self, held: Frame | Note, theme: Theme) -> None:
        super().__init__()
        self.selected = False
        self._held = held
        self._theme = theme
        self.setPos(*held.position)

    @property
    def size(self) -> tuple[float, float]:
        return self._held.size

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        return QRectF(-2, -2, self.size[0] + 4, self.size[1] + 4)

    def set_selected(self, selected: bool) -> None:
        self.selected = selected
        self.update()

    def _hold(self, held: Frame | Note) -> None:
        if held.size != self.size:
            self.prepareGeometryChange()
        self._held = held
        self.setPos(*held.position)
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        theme = self._theme
        width, height = self.size
        bounds = QRectF(0.5, 0.5, width - 1, height - 1)
        fill, line, radius = self._look()
        painter.setBrush(fill)
        painter.setPen(QPen(theme["accent"], 2) if self.selected else QPen(line, 1))
        if painter.transform().m11() < REDUCED_BELOW:
            painter.drawRect(bounds)
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawRoundedRect(bounds, radius, radius)
        self._paint_content(painter, bounds)
        if self.selected:
            painter.setPen(QPen(theme["accent"], 1.5))
            for inset in (5.0, 9.0):
                painter.drawLine(int(width - inset), int(height - 3), int(width - 3), int(height - inset))

    def _look(self) -> tuple[QColor, QColor, float]:
        """Fill, border, and the radius of the corners."""
        raise NotImplementedError

    def _paint_content(self, painter: QPainter, bounds: QRectF) -> None:
        raise NotImplementedError


class FrameItem(Box):
    """A titled rectangle behind nodes."""

    def __init__(self, id: FrameId, frame: Frame, theme: Theme) -> None:
        super().__init__(frame, theme)
        self.id = id
        self.frame = frame
        self._font = ui_font(14, bold=True)
        self.setZValue(-20)

    def show_frame(self, frame: Frame) -> None:
        self.frame = frame
        self._hold(frame)

    def _look(self) -> tuple[QColor, QColor, float]:
        canvas, tint = self._theme["canvas"], self._theme.band("", self.frame.color)
        return blend(canvas, tint, 0.3), blend(canvas, tint, 0.9), 8

    def _paint_content(self, painter: QPainter, bounds: QRectF) -> None:
        painter.setFont(self._font)
        painter.setPen(self._theme["secondary"])
        title = QRectF(12, 0, self.size[0] - 24, FRAME_BAND + 4)
        painter.drawText(title, Qt.AlignmentFlag.AlignVCenter, self.frame.title or "Frame")


class NoteItem(Box):
    """A text on the canvas, in Markdown."""

    def __init__(self, id: NoteId, note: Note, theme: Theme) -> None:
        super().__init__(note, theme)
        self.id = id
        self.note = note
        self._text: NoteText | None = None
        self.setZValue(-5)
        self.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)

    def show_note(self, note: Note) -> None:
        if note.text != self.note.text or note.size != self.note.size:
            self._text = None
        self.note = note
        self._hold(note)

    def _look(self) -> tuple[QColor, QColor, float]:
        theme = self._theme
        fill = theme.band("", self.note.color) if self.note.color else blend(theme["panel"], theme["accent"], 0.1)
        return fill, theme["line"], 6

    def _paint_content(self, painter: QPainter, bounds: QRectF) -> None:
        painter.save()
        painter.setClipRect(bounds.adjusted(NOTE_PAD, NOTE_PAD - 2, -NOTE_PAD, -4), Qt.ClipOperation.IntersectClip)
        painter.translate(NOTE_PAD, NOTE_PAD - 2)
        if self._text is None:
            from studio.window.canvas.note_text import NoteText  # most workflows have no note

            self._text = NoteText(self.note.text or "*Double-click to write.*", self.size[0] - 2 * NOTE_PAD)
        self._text.paint(painter, self._theme)
        painter.restore()
