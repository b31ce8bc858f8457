"""The editor of a curve: points are dragged, added and taken away, by mouse or by keys."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from studio.graph.curve import MOST_POINTS, height_at, text_of
from studio.graph.graph import Point, Value
from studio.graph.spec import Input
from studio.window.canvas.curve import paint_curve, paint_ground, shown_points, spot
from studio.window.theme import Theme, ui_font

EDITOR_SIZE: Final = QSize(320, 216)
_PAD: Final = 14.0
_WORDS: Final = 18.0
_REACH: Final = 10.0
_APART: Final = 0.005
"""How near points may come to each other along the curve."""
_KEYS: Final = {
    Qt.Key.Key_Left: (-1.0, 0.0),
    Qt.Key.Key_Right: (1.0, 0.0),
    Qt.Key.Key_Up: (0.0, 1.0),
    Qt.Key.Key_Down: (0.0, -1.0),
}
_HELP: Final = (
    "Drag a point; click beside one to add another; right-click takes one away.\n"
    "Keys: arrows move the point (Shift: further), Page Up and Page Down choose one, Insert adds, Delete takes away."
)


class CurveDrawing(QWidget):
    """As with the other fields, `changed` tells a value, and that more may follow; `closed` comes at Return, Escape (False) and when the
    focus goes. `settled` comes at the end of a drag, and when a point was added or taken away by keys."""

    changed = Signal(object, bool)
    settled = Signal()
    closed = Signal(bool)

    def __init__(self, input: Input, value: Value, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._points: list[Point] = []
        self._chosen = 0
        self._held = False
        self._name = input.name.replace("_", " ")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setToolTip(f"{input.doc}\n{_HELP}".strip())
        self.setAccessibleDescription(_HELP)
        self.show_value(value)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return EDITOR_SIZE

    def show_value(self, value: Value) -> None:
        """Show a value that came from elsewhere. One that is no curve is a straight line, until something is moved."""
        points = list(shown_points(value) or ((0.0, 0.0), (1.0, 1.0)))
        if points != self._points:
            self._points = points
            self._chosen = min(self._chosen, len(points) - 1)
            self._told()

    @property
    def points(self) -> tuple[Point, ...]:
        return tuple(self._points)

    @property
    def area(self) -> QRectF:
        """Where the curve is drawn."""
        return QRectF(self.rect()).adjusted(_PAD, _PAD, -_PAD, -_PAD - _WORDS)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter, theme, area = QPainter(self), self._theme, self.area
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme["accent"] if self.hasFocus() else theme["line"], 1))
        painter.setBrush(theme["field"])
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        paint_ground(painter, area, theme)
        paint_curve(painter, area, self._points, theme, radius=4)
        painter.setBrush(theme["field"])
        painter.setPen(QPen(theme["text"], 2))
        painter.drawEllipse(spot(area, self._points[self._chosen]), 5.5, 5.5)
        painter.setFont(ui_font(11))
        painter.setPen(theme["secondary"])
        words = QRectF(area.left(), area.bottom() + 6, area.width(), _WORDS)
        place, height = self._points[self._chosen]
        painter.drawText(
            words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, f"{place:.3g} → {height:.3g}"
        )
        count = f"{len(self._points)} points"
        painter.drawText(words, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, count)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        at = self._point_at(event.position())
        if event.button() == Qt.MouseButton.RightButton:
            if at is not None:
                self._take_away(at)
        elif event.button() == Qt.MouseButton.LeftButton:
            if at is None:
                at = self._add(self._point_of(event.position()))
            if at is not None:
                self._chosen, self._held = at, True
                self._told()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._held:
            self._move(self._point_of(event.position()))
        else:
            on_point = self._point_at(event.position()) is not None
            self.setCursor(Qt.CursorShape.OpenHandCursor if on_point else Qt.CursorShape.CrossCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._held:
            self._held = False
            self.settled.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        key = Qt.Key(event.key())
        if key in _KEYS:
            step = 0.1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0.01
            (place, height), (right, up) = self._points[self._chosen], _KEYS[key]
            self._move((place + right * step, height + up * step))
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            step = 1 if key == Qt.Key.Key_PageDown else -1
            self._chosen = min(max(self._chosen + step, 0), len(self._points) - 1)
            self._told()
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self._take_away(self._chosen)
        elif key == Qt.Key.Key_Insert:
            self._add_beside()
        elif key == Qt.Key.Key_Escape:
            self.closed.emit(False)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.closed.emit(True)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusOutEvent(event)
        self.update()
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self.closed.emit(True)

    def _point_at(self, position: QPointF) -> int | None:
        """The point near a position, the nearest one."""
        away = [((spot(self.area, point) - position).manhattanLength(), at) for at, point in enumerate(self._points)]
        distance, at = min(away)
        return at if distance <= _REACH else None

    def _point_of(self, position: QPointF) -> Point:
        area = self.area
        return (
            min(max((position.x() - area.left()) / area.width(), 0.0), 1.0),
            min(max((area.bottom() - position.y()) / area.height(), 0.0), 1.0),
        )

    def _add(self, point: Point) -> int | None:
        """A further point, unless there is no room for one. Its index."""
        at = next((at for at, one in enumerate(self._points) if one[0] > point[0]), len(self._points) - 1)
        left, right = self._points[at - 1][0], self._points[at][0]
        if len(self._points) >= MOST_POINTS or right - left <= 2 * _APART:
            return None
        self._points.insert(at, (min(max(point[0], left + _APART), right - _APART), point[1]))
        self._chosen = at
        self.changed.emit(text_of(self._points), True)
        return at

    def _add_beside(self) -> None:
        """A point on the line, halfway to the next one."""
        at = min(self._chosen, len(self._points) - 2)
        place = (self._points[at][0] + self._points[at + 1][0]) / 2
        if self._add((place, height_at(self._points, place))) is not None:
            self._told()
            self.settled.emit()

    def _take_away(self, at: int) -> None:
        """The ends stay."""
        if 0 < at < len(self._points) - 1:
            del self._points[at]
            self._chosen = min(self._chosen, len(self._points) - 1)
            self._told()
            self.changed.emit(text_of(self._points), True)
            self.settled.emit()

    def _move(self, to: Point) -> None:
        """The chosen point; an end stays at its end, and no point passes another."""
        at, last = self._chosen, len(self._points) - 1
        place = float(at == last)
        if 0 < at < last:
            place = min(max(to[0], self._points[at - 1][0] + _APART), self._points[at + 1][0] - _APART)
        moved = (round(place, 3), round(min(max(to[1], 0.0), 1.0), 3))
        if moved != self._points[at]:
            self._points[at] = moved
            self._told()
            self.changed.emit(text_of(self._points), True)

    def _told(self) -> None:
        place, height = self._points[self._chosen]
        self.setAccessibleName(
            f"{self._name}: point {self._chosen + 1} of {len(self._points)} at {place:.3g}, height {height:.3g}"
        )
        self.update()
