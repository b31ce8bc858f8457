"""The viewer: what the run is painting now, and any node's result at the press of a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from studio.graph.graph import NodeId
from studio.window.theme import Theme
from studio.window.viewers.picture_view import PictureView

LIVE: Final = 0
_EMPTY: Final = "Run the workflow to see pictures here.\n\nSelect a node and press 1 to 9\nto keep its result in view."


@dataclass(slots=True)
class Slot:
    """What a number shows: an output of a node of a document."""

    document: str
    node: NodeId
    output: str
    title: str
    image: QImage | None = None
    text: str = ""
    index: int = 0
    count: int = 1


class Viewer(QWidget):
    """Slot 0 follows the run; 1 to 9 are the artist's. `wanted` asks for the result behind a slot to be fetched."""

    wanted = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("side")
        self.slots: dict[int, Slot] = {}
        self.shown = LIVE
        self._live: QImage | None = None
        self._live_words = ""
        self.header = QWidget()
        self._buttons = QHBoxLayout(self.header)
        self._buttons.setContentsMargins(0, 0, 0, 0)
        self._buttons.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
        self.header.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.header.setMinimumHeight(26)
        self._buttons.setSpacing(0)
        self.picture = PictureView(theme)
        self.picture.hint = _EMPTY
        self.words = QLabel()
        self.words.setObjectName("secondary")
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        fit = QToolButton()
        fit.setText("Fit")
        fit.setToolTip("See all of the picture")
        fit.clicked.connect(self.picture.fit)
        whole = QToolButton()
        whole.setText("1:1")
        whole.setToolTip("One pixel of the picture to one of the screen")
        whole.clicked.connect(lambda: self.picture.set_zoom(1.0))
        self._back = QToolButton()
        self._back.setText("\u2039")
        self._back.setAccessibleName("Previous picture")
        self._back.clicked.connect(lambda: self._turn(-1))
        self._next = QToolButton()
        self._next.setText("\u203a")
        self._next.setAccessibleName("Next picture")
        self._next.clicked.connect(lambda: self._turn(1))
        below = QHBoxLayout()
        below.setSpacing(2)
        below.addWidget(self.words, 1)
        for button in (self._back, self._next, fit, whole):
            below.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 4, 16, 8)
        column.setSpacing(4)
        column.addWidget(self.picture, 1)
        column.addLayout(below)
        self.picture.zoomed.connect(self._describe)
        self._list()
        self._show()

    def show_theme(self, theme: Theme) -> None:
        self.picture.show_theme(theme)

    def show_live(self, image: QImage, words: str = "") -> None:
        """The run painted this."""
        self._live, self._live_words = image, words
        if self.shown == LIVE:
            self.picture.show_image(image, smooth=True)

    def put(self, number: int, slot: Slot) -> None:
        """Keep a result under a number, and show it."""
        self.slots[number] = slot
        self.show_slot(number)
        self.wanted.emit(number)

    def fill(self, number: int, slot: Slot) -> None:
        """The result of a slot has come."""
        self.slots[number] = slot
        if self.shown == number:
            self._show()

    def show_slot(self, number: int) -> None:
        """Look at a slot; nothing happens for one that is empty."""
        if number == LIVE or number in self.slots:
            self.shown = number
            self._list()
            self._show()

    def forget(self, document: str) -> None:
        """A document was closed."""
        for number in [one for one, slot in self.slots.items() if slot.document == document]:
            del self.slots[number]
        if self.shown not in self.slots:
            self.shown = LIVE
        self._list()
        self._show()

    def _show(self) -> None:
        slot = self.slots.get(self.shown)
        if slot is None:
            self.picture.show_image(self._live, smooth=True)
        elif slot.image is not None:
            self.picture.show_image(slot.image)
        else:
            self.picture.show_text(slot.text)
        many = slot is not None and slot.count > 1
        self._back.setVisible(many)
        self._next.setVisible(many)

    def _turn(self, by: int) -> None:
        slot = self.slots.get(self.shown)
        if slot is not None and slot.count:
            slot.index = (slot.index + by) % slot.count
            self.wanted.emit(self.shown)

    def _list(self) -> None:
        while (item := self._buttons.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        entries = [(LIVE, "Live")] + [(number, f"{number} {slot.title}") for number, slot in sorted(self.slots.items())]
        for number, title in entries:
            button = QToolButton()
            button.setText(title if len(title) < 16 else f"{title[:14]}\u2026")
            button.setToolTip(title)
            button.setCheckable(True)
            button.setChecked(number == self.shown)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, number=number: self.show_slot(number))
            self._buttons.addWidget(button)
        self._buttons.addStretch(1)

    def _describe(self) -> None:
        image, slot = self.picture.image, self.slots.get(self.shown)
        parts = []
        if image is not None:
            parts = [f"{image.width()} \u00d7 {image.height()}", f"{self.picture.zoom * 100:.0f} %"]
        if slot is not None and slot.count > 1:
            parts.append(f"{slot.index + 1} of {slot.count}")
        if self.shown == LIVE and self._live_words:
            parts.append(self._live_words)
        self.words.setText(" \u00b7 ".join(parts))
