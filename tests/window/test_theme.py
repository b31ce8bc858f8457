"""Text can be read on its ground in every theme, and sockets are told apart without colour."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor

from studio.graph.types import BUILT_IN, IMAGE, LATENT, MASK, MODEL, list_of, plain
from studio.window.theme import THEMES, Shape, load_theme


def luminance(color: QColor) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color.getRgbF()[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: QColor, other: QColor) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", THEMES)
def test_text_has_contrast_on_every_ground(name: str) -> None:
    theme = load_theme(name)
    least = 7.0 if name == "high_contrast" else 4.5
    for ground in ("canvas", "panel", "raised", "field", "hover"):
        for text in ("text", "secondary"):
            assert contrast(theme[text], theme[ground]) >= least, (text, ground)
    for category in ("model", "text", "latent", "image", "mask", "audio", "control", "number", "other"):
        assert contrast(theme["text"], theme.band(category)) >= least, category
        assert contrast(theme["on_band"], theme.band(category)) >= least, category
    assert contrast(theme["on_accent"], theme["accent"]) >= (4.5 if name == "high_contrast" else 3.0)
    assert contrast(theme["error"], theme["error_surface"]) >= 4.5


@pytest.mark.parametrize("name", THEMES)
def test_every_type_has_a_colour_that_shows(name: str) -> None:
    theme = load_theme(name)
    for type in BUILT_IN:
        assert contrast(theme.socket(type).color, theme["raised"]) >= 3.0, type


def test_types_that_meet_on_one_node_differ_in_shape() -> None:
    theme = load_theme("dark")
    shapes = {theme.socket(type).shape for type in (MODEL, LATENT, IMAGE, MASK)}
    assert len(shapes) == 4
    assert theme.socket(list_of(IMAGE)).double
    assert theme.socket(plain("SomebodysOwn")).shape is Shape.CIRCLE
