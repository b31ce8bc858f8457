"""The viewer: what the run is painting now, and any node's result at the press of a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLayout, QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from studio.graph.graph import NodeId
from studio.window.panels.steps import StepsPanel
from studio.window.theme import Theme
from studio.window.viewers.comparison import Comparing
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
        self.against: int | None = None
        """The slot that the shown one is compared with."""
        self._live: QImage | None = None
        self._live_other: QImage | None = None
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
        self.compare = QToolButton()
        self.compare.setText("A/B")
        self.compare.setAccessibleName("Compare two results")
        self.compare.setToolTip("Compare with another result")
        self.compare.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._compare_menu = QMenu(self.compare)
        self._compare_menu.aboutToShow.connect(self._fill_compare_menu)
        self.compare.setMenu(self._compare_menu)
        self.steps = StepsPanel(theme)
        below = QHBoxLayout()
        below.setSpacing(2)
        below.addWidget(self.words, 1)
        for button in (self._back, self._next, self.compare, fit, whole):
            below.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 4, 16, 8)
        column.setSpacing(4)
        column.addWidget(self.picture, 1)
        column.addLayout(below)
        column.addWidget(self.steps)
        self.picture.zoomed.connect(self._describe)
        self._list()
        self._show()

    def show_theme(self, theme: Theme) -> None:
        self.picture.show_theme(theme)
        self.steps.show_theme(theme)

    def show_live(self, image: QImage, words: str = "", other: QImage | None = None) -> None:
        """The run painted this; or the artist looks at a step of it, beside that of an `other` run."""
        self._live, self._live_words, self._live_other = image, words, other
        if LIVE in (self.shown, self.against):
            self._show()

    def put(self, number: int, slot: Slot) -> None:
        """Keep a result under a number, and show it."""
        self.slots[number] = slot
        self.show_slot(number)
        self.wanted.emit(number)

    def fill(self, number: int, slot: Slot) -> None:
        """The result of a slot has come."""
        self.slots[number] = slot
        if number in (self.shown, self.against):
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
        if self.against not in self.slots:
            self.against = None
        self._list()
        self._show()

    def compare_with(self, number: int | None) -> None:
        """Show another slot beside the one that is shown; None ends it."""
        self.against = number
        self._list()
        self._show()

    def _image_of(self, number: int) -> QImage | None:
        slot = self.slots.get(number)
        return slot.image if slot is not None else (self._live if number == LIVE else None)

    def _other(self) -> QImage | None:
        """What the shown picture is compared with."""
        if self.against is not None and self.against != self.shown:
            return self._image_of(self.against)
        return self._live_other if self.shown == LIVE else None

    def _show(self) -> None:
        slot = self.slots.get(self.shown)
        if slot is None:
            self.picture.show_image(self._live, self._other(), smooth=True)
        elif slot.image is not None:
            self.picture.show_image(slot.image, self._other())
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
        for number, title in self._titles():
            button = QToolButton()
            button.setText(title if len(title) < 16 else f"{title[:14]}\u2026")
            button.setToolTip(title)
            button.setCheckable(True)
            button.setChecked(number == self.shown)
            if number == self.against:
                button.setText(f"B: {button.text()}")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, number=number: self.show_slot(number))
            self._buttons.addWidget(button)
        self._buttons.addStretch(1)

    def _titles(self) -> list[tuple[int, str]]:
        """All that can be looked at, by number."""
        return [(LIVE, "Live"), *((number, f"{number} {slot.title}") for number, slot in sorted(self.slots.items()))]

    def _fill_compare_menu(self) -> None:
        menu = self._compare_menu
        menu.clear()
        for number, title in self._titles():
            if number != self.shown:
                entry = menu.addAction(title)
                entry.setCheckable(True)
                entry.setChecked(number == self.against)
                entry.triggered.connect(lambda _=False, number=number: self.compare_with(number))
        if menu.isEmpty():
            menu.addAction("Keep a result under a number first: select a node, press 1 to 9").setEnabled(False)
            return
        if self.against is not None:
            menu.addAction("With none").triggered.connect(lambda: self.compare_with(None))
        menu.addSeparator()
        for how in Comparing:
            entry = menu.addAction(str(how))
            entry.setCheckable(True)
            entry.setChecked(how is self.picture.comparing)
            entry.triggered.connect(lambda _=False, how=how: self.picture.compare(how))

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
