from __future__ import annotations

from nodes.picture_files import preview
from nodes.shown import show
from studio.sdk import Image
from studio.sdk.testing import run_node


def test_values_are_shown_as_text() -> None:
    assert run_node(show, value="as it is") == "as it is"
    assert run_node(show, value=4.5) == "4.5"
    assert "2" in run_node(show, value=Image.of([[0.5, 0.5]]))


def test_a_preview_passes_the_picture_on() -> None:
    picture = Image.of([[0.5]])
    assert run_node(preview, image=picture) is picture
