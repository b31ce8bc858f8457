"""How a node looks, at each level of detail. Holds fonts, pens and paths once for all nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen

from studio.graph.graph import Mode
from studio.graph.spec import (
    ColorField,
    CurveField,
    FileField,
    Input,
    ModelField,
    Number,
    Options,
    Seed,
    TextField,
    Toggle,
)
from studio.window.canvas.curve import paint_curve, paint_ground, shown_points
from studio.window.canvas.layout import BAND, CONTROL, PAD, TEXT_LINE, ControlPlace, Layout, Layouts, Place, label
from studio.window.canvas.plot import paint_plot
from studio.window.canvas.shapes import paint_socket
from studio.window.canvas.status import State
from studio.window.canvas.values import share, value_of, value_text
from studio.window.theme import Theme, blend, ui_font

if TYPE_CHECKING:
    from studio.window.canvas.landing import Landing
    from studio.window.canvas.node_item import NodeItem

RADIUS: Final = 8.0
FIELD_RADIUS: Final = 5.0
_LEFT: Final = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_WRAPPED: Final = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap


class NodePainter:
    """Paints nodes in one theme."""

    def __init__(self, theme: Theme) -> None:
        self.theme = theme
        self.row_font = ui_font()
        self.small_font = ui_font(11)
        self.title_font = ui_font(13, bold=True)
        self.far_font = ui_font(22, bold=True)
        self.row_metrics = QFontMetricsF(self.row_font)
        self.small_metrics = QFontMetricsF(self.small_font)
        self.title_metrics = QFontMetricsF(self.title_font)
        self.far_metrics = QFontMetricsF(self.far_font)
        self.landing: Landing | None = None
        """Set while a wire is drawn."""
        self.layouts = Layouts(self.measure)
        self._widths: dict[str, float] = {}
        self._bands: dict[float, QPainterPath] = {}
        self._outline = QPen(theme["node_line"], 1)
        self._field_pen = QPen(theme["line"], 1)

    def measure(self, text: str) -> float:
        """Width of a text in the row font."""
        width = self._widths.get(text)
        if width is None:
            width = self._widths[text] = self.row_metrics.horizontalAdvance(text)
        return width

    def error_lines(self, what: str, width: float) -> int:
        """Lines that an error's text takes in a node, three at most."""
        bounds = self.small_metrics.boundingRect(QRectF(0, 0, width - 2 * PAD - 16, 1000), int(_WRAPPED), what)
        return max(1, min(3, round(bounds.height() / self.small_metrics.lineSpacing())))

    def paint_reduced(self, painter: QPainter, item: NodeItem) -> None:
        """Title in large type on the tint, and the picture: what can be read from afar."""
        layout = item.layout
        if layout.dot:
            painter.fillRect(QRectF(0, 0, layout.width, layout.height), item.accent_color)
            return
        if item.node.mode is not Mode.ACTIVE:
            painter.setOpacity(0.45)
        bounds = QRectF(0, 0, layout.width, layout.height)
        painter.fillRect(bounds, self.theme["raised"])
        band = QRectF(0, 0, layout.width, min(44.0, layout.height))
        painter.fillRect(band, item.band_color)
        painter.setFont(self.far_font)
        painter.setPen(self.theme["text"])
        title = self.far_metrics.elidedText(item.title, Qt.TextElideMode.ElideRight, layout.width - 16)
        painter.drawText(band.adjusted(8, 0, -8, 0), _LEFT, title)
        if layout.preview is not None:
            self._preview(painter, item, layout.preview)
        self._progress(painter, item, 44.0, 6.0)
        if item.status.state is State.FAILED or item.selected:
            token = "accent" if item.selected else "error"
            painter.setPen(QPen(self.theme[token], 4))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(bounds)

    def paint_full(self, painter: QPainter, item: NodeItem) -> None:
        """Everything."""
        layout, theme = item.layout, self.theme
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if layout.dot:
            self._dot(painter, item)
            return
        faded = item.node.mode is not Mode.ACTIVE
        if faded:
            painter.setOpacity(0.5 if item.node.mode is Mode.BYPASSED else 0.4)
        bounds = QRectF(0, 0, layout.width, layout.height)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme["raised"])
        painter.drawRoundedRect(bounds, RADIUS, RADIUS)
        painter.setBrush(item.band_color)
        if layout.collapsed:
            painter.drawRoundedRect(bounds, RADIUS, RADIUS)
        else:
            painter.drawPath(self._band(layout.width))
        self._outlines(painter, item, bounds)
        self._band_text(painter, item)
        self._progress(painter, item, BAND - 3 if layout.collapsed else BAND, 3.0)
        if not layout.collapsed:
            self._labels(painter, item)
            for control in layout.controls:
                self._control(painter, item, control)
            if layout.preview is not None:
                self._preview(painter, item, layout.preview)
            if layout.error is not None:
                self._error(painter, item, layout.error)
        self._sockets(painter, item)

    def _outlines(self, painter: QPainter, item: NodeItem, bounds: QRectF) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        state = item.status.state
        if item.selected:
            pen = QPen(self.theme["accent"], 2)
        elif state is State.FAILED:
            pen = QPen(self.theme["error"], 1.5)
        elif state is State.RUNNING:
            pen = QPen(self.theme["running"], 1)
        else:
            pen = self._outline
        if item.spec_missing:
            pen = QPen(pen)
            pen.setColor(self.theme["accent"] if item.selected else self.theme["error"])
            pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.drawRoundedRect(bounds.adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)

    def _band(self, width: float) -> QPainterPath:
        path = self._bands.get(width)
        if path is None:
            path = QPainterPath()
            path.moveTo(0, BAND)
            path.lineTo(0, RADIUS)
            path.arcTo(QRectF(0, 0, 2 * RADIUS, 2 * RADIUS), 180, -90)
            path.lineTo(width - RADIUS, 0)
            path.arcTo(QRectF(width - 2 * RADIUS, 0, 2 * RADIUS, 2 * RADIUS), 90, -90)
            path.lineTo(width, BAND)
            path.closeSubpath()
            self._bands[width] = path
        return path

    def _band_text(self, painter: QPainter, item: NodeItem) -> None:
        room = item.layout.width - 24
        title_width = self.title_metrics.horizontalAdvance(item.title)
        words = item.band_words(short=False)
        if words and title_width + self.small_metrics.horizontalAdvance(words) + 10 > room:
            words = item.band_words(short=True)
        taken = self.small_metrics.horizontalAdvance(words) + 10 if words else 0.0
        painter.setFont(self.title_font)
        painter.setPen(self.theme["text"])
        title = self.title_metrics.elidedText(item.title, Qt.TextElideMode.ElideRight, room - taken)
        painter.drawText(QRectF(12, 0, room - taken + 2, BAND), _LEFT, title)
        if words:
            painter.setFont(self.small_font)
            painter.setPen(
                self.theme["error"] if item.status.state is State.FAILED or item.spec_missing else self.theme["on_band"]
            )
            painter.drawText(QRectF(12, 0, room, BAND), _RIGHT, words)

    def _progress(self, painter: QPainter, item: NodeItem, y: float, height: float) -> None:
        status = item.status
        if status.state in (State.RUNNING, State.PAUSED):
            color = self.theme["running"] if status.state is State.RUNNING else self.theme["accent"]
            painter.fillRect(QRectF(1, y, (item.layout.width - 2) * status.progress, height), color)

    def _labels(self, painter: QPainter, item: NodeItem) -> None:
        layout = item.layout
        painter.setFont(self.row_font)
        painter.setPen(self.theme["secondary"])
        half = layout.width - 28
        for socket in layout.inputs.values():
            if socket.label:
                painter.drawText(QRectF(14, socket.y - 11, half, 22), _LEFT, socket.label)
        for socket in layout.outputs.values():
            painter.drawText(QRectF(14, socket.y - 11, half, 22), _RIGHT, socket.label)

    def _sockets(self, painter: QPainter, item: NodeItem) -> None:
        theme, ground = self.theme, self.theme["raised"]
        landing = self.landing
        for is_output, sockets in ((False, item.layout.inputs), (True, item.layout.outputs)):
            for socket in sockets.values():
                linked = not is_output and socket.name in item.linked
                fits = landing is not None and landing.fits(item.id, socket.name, is_output)
                if socket.on_control and not (linked or fits or item.hot or socket.name == item.status.socket):
                    continue
                if landing is not None and not fits:
                    painter.setOpacity(0.25)
                style = item.socket_style(socket, is_output=is_output)
                paint_socket(
                    painter, socket.x, socket.y, style, ground, hollow=socket.hollow and not linked, grown=fits
                )
                if landing is not None and not fits:
                    painter.setOpacity(1.0)
                if not is_output and socket.name == item.status.socket and item.status.state is State.FAILED:
                    painter.setPen(QPen(theme["error"], 2))
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    painter.drawEllipse(QPointF(socket.x, socket.y), 9, 9)

    def _control(self, painter: QPainter, item: NodeItem, control: ControlPlace) -> None:
        theme, input = self.theme, control.input
        field = _rect(control.place).adjusted(0.5, 0.5, -0.5, -0.5)
        hot = item.hot == input.name
        painter.setPen(self._field_pen)
        painter.setBrush(theme["hover"] if hot else theme["field"])
        painter.drawRoundedRect(field, FIELD_RADIUS, FIELD_RADIUS)
        value = value_of(item.node, input)
        linked = input.name in item.linked
        painter.setFont(self.row_font)
        if isinstance(input.control, TextField) and field.height() > CONTROL and not linked:
            self._text_area(painter, input, value, field)
            return
        if isinstance(input.control, CurveField) and not linked:
            self._curve(painter, value, field)
            return
        if isinstance(input.control, Number) and input.control.slider and not linked:
            self._slider(painter, field, share(input.control, value))
        name = label(input.name)
        painter.setPen(theme["secondary"])
        room = field.width() - 20
        painter.drawText(
            field.adjusted(10, 0, -10, 0),
            _LEFT,
            self.row_metrics.elidedText(name, Qt.TextElideMode.ElideRight, room * 0.6),
        )
        left = min(self.measure(name), room * 0.6) + 12
        if linked:
            painter.setPen(theme["disabled"])
            painter.drawText(field.adjusted(10, 0, -10, 0), _RIGHT, "from link")
            return
        self._value(painter, input, value, field, room - left)

    def _value(self, painter: QPainter, input: Input, value: object, field: QRectF, room: float) -> None:
        theme = self.theme
        inner = field.adjusted(10, 0, -10, 0)
        middle = field.center().y()
        if isinstance(input.control, Toggle):
            self._toggle(painter, inner.right(), middle, on=bool(value))
            return
        if isinstance(input.control, ColorField):
            painter.setBrush(QColor(str(value)))
            painter.setPen(self._field_pen)
            painter.drawRoundedRect(QRectF(inner.right() - 28, middle - 7, 28, 14), 3, 3)
            inner.adjust(0, 0, -36, 0)
            room -= 36
        if isinstance(input.control, (Options, ModelField)):
            _chevron(painter, inner.right() - 3, middle, theme["secondary"])
            inner.adjust(0, 0, -14, 0)
            room -= 14
        if isinstance(input.control, Seed):
            _dice(painter, inner.right() - 5, middle, theme["secondary"])
            inner.adjust(0, 0, -18, 0)
            room -= 18
        text = value_text(input, value)
        elide = Qt.TextElideMode.ElideLeft if isinstance(input.control, FileField) else Qt.TextElideMode.ElideRight
        empty = (isinstance(input.control, TextField) and not value) or value is None
        if empty and isinstance(input.control, TextField):
            text = input.control.placeholder
        painter.setPen(theme["disabled"] if empty else theme["text"])
        painter.drawText(inner, _RIGHT, self.row_metrics.elidedText(text, elide, max(room, 20)))

    def _toggle(self, painter: QPainter, right: float, middle: float, *, on: bool) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.theme["accent"] if on else self.theme["line"])
        painter.drawRoundedRect(QRectF(right - 26, middle - 7, 26, 14), 7, 7)
        painter.setBrush(self.theme["on_accent"] if on else self.theme["secondary"])
        painter.drawEllipse(QPointF(right - 7 if on else right - 19, middle), 5, 5)

    def _slider(self, painter: QPainter, field: QRectF, share: float) -> None:
        if share <= 0:
            return
        painter.save()
        inside = QPainterPath()
        inside.addRoundedRect(field.adjusted(0.5, 0.5, -0.5, -0.5), FIELD_RADIUS - 0.5, FIELD_RADIUS - 0.5)
        painter.setClipPath(inside, Qt.ClipOperation.IntersectClip)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.theme["fill"])
        painter.drawRect(QRectF(field.left(), field.top(), field.width() * share, field.height()))
        painter.restore()

    def _text_area(self, painter: QPainter, input: Input, value: object, field: QRectF) -> None:
        assert isinstance(input.control, TextField)
        text = str(value or "")
        painter.setPen(self.theme["text"] if text else self.theme["disabled"])
        area = field.adjusted(8, 5, -8, -4)
        lines = max(1, int(area.height() // TEXT_LINE))
        shown = text or input.control.placeholder or label(input.name)
        for at, line in enumerate(wrap(shown, area.width(), lines, self.row_metrics)):
            painter.drawText(QRectF(area.left(), area.top() + at * TEXT_LINE, area.width() + 4, TEXT_LINE), _LEFT, line)

    def _curve(self, painter: QPainter, value: object, field: QRectF) -> None:
        points = shown_points(value)
        area = field.adjusted(8, 8, -8, -8)
        paint_ground(painter, area, self.theme)
        if points is not None:
            paint_curve(painter, area, points, self.theme, radius=2.5)

    def _preview(self, painter: QPainter, item: NodeItem, place: Place) -> None:
        picture = item.status.preview
        if isinstance(picture, tuple):
            paint_plot(painter, _rect(place), picture, self.theme)
        elif picture is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(_rect(place), picture)

    def _error(self, painter: QPainter, item: NodeItem, place: Place) -> None:
        field = _rect(place)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.theme["error_surface"])
        painter.drawRoundedRect(field, FIELD_RADIUS, FIELD_RADIUS)
        painter.setFont(self.small_font)
        painter.setPen(self.theme["error"])
        area = field.adjusted(8, 5, -8, -4)
        lines = max(1, round((place.height - 10) / TEXT_LINE))
        for at, line in enumerate(wrap(item.error_text, area.width(), lines, self.small_metrics)):
            painter.drawText(QRectF(area.left(), area.top() + at * TEXT_LINE, area.width() + 4, TEXT_LINE), _LEFT, line)

    def _dot(self, painter: QPainter, item: NodeItem) -> None:
        layout: Layout = item.layout
        color = item.accent_color
        middle = layout.height / 2
        painter.setPen(QPen(color, 2))
        painter.drawLine(QPointF(2, middle), QPointF(layout.width - 2, middle))
        painter.setBrush(color)
        painter.setPen(QPen(self.theme["accent"] if item.selected else self.theme["canvas"], 2))
        painter.drawEllipse(QPointF(layout.width / 2, middle), 6, 6)


def wrap(text: str, width: float, lines: int, metrics: QFontMetricsF) -> list[str]:
    """A text broken at spaces into at most `lines` lines, the last one elided."""
    broken: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            tried = f"{line} {word}" if line else word
            if line and metrics.horizontalAdvance(tried) > width:
                broken.append(line)
                line = word
            else:
                line = tried
            if len(broken) > lines:
                break
        broken.append(line)
        if len(broken) > lines:
            break
    if len(broken) > lines:
        broken = [*broken[: lines - 1], f"{broken[lines - 1]} \u2026"]
    return [metrics.elidedText(line, Qt.TextElideMode.ElideRight, width) for line in broken]


def _rect(place: Place) -> QRectF:
    return QRectF(place.x, place.y, place.width, place.height)


def _chevron(painter: QPainter, x: float, y: float, color: QColor) -> None:
    painter.setPen(QPen(color, 1.4))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolyline([QPointF(x - 3.5, y - 1.5), QPointF(x, y + 2), QPointF(x + 3.5, y - 1.5)])


def _dice(painter: QPainter, x: float, y: float, color: QColor) -> None:
    painter.setPen(QPen(color, 1.2))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(QRectF(x - 5.5, y - 5.5, 11, 11), 2.5, 2.5)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    for dx, dy in ((-2.2, -2.2), (2.2, 2.2), (0, 0)):
        painter.drawEllipse(QPointF(x + dx, y + dy), 1.1, 1.1)


def accent_for(theme: Theme, color: QColor) -> QColor:
    """A wire's colour laid a little into the ground, for what is not in focus."""
    return blend(theme["canvas"], color, 0.6)
