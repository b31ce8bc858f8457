"""A field to type in, over a list of what fits. The search for nodes, the palette of commands and long choices all are this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from studio.window.theme import Theme, ui_font

_ROW: Final = 28
_Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Row:
    """An entry. `detail` stands at the right, `doc` below the list while the entry is chosen; `color` is a dot before the title."""

    title: str
    value: object
    detail: str = ""
    doc: str = ""
    color: QColor | None = None
    enabled: bool = True


Find = Callable[[str], Sequence[Row]]


class Rows(QAbstractListModel):
    """The entries that are shown."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.rows: Sequence[Row] = ()

    def show(self, rows: Sequence[Row]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: _Index | None = None) -> int:  # noqa: N802 - Qt's name
        return len(self.rows)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's own signature
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return row.title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{row.title}. {row.detail}"
        return None

    def flags(self, index: _Index) -> Qt.ItemFlag:
        plain = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        return plain if self.rows[index.row()].enabled else Qt.ItemFlag.NoItemFlags


class Picker(QFrame):
    """Closes by a choice, Escape, or a press elsewhere. `find` gives the entries for what was typed."""

    chosen = Signal(object)
    closed = Signal()

    def __init__(
        self, theme: Theme, find: Find, *, hint: str, name: str, width: int = 420, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setObjectName("popup")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._find = find
        self._theme = theme
        self.field = QLineEdit()
        self.field.setPlaceholderText(hint)
        self.field.setAccessibleName(hint)
        self.field.textChanged.connect(self._search)
        self.field.installEventFilter(self)
        self.rows = Rows(self)
        self.list = QListView()
        self.list.setAccessibleName(name)
        self.list.setModel(self.rows)
        self.list.setUniformItemSizes(True)
        self.list.setItemDelegate(_Look(theme, self.list))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMouseTracking(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.clicked.connect(self._take)
        self.list.entered.connect(self.list.setCurrentIndex)
        self.list.selectionModel().currentChanged.connect(self._show_doc)
        self.doc = QLabel()
        self.doc.setObjectName("secondary")
        self.doc.setWordWrap(True)
        self.doc.setTextFormat(Qt.TextFormat.PlainText)
        self.doc.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setAccessibleName(name)
        self.setFixedWidth(width)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        column.addWidget(self.field)
        column.addWidget(self.list)
        column.addWidget(self.doc)
        self._search("")

    def open_at(self, at: QPoint) -> None:
        """Show with the field at a point of the screen, moved in where it would stick out."""
        self.adjustSize()
        screen = QApplication.screenAt(at) or QApplication.primaryScreen()
        room = screen.availableGeometry()
        x = max(room.left(), min(at.x(), room.right() - self.width()))
        y = max(room.top(), min(at.y(), room.bottom() - self.height()))
        self.move(x, y)
        self.show()
        self.field.setFocus()

    def _search(self, text: str) -> None:
        found = self._find(text)
        self.rows.show(found)
        self.list.setFixedHeight(max(1, min(len(found), 11)) * _ROW)
        self.doc.setMinimumHeight(34 if any(row.doc for row in found) else 0)
        first = next((at for at, row in enumerate(found) if row.enabled), None)
        if first is not None:
            self.list.setCurrentIndex(self.rows.index(first))
        else:
            self.doc.setText("Nothing fits. Try fewer letters." if text else "")
        self.adjustSize()

    def _show_doc(self, now: QModelIndex) -> None:
        if now.isValid() and now.row() < len(self.rows.rows):
            doc = self.rows.rows[now.row()].doc
            self.doc.setText(doc)
            self.doc.setVisible(bool(doc) or any(row.doc for row in self.rows.rows[:20]))

    def _take(self, index: QModelIndex) -> None:
        if not index.isValid() or not self.rows.rows[index.row()].enabled:
            return
        value = self.rows.rows[index.row()].value
        self.close()
        self.chosen.emit(value)

    def hideEvent(self, event: object) -> None:  # noqa: N802
        super().hideEvent(event)  # type: ignore[arg-type]
        self.closed.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Arrows and Return in the field go to the list."""
        if watched is self.field and event.type() == QEvent.Type.KeyPress:
            assert isinstance(event, QKeyEvent)
            steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 10, Qt.Key.Key_PageUp: -10}
            step = steps.get(Qt.Key(event.key()))
            if step is not None:
                self._step(step)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Tab):
                self._take(self.list.currentIndex())
                return True
        return False

    def _step(self, step: int) -> None:
        rows = self.rows.rows
        at = self.list.currentIndex().row() + step
        if abs(step) == 1:
            while 0 <= at < len(rows) and not rows[at].enabled:
                at += step
            if not 0 <= at < len(rows):
                return
        at = min(max(at, 0), len(rows) - 1)
        if rows:
            self.list.setCurrentIndex(self.rows.index(at))


class _Look(QStyledItemDelegate):
    def __init__(self, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._theme = theme
        self._font = ui_font()
        self._small = ui_font(11)

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:  # noqa: N802
        return QSize(200, _ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        model = index.model()
        assert isinstance(model, Rows)
        row = model.rows[index.row()]
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if state & QStyle.StateFlag.State_Selected and row.enabled:
            painter.setBrush(self._theme["hover"])
            painter.drawRoundedRect(rect.adjusted(0, 1, 0, -1), 5, 5)
        left = rect.left() + 10
        if row.color is not None:
            painter.setBrush(row.color)
            painter.drawRoundedRect(QRect(left, rect.center().y() - 4, 9, 9), 2, 2)
            left += 18
        painter.setFont(self._small)
        wide = QFontMetrics(self._small).horizontalAdvance(row.detail)
        painter.setPen(self._theme["secondary"])
        painter.drawText(
            rect.adjusted(0, 0, -10, 0), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, row.detail
        )
        painter.setFont(self._font)
        painter.setPen(self._theme["text"] if row.enabled else self._theme["disabled"])
        room = QRect(left, rect.top(), rect.right() - left - wide - 20, rect.height())
        title = QFontMetrics(self._font).elidedText(row.title, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, title)
        painter.restore()
