"""Colours, type and measures of the window. A theme is a file of `resources/themes`; nothing else names a colour."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Final

from PySide6.QtGui import QColor, QFont, QPalette

from studio.graph.types import SocketType, innermost
from studio.resources import resource

GRID: Final = 4
THEMES: Final = ("dark", "light", "high_contrast")
ROW_PIXELS: Final = 12
TITLE_PIXELS: Final = 13


class Shape(Enum):
    """What a socket looks like, so that colour alone never tells."""

    SQUARE = "square"
    HEXAGON = "hexagon"
    DIAMOND = "diamond"
    CIRCLE = "circle"
    HALF = "half"
    ROUNDED = "rounded"
    TRIANGLE = "triangle"
    DOT = "dot"


_SHAPES: Final[Mapping[str, Shape]] = {
    "Model": Shape.SQUARE,
    "TextEncoder": Shape.SQUARE,
    "VAE": Shape.SQUARE,
    "Pipeline": Shape.SQUARE,
    "ControlNet": Shape.SQUARE,
    "Upscaler": Shape.SQUARE,
    "Vocoder": Shape.SQUARE,
    "Conditioning": Shape.HEXAGON,
    "Latent": Shape.DIAMOND,
    "Trail": Shape.DIAMOND,
    "Noise": Shape.DIAMOND,
    "Schedule": Shape.HEXAGON,
    "Image": Shape.CIRCLE,
    "Mask": Shape.HALF,
    "Video": Shape.ROUNDED,
    "Mesh": Shape.ROUNDED,
    "Audio": Shape.TRIANGLE,
    "Mel": Shape.TRIANGLE,
    "Any": Shape.CIRCLE,
}
_ALIKE: Final[Mapping[str, str]] = {
    "Pipeline": "Model",
    "Upscaler": "ControlNet",
    "Int": "Number",
    "Float": "Number",
    "Bool": "Number",
    "Choice": "Text",
    "Color": "Text",
    "Curve": "Number",
    "FilePath": "Text",
}
_SUBJECTS: Final[Mapping[str, str]] = {
    "model": "Model",
    "pipeline": "Model",
    "loaders": "Model",
    "text": "TextEncoder",
    "prompt": "TextEncoder",
    "conditioning": "Conditioning",
    "control": "ControlNet",
    "adapter": "ControlNet",
    "latent": "Latent",
    "sample": "Latent",
    "schedule": "Schedule",
    "noise": "Noise",
    "vae": "VAE",
    "image": "Image",
    "mask": "Mask",
    "video": "Video",
    "mesh": "Mesh",
    "audio": "Audio",
    "speech": "Audio",
    "number": "Number",
    "math": "Number",
}


class SocketStyle:
    """How a socket of a type is drawn. A list has a double outline."""

    __slots__ = ("color", "double", "shape")

    def __init__(self, color: QColor, shape: Shape, *, double: bool) -> None:
        self.color = color
        self.shape = shape
        self.double = double


class Theme:
    """One set of colours. `colors` by token, `sockets` by type name."""

    def __init__(
        self, name: str, title: str, colors: Mapping[str, str], sockets: Mapping[str, str], tint: float
    ) -> None:
        self.name = name
        self.title = title
        self.tint = tint
        self._colors = {token: QColor(text) for token, text in colors.items()}
        self._sockets = {type: QColor(text) for type, text in sockets.items()}
        self._styles: dict[SocketType, SocketStyle] = {}
        self._bands: dict[tuple[str, str], QColor] = {}

    def __getitem__(self, token: str) -> QColor:
        return self._colors[token]

    @property
    def dark(self) -> bool:
        """Whether text is light on dark."""
        return self["canvas"].lightness() < 128

    def hex(self, token: str) -> str:
        return self._colors[token].name()

    def socket(self, type: SocketType) -> SocketStyle:
        """Colour and shape for a socket type; a type of a plugin gets those of `Any`."""
        style = self._styles.get(type)
        if style is None:
            item = innermost(type)
            name = (item.options[0] if item.options else item).name
            name = _ALIKE.get(name, name)
            color = self._sockets.get(name, self._sockets["Any"])
            shape = Shape.DOT if name in ("Number", "Text") else _SHAPES.get(name, Shape.CIRCLE)
            style = self._styles[type] = SocketStyle(color, shape, double=type.item is not None)
        return style

    def band(self, category: str, color: str = "") -> QColor:
        """The tint of a node's title band: by the subject of its category, or the colour the artist gave it."""
        key = (category, color)
        tinted = self._bands.get(key)
        if tinted is None:
            own = QColor(color) if color else QColor()
            subject = own if own.isValid() else self._sockets.get(_SUBJECTS.get(category.partition("/")[0], ""))
            tinted = blend(self["band"], subject or self["disabled"], self.tint)
            self._bands[key] = tinted
        return tinted


def blend(below: QColor, above: QColor, share: float) -> QColor:
    """`share` of `above` laid over `below`."""
    rest = 1 - share
    return QColor(
        round(below.red() * rest + above.red() * share),
        round(below.green() * rest + above.green() * share),
        round(below.blue() * rest + above.blue() * share),
    )


@cache
def load_theme(name: str) -> Theme:
    """The theme of `resources/themes/NAME.json`; the dark one for a name that is not among `THEMES`."""
    name = name if name in THEMES else THEMES[0]
    data = json.loads(resource("themes", f"{name}.json").read_text(encoding="utf-8"))
    return Theme(name, data["title"], data["colors"], data["sockets"], data["tint"])


def ui_font(pixels: int = ROW_PIXELS, *, bold: bool = False) -> QFont:
    """The system's own font at a size in pixels, digits all of one width."""
    font = QFont()
    font.setPixelSize(pixels)
    font.setFeature(QFont.Tag("tnum"), 1)
    if bold:
        font.setWeight(QFont.Weight.DemiBold)
    return font


def palette(theme: Theme) -> QPalette:
    """Qt's own palette in the theme's colours, for what the style sheet does not reach."""
    made = QPalette()
    role = QPalette.ColorRole
    for one, token in (
        (role.Window, "panel"),
        (role.WindowText, "text"),
        (role.Base, "field"),
        (role.AlternateBase, "raised"),
        (role.Text, "text"),
        (role.Button, "raised"),
        (role.ButtonText, "text"),
        (role.BrightText, "error"),
        (role.PlaceholderText, "secondary"),
        (role.Highlight, "accent"),
        (role.HighlightedText, "on_accent"),
        (role.ToolTipBase, "raised"),
        (role.ToolTipText, "text"),
        (role.Link, "running"),
    ):
        made.setColor(one, theme[token])
    for one in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, one, theme["disabled"])
    return made


def style_sheet(theme: Theme) -> str:
    """What Qt's own widgets look like."""
    words = {token: theme.hex(token) for token in theme._colors}
    return _SHEET % {**words, "close": resource("icons", "close.svg").as_posix()}


_SHEET: Final = """
QMainWindow, QDialog { background: %(panel)s; }
QMainWindow::separator { background: %(line)s; width: 1px; height: 1px; }
QToolTip { background: %(raised)s; color: %(text)s; border: 1px solid %(line)s; padding: 4px 6px; }
QMenuBar { background: transparent; }
QMenuBar::item { padding: 4px 8px; border-radius: 5px; color: %(secondary)s; background: transparent; }
QMenuBar::item:selected { background: %(hover)s; color: %(text)s; }
QMenu { background: %(raised)s; border: 1px solid %(line)s; padding: 4px; }
QMenu::item { padding: 5px 28px 5px 12px; border-radius: 4px; }
QMenu::icon { padding-left: 8px; }
QMenu::item:selected { background: %(hover)s; }
QMenu::item:disabled { color: %(disabled)s; }
QMenu::separator { height: 1px; background: %(line)s; margin: 4px 8px; }
QLineEdit, QPlainTextEdit, QTextEdit { background: %(field)s; border: 1px solid %(line)s; border-radius: 5px; padding: 3px 6px;
    selection-background-color: %(accent)s; selection-color: %(on_accent)s; }
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus { border-color: %(accent)s; }
QPushButton { background: %(raised)s; border: 1px solid %(line)s; border-radius: 5px; padding: 4px 14px; }
QPushButton:hover { background: %(hover)s; }
QPushButton:focus { border-color: %(accent)s; }
QPushButton:disabled { color: %(disabled)s; background: %(panel)s; }
QPushButton#primary { background: %(accent)s; color: %(on_accent)s; border-color: %(accent)s; font-weight: 600; }
QPushButton#primary:disabled { background: %(raised)s; color: %(disabled)s; border-color: %(line)s; }
QPushButton#field { background: %(field)s; text-align: left; padding: 3px 8px; min-height: 16px; }
QPushButton#field:hover { background: %(hover)s; }
QLineEdit[wrong="true"] { border-color: %(error)s; }
QPushButton#quiet, QToolButton { background: transparent; border: 0; border-radius: 5px; padding: 3px 6px; color: %(secondary)s; }
QPushButton#quiet:hover, QToolButton:hover { background: %(hover)s; color: %(text)s; }
QPushButton#quiet:focus, QToolButton:focus { border: 1px solid %(accent)s; padding: 2px 5px; }
QToolButton:checked { background: %(hover)s; color: %(text)s; }
QToolButton::menu-indicator { image: none; }
QListView { background: transparent; border: 0; outline: 0; }
QScrollBar:vertical { width: 10px; background: transparent; margin: 0; }
QScrollBar:horizontal { height: 10px; background: transparent; margin: 0; }
QScrollBar::handle { background: %(line)s; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 24px; }
QScrollBar::handle:horizontal { min-width: 24px; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QScrollArea { background: transparent; border: 0; }
QDockWidget { color: %(text)s; font-weight: 600; }
QTabBar { background: transparent; border: 0; }
QTabBar::tab { background: transparent; color: %(secondary)s; padding: 5px 14px; border: 0; border-radius: 5px; margin: 2px; }
QTabBar::tab:selected { background: %(raised)s; color: %(text)s; }
QTabBar::tab:hover:!selected { background: %(hover)s; }
QTabBar::close-button { image: url("%(close)s"); subcontrol-position: right; margin: 2px; }
QTabBar::close-button:hover { background: %(hover)s; border-radius: 4px; }
QLabel#secondary { color: %(secondary)s; }
QLabel#heading { font-weight: 600; }
QFrame#popup { background: %(raised)s; border: 1px solid %(line)s; border-radius: 8px; }
QFrame#bar { background: %(raised)s; border: 1px solid %(line)s; border-radius: 6px; }
QFrame#bar[grave="true"] { background: %(error_surface)s; border-color: %(error)s; }
QWidget#top { background: %(panel)s; border-bottom: 1px solid %(line)s; }
QWidget#side { background: %(panel)s; }
"""
