"""The canvas: looks at a scene, turns the mouse into gestures, and paints the overview when far away."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QPoint, QPointF, QRectF, QSizeF, Qt, Signal
from PySide6.QtGui import QPainter, QPen, QPixmap, QTransform
from PySide6.QtWidgets import QFrame, QGraphicsView, QWidget

from studio.graph.errors import WirelightError
from studio.graph.graph import Socket, subgraph_of
from studio.graph.history import Revisable
from studio.graph.spec import Input, Number
from studio.graph.types import Refusal
from studio.graph.workflow import View
from studio.window.canvas.frame_item import FrameItem, NoteItem
from studio.window.canvas.layout import Part
from studio.window.canvas.node_item import NodeItem
from studio.window.canvas.overview import OVERVIEW_BELOW
from studio.window.canvas.saying import Saying
from studio.window.canvas.scene import CanvasScene
from studio.window.gestures.gesture import Gesture, Pointer
from studio.window.gestures.zoom import HIGHEST, LOWEST, Zoom
from studio.window.theme import Theme

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import (
        QContextMenuEvent,
        QDragEnterEvent,
        QDragMoveEvent,
        QDropEvent,
        QFocusEvent,
        QKeyEvent,
        QMouseEvent,
        QPaintEvent,
        QResizeEvent,
        QWheelEvent,
    )

    from studio.graph.edits import AnyEdit

_DOT_PITCH: Final = 24.0
_TILE_DOTS: Final = 8
_FIT_MARGIN: Final = 40
_WIRE_REACH: Final = 8.0


class CanvasView(QGraphicsView):
    """Shows one scene at a time. `edit_value` is set by the window: it opens the editor of a parameter."""

    search_asked = Signal(QPointF, QPoint, object, bool)
    """Where in the scene, where on the screen, the socket that a wire was drawn from (or None), whether that is an output."""
    menu_asked = Signal(QPointF, QPoint, object)
    refused = Signal(object, object, object, QPoint)
    """A `Refusal`, the output and the input, and where on the screen."""
    problem = Signal(object)
    error_asked = Signal(str)
    shown_asked = Signal(str)
    """A node whose result the artist wants to see."""
    rename_asked = Signal(str, str)
    """Kind and id of what the artist wants to name or write."""
    enter_asked = Signal(str)
    """A node that stands for a subgraph, to be looked into."""
    split_asked = Signal(object, QPointF)
    """The input of a wire that was double-clicked, and where."""
    files_dropped = Signal(list)
    slot_asked = Signal(int)
    painted = Signal()
    """The first frame of a document is on its way to the screen."""
    moved = Signal()
    """Another part of the scene is seen, or at another zoom."""

    def __init__(self, scene: CanvasScene, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.canvas = scene
        self.zoom = 1.0
        self.edit_value: Callable[[NodeItem, Input, QPointF | None], None] = lambda item, declared, at: None
        self.gestures: Callable[[Qt.MouseButton, Pointer], Gesture | None] | None = None
        """What a press begins; set once the window is more than its first frame."""
        self._gesture: Gesture | None = None
        self._space = False
        self._hot: NodeItem | None = None
        self._tile: tuple[float, QPixmap] | None = None
        self._zoomer = Zoom(self)
        self._wanted: View | None = None
        self._placed = True
        # A viewport of our own: asked for Qt's, PySide would look through every kind of widget to find out what it is.
        self._port = QWidget()
        self.setViewport(self._port)
        self._port.setAccessibleName("Canvas")
        self._say = Saying(self._port)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.MinimalViewportUpdate)
        self.setOptimizationFlag(QGraphicsView.OptimizationFlag.DontAdjustForAntialiasing)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Canvas")
        self.setAccessibleDescription("The nodes of the workflow and the wires between them.")
        self.setScene(scene)
        self.center(QPointF(0, 0))

    @property
    def history(self) -> Revisable:
        return self.canvas.history

    def show_scene(self, scene: CanvasScene, view: View | None) -> None:
        """Look at another document: where it was looked at last, or at all of it."""
        self.cancel_gesture()
        self._hot = None
        self.canvas = scene
        self.setScene(scene)
        self._wanted = view
        self._placed = False
        if self.isVisible():
            self._place()

    def _place(self) -> None:
        """Look where the document was looked at last; only now that it is known how much there is to look with."""
        self._placed = True
        if self._wanted is not None:
            self.set_zoom(self._wanted.zoom, None)
            self.center(QPointF(*self._wanted.center))
        else:
            self.fit(self.canvas.content())

    def show_theme(self, theme: Theme) -> None:
        self._tile = None
        self._say.show_theme(theme)
        self.viewport().update()

    def apply(self, edit: AnyEdit, *, merge: bool = False) -> bool:
        """Change the document. False where it refused, which is reported."""
        try:
            self.history.apply(edit, merge=merge)
        except WirelightError as error:
            self.problem.emit(error)
            return False
        return True

    # Where it looks

    def looking_at(self) -> View:
        """The centre and the zoom, to be kept with the document."""
        if not self._placed and self._wanted is not None:
            return self._wanted
        middle = self.mapToScene(self.viewport().rect().center())
        return View((round(middle.x(), 1), round(middle.y(), 1)), self.zoom)

    def center(self, point: QPointF) -> None:
        """Look at a point of the scene."""
        size = self.viewport().size()
        self._scroll_to(point.x() * self.zoom - size.width() / 2, point.y() * self.zoom - size.height() / 2)

    def pan(self, dx: float, dy: float) -> None:
        """Push what is seen by so many pixels."""
        across, down = self.horizontalScrollBar(), self.verticalScrollBar()
        across.setValue(across.value() - round(dx))
        down.setValue(down.value() - round(dy))
        self.moved.emit()

    def set_zoom(self, zoom: float, at: QPointF | None) -> None:
        """Zoom so that the point `at` of the view stays; the middle without one."""
        zoom = min(max(zoom, LOWEST), HIGHEST)
        held = at if at is not None else QPointF(self.viewport().rect().center())
        point = self._to_scene(held)
        self.zoom = zoom
        self.setTransform(QTransform.fromScale(zoom, zoom))
        self._scroll_to(point.x() * zoom - held.x(), point.y() * zoom - held.y())

    def zoom_by(self, factor: float) -> None:
        """Zoom around the middle."""
        self._zoomer.by(factor, QPointF(self.viewport().rect().center()))

    def fit(self, area: QRectF, *, most: float = 1.0) -> None:
        """See all of an area, at no more than zoom `most`."""
        if area.isEmpty():
            self.set_zoom(1.0, None)
            self.center(QPointF(0, 0))
            return
        size = self.viewport().size()
        zoom = min(
            (size.width() - 2 * _FIT_MARGIN) / area.width(), (size.height() - 2 * _FIT_MARGIN) / area.height(), most
        )
        self.set_zoom(max(zoom, LOWEST), None)
        self.center(area.center())

    def _scroll_to(self, x: float, y: float) -> None:
        rect = self.sceneRect()
        across, down = self.horizontalScrollBar(), self.verticalScrollBar()
        # With the alignment at the upper left, a scroll bar's value is the scene's coordinate times the zoom.
        across.setValue(round(min(max(x, rect.left() * self.zoom), rect.right() * self.zoom)))
        down.setValue(round(min(max(y, rect.top() * self.zoom), rect.bottom() * self.zoom)))
        self.moved.emit()

    def _to_scene(self, at: QPointF) -> QPointF:
        inverted, _ = self.viewportTransform().inverted()
        return inverted.map(at)

    def visible_area(self) -> QRectF:
        """The part of the scene that is seen."""
        return QRectF(self._to_scene(QPointF(0, 0)), self._to_scene(QPointF(self.viewport().rect().bottomRight())))

    # What gestures ask for

    def ask_menu(self, at: Pointer) -> None:
        found = self.canvas.under(at.scene)
        self.menu_asked.emit(at.scene, self.viewport().mapToGlobal(at.view.toPoint()), found)

    def ask_search(self, at: Pointer, socket: Socket | None = None, *, is_output: bool = False) -> None:
        self.search_asked.emit(at.scene, self.viewport().mapToGlobal(at.view.toPoint()), socket, is_output)

    def explain(self, refusal: Refusal, output: Socket, input: Socket, at: Pointer) -> None:
        self.refused.emit(refusal, output, input, self.viewport().mapToGlobal(at.view.toPoint()))

    def say(self, words: str, at: QPointF | None = None) -> None:
        """A sentence beside the mouse; empty takes it away."""
        self._say.say(words, at, self.canvas.theme)

    # Gestures

    @property
    def space(self) -> bool:
        """Whether the space bar is held."""
        return self._space

    @property
    def gesture(self) -> Gesture | None:
        """What the mouse is doing."""
        return self._gesture

    def cancel_gesture(self) -> None:
        if self._gesture is not None:
            gesture, self._gesture = self._gesture, None
            if gesture.dragged:
                gesture.cancel()
            self._show_cursor(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        event.accept()
        if self._gesture is not None:
            self.cancel_gesture()
            return
        at = self._pointer(event)
        gesture = self.gestures(event.button(), at) if self.gestures is not None else None
        if gesture is not None:
            self._gesture = gesture
            gesture.press(at)
            if event.button() != Qt.MouseButton.LeftButton:
                self._show_cursor(gesture.cursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        at = self._pointer(event)
        if self._gesture is None:
            self._hover(at)
            return
        was = self._gesture.dragged
        self._gesture.drag(at)
        if self._gesture is not None and self._gesture.dragged and not was:
            self._show_cursor(self._gesture.cursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._gesture is None:
            return
        gesture, self._gesture = self._gesture, None
        self._show_cursor(None)
        gesture.release(self._pointer(event))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        event.accept()
        if event.button() != Qt.MouseButton.LeftButton:
            self.mousePressEvent(event)
            return
        at = self._pointer(event)
        found = self.canvas.under(at.scene)
        if found is None or isinstance(found.item, FrameItem):
            wire = self.canvas.wires.at(at.scene, _WIRE_REACH / self.zoom)
            if wire is not None:
                self.split_asked.emit(wire, at.scene)
            elif found is not None and at.scene.y() - found.item.pos().y() < 32:
                self.rename_asked.emit("frame", found.item.id)
            else:
                self.ask_search(at)
        elif isinstance(found.item, NoteItem):
            self.rename_asked.emit("note", found.item.id)
        elif found.hit is not None and found.hit.part is Part.PREVIEW:
            self.shown_asked.emit(found.item.id)
        elif found.hit is not None and found.hit.part is Part.BAND:
            if subgraph_of(found.item.node.type) is not None:
                self.enter_asked.emit(found.item.id)
            else:
                self.rename_asked.emit("node", found.item.id)
        else:
            self.mousePressEvent(event)

    def _hover(self, at: Pointer) -> None:
        found = self.canvas.under(at.scene) if self.zoom >= OVERVIEW_BELOW else None
        item = found.item if found is not None and isinstance(found.item, NodeItem) else None
        if self._hot is not None and self._hot is not item:
            self._hot.set_hot("")
        self._hot = item
        cursor: Qt.CursorShape | None = Qt.CursorShape.OpenHandCursor if self._space else None
        tip = ""
        if item is not None and found is not None and found.hit is not None:
            hit = found.hit
            item.set_hot(hit.name if hit.part is Part.CONTROL else "*")
            declared = item.spec.inputs_by_name.get(hit.name)
            if hit.part in (Part.INPUT, Part.OUTPUT):
                cursor = Qt.CursorShape.CrossCursor
                tip = _socket_tip(item, hit.name, is_output=hit.part is Part.OUTPUT)
            elif hit.part is Part.CONTROL and declared is not None:
                cursor = _cursor_over(declared, linked=hit.name in item.linked)
                tip = declared.doc
            elif hit.part is Part.ERROR:
                cursor = Qt.CursorShape.PointingHandCursor
            elif hit.part is Part.BAND:
                tip = item.spec.doc.partition("\n\n")[0]
        self.viewport().setToolTip(tip)
        self._show_cursor(cursor)

    def _show_cursor(self, cursor: Qt.CursorShape | None) -> None:
        if cursor is None:
            self.viewport().unsetCursor()
        else:
            self.viewport().setCursor(cursor)

    def _pointer(self, event: QMouseEvent) -> Pointer:
        at = event.position()
        return Pointer(self._to_scene(at), at, event.modifiers())

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        if self._hot is not None:
            self._hot.set_hot("")
            self._hot = None
        super().leaveEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        self._space = False
        super().focusOutEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        event.accept()
        self._zoomer.wheel(event)

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802
        if event.type() == event.Type.NativeGesture and self._zoomer.pinch(event):
            return True
        return super().viewportEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802
        if event.reason() == event.Reason.Keyboard:
            middle = self.viewport().rect().center()
            self.ask_menu(Pointer(self.mapToScene(middle), QPointF(middle)))
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        key = event.key()
        if key == Qt.Key.Key_Escape and self._gesture is not None:
            self.cancel_gesture()
        elif key == Qt.Key.Key_Escape:
            self.canvas.select(())
        elif key == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = True
            self._show_cursor(Qt.CursorShape.OpenHandCursor)
        elif Qt.Key.Key_1 <= key <= Qt.Key.Key_9 and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            self.slot_asked.emit(key - Qt.Key.Key_0)
        else:
            event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
            self._show_cursor(None)

    def focusNextPrevChild(self, next: bool) -> bool:  # noqa: N802
        """Tab adds a node; it does not leave the canvas."""
        return False

    # Dropping files

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:  # noqa: N802
        event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.files_dropped.emit(paths)

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        if not self._placed:
            self._place()
            self.painted.emit()
        if self.zoom >= OVERVIEW_BELOW:
            super().paintEvent(event)
            return
        theme, scene = self.canvas.theme, self.canvas
        painter = QPainter(self.viewport())
        # `fillRect` would do; but the first call of it makes PySide load all gradients, and this may be the first frame.
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme["canvas"])
        painter.drawRect(event.rect())
        painter.setWorldTransform(self.viewportTransform())
        for frame in scene.frames.values():
            painter.fillRect(QRectF(frame.pos(), _size_of(frame)), theme.band("", frame.frame.color))
        scene.overview.paint(painter, theme)
        for note in scene.notes.values():
            painter.fillRect(QRectF(note.pos(), _size_of(note)), theme.band("text", note.note.color))
        pen = QPen(theme["accent"], 2)
        pen.setCosmetic(True)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for id in scene.selected_nodes:
            rect = scene.overview.rect_of(id)
            if rect is not None:
                painter.drawRect(rect)
        painter.end()

    def drawBackground(self, painter: QPainter, rect: QRectF | object) -> None:  # noqa: N802
        tile = self._dots()
        origin = self.viewportTransform().map(QPointF(0, 0))
        painter.save()
        painter.resetTransform()
        side = tile.width() / tile.devicePixelRatio()
        area = self.viewport().rect()
        clip = painter.clipBoundingRect().toAlignedRect()
        if not clip.isEmpty():
            area = area.intersected(clip)
        offset = QPointF((area.left() - origin.x()) % side, (area.top() - origin.y()) % side)
        painter.drawTiledPixmap(QRectF(area), tile, offset)
        painter.restore()

    def _dots(self) -> QPixmap:
        """A tile of the dotted ground at this zoom; several dots a side, so that rounding it to whole pixels shows nowhere."""
        pitch = _DOT_PITCH * self.zoom
        while pitch < 16:
            pitch *= 2
        if self._tile is not None and self._tile[0] == pitch:
            return self._tile[1]
        ratio = self.devicePixelRatioF()
        side = max(1, round(pitch * _TILE_DOTS * ratio))
        tile = QPixmap(side, side)
        tile.fill(self.canvas.theme["canvas"])
        painter = QPainter(tile)
        # As above: no `fillRect` in the first frame.
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.canvas.theme["dots"])
        size = max(1, round((1.5 if self.zoom < 1.5 else 2.0) * ratio))
        step = side / _TILE_DOTS
        for column in range(_TILE_DOTS):
            for row in range(_TILE_DOTS):
                painter.drawRect(math.floor(column * step), math.floor(row * step), size, size)
        painter.end()
        tile.setDevicePixelRatio(ratio)
        self._tile = (pitch, tile)
        return tile

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        before, now = event.oldSize(), event.size()
        if self._placed and before.isValid():
            self.pan((now.width() - before.width()) / 2, (now.height() - before.height()) / 2)


def _size_of(item: FrameItem | NoteItem) -> QSizeF:
    return QSizeF(*item.size)


def _socket_tip(item: NodeItem, name: str, *, is_output: bool) -> str:
    declared = (item.spec.outputs_by_name if is_output else item.spec.inputs_by_name).get(name)
    if declared is None:
        return name
    lines = f"{name.replace('_', ' ')}: {declared.type}"
    return f"{lines}\n{declared.doc}" if declared.doc else lines


def _cursor_over(input: Input, *, linked: bool) -> Qt.CursorShape | None:
    if linked:
        return None
    if isinstance(input.control, Number):
        return Qt.CursorShape.SizeHorCursor
    return Qt.CursorShape.PointingHandCursor
