"""Previews are PNG files that others can read."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from studio.cli.png import png


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_pixels_come_back_from_the_file(channels: int, mode: str) -> None:
    pixels = bytes(number % 251 for number in range(5 * 3 * channels))
    with Image.open(io.BytesIO(png(pixels, 5, 3, channels))) as image:
        assert (image.size, image.mode) == ((5, 3), mode)
        assert image.tobytes() == pixels


def test_pixels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="5 x 3 x 3"):
        png(b"\0" * 44, 5, 3, 3)
