"""Numbers in a row, such as the noise levels of a schedule, as a line over its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from studio.graph.types import SocketType
from studio.window.theme import Theme, ui_font

Plot: TypeAlias = tuple[float, ...]
"""The numbers, at least two."""

SCHEDULE: Final = SocketType("Schedule")
"""Whose colour a plot has."""
HEIGHT: Final = 0.44
"""Of a plot, through its width."""
_WIDE: Final = 30.0
"""Highest through lowest number beyond which the scale is logarithmic."""
_MOST_DOTS: Final = 64
_PAD: Final = 9.0
_LABEL: Final = 14.0
_CENTRED: Final = Qt.AlignmentFlag.AlignVCenter


def heights(numbers: Sequence[float]) -> list[float]:
    """Where each number lies between the bottom, 0, and the top, 1.

    The scale is logarithmic where the numbers are of very different size; a 0 is then at the bottom, and the rest above a tenth.
    """
    high, low = max(numbers), min(numbers)
    above = [one for one in numbers if one > 0]
    if low >= 0 and above and high / min(above) > _WIDE:
        floor = 0.1 if low == 0 else 0.0
        least, span = math.log(min(above)), math.log(high / min(above))
        return [floor + (1 - floor) * (math.log(one) - least) / span if one > 0 else 0.0 for one in numbers]
    bottom = min(low, 0.0)
    span = high - bottom
    return [(one - bottom) / span if span else 0.5 for one in numbers]


def paint_plot(painter: QPainter, area: QRectF, numbers: Plot, theme: Theme) -> None:
    """The line with a dot for each number, on a field; beside it the first number, the last one above 0, and how many steps."""
    color = theme.socket(SCHEDULE).color
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(theme["line"], 1))
    painter.setBrush(theme["field"])
    painter.drawRoundedRect(area.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
    inner = area.adjusted(_PAD, _PAD, -_PAD, -_PAD)
    across = inner.width() / (len(numbers) - 1)
    line = [
        QPointF(inner.left() + at * across, inner.bottom() - height * inner.height())
        for at, height in enumerate(heights(numbers))
    ]
    under = QPolygonF([*line, inner.bottomRight(), inner.bottomLeft()])
    wash = QColor(color)
    wash.setAlphaF(0.14)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(wash)
    painter.drawPolygon(under)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(color, 1.5))
    painter.drawPolyline(line)
    if len(numbers) <= _MOST_DOTS:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        for point in line:
            painter.drawEllipse(point, 2.2, 2.2)
    painter.setFont(ui_font(11))
    painter.setPen(theme["secondary"])
    right = inner.adjusted(inner.width() * 0.3, -2, 0, 0)
    steps = len(numbers) - 1
    for row, words in enumerate(
        (f"{steps} step{'s' if steps > 1 else ''}", f"{_short(numbers[0])} to {_last(numbers)}")
    ):
        place = QRectF(right.left(), right.top() + row * _LABEL, right.width(), _LABEL)
        painter.drawText(place, Qt.AlignmentFlag.AlignRight | _CENTRED, words)
    painter.restore()


def _short(number: float) -> str:
    return f"{number:.3g}"


def _last(numbers: Plot) -> str:
    """Most rows end at 0, which says less than where they come from."""
    last = numbers[-1]
    return f"{_short(numbers[-2])}, 0" if last == 0 and len(numbers) > 2 else _short(last)
