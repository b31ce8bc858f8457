"""Contact sheets: what a stage makes, at a glance."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def write_sheet(pictures: NDArray[np.uint8], path: Path, columns: int = 8) -> None:
    """(n, h, w, 3) uint8 pictures side by side, `columns` in a row, as a PNG."""
    count, height, width, _ = pictures.shape
    sheet = Image.new("RGB", (columns * width, -(-count // columns) * height))
    for i, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture), (i % columns * width, i // columns * height))
    sheet.save(path)
