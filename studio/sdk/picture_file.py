"""Picture files, in and out. The workflow that made a picture travels inside it, where the format has a place for it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from studio.graph.errors import FileProblem
from studio.sdk.values.image import Image

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

WORKFLOW_KEY: Final = "wirelight"
"""Keyword of the PNG text chunk that holds the workflow file's text."""
MOST_PIXELS: Final = 2**28
"""A larger file is refused before it is unpacked."""
READABLE: Final = ("*.png", "*.jpg", "*.jpeg", "*.webp", "*.bmp", "*.tif", "*.tiff", "*.gif", "*.avif")


def read_picture(path: Path) -> Image:
    """One picture from a file: upright after its EXIF note, in sRGB, 1, 3 or 4 channels; of an animation the first frame.

    16-bit pictures keep their depth. Raises `FileProblem` where there is no readable picture, or one of more than `MOST_PIXELS`.
    """
    from PIL import Image as Pillow
    from PIL import ImageOps, UnidentifiedImageError

    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileProblem(
            path, f"The file cannot be read: {error.strerror or error}.", mend="Choose another file."
        ) from error
    try:
        with Pillow.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise FileProblem(path, f"The picture has {opened.width} x {opened.height} pixels, which is too large.")
            profile = opened.info.get("icc_profile")
            upright = ImageOps.exif_transpose(opened)
            upright.load()
    except UnidentifiedImageError as error:
        raise FileProblem(
            path, "This is no picture that can be read.", mend=f"Readable are {' '.join(READABLE)}."
        ) from error
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise FileProblem(path, f"The picture is damaged: {error}.", mend="Use another copy of it.") from error
    return _to_image(_in_srgb(upright, profile))


def _in_srgb(picture: PillowImage, profile: bytes | None) -> PillowImage:
    """Colours as sRGB means them. A profile that cannot be read is left aside, as browsers do."""
    if not profile or picture.mode not in ("RGB", "RGBA", "L", "CMYK"):
        return picture
    from PIL import ImageCms

    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError):
        return picture
    return converted if converted is not None else picture


def _to_image(picture: PillowImage) -> Image:
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        numbers = np.asarray(picture, dtype=np.float32)
        return Image.of(numbers / np.float32(1.0 if picture.mode == "F" else 65535.0)).clamped()
    if picture.mode == "L":
        return Image.of(np.asarray(picture))
    has_alpha = picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info
    return Image.of(np.asarray(picture.convert("RGBA" if has_alpha else "RGB")))


def write_png(file: BinaryIO, pixels: NDArray[np.uint8], workflow: str = "") -> None:
    """(height, width, 1, 3 or 4) uint8 as a PNG, with the text of a workflow file inside, compressed."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if workflow:
        info.add_itxt(WORKFLOW_KEY, workflow, zip=True)
    _pillow(pixels).save(file, "PNG", pnginfo=info, compress_level=4)


def write_jpeg(file: BinaryIO, pixels: NDArray[np.uint8], quality: int = 92) -> None:
    """(height, width, 1, 3 or 4) uint8 as a JPEG without colour subsampling; alpha is laid over black. `quality` 1 .. 100."""
    flat = pixels
    if pixels.shape[2] == 4:
        colours, alpha = pixels[..., :3].astype(np.float32), pixels[..., 3:].astype(np.float32) / 255
        flat = np.rint(colours * alpha).astype(np.uint8)
    _pillow(flat).save(file, "JPEG", quality=quality, subsampling=0)


def write_webp(file: BinaryIO, pixels: NDArray[np.uint8], quality: int = 92) -> None:
    """(height, width, 1, 3 or 4) uint8 as a WebP; lossless at `quality` 100."""
    _pillow(pixels).save(file, "WEBP", quality=quality, lossless=quality == 100, method=4)


def _pillow(pixels: NDArray[np.uint8]) -> PillowImage:
    from PIL import Image as Pillow

    return Pillow.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
