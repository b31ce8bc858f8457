"""Size and place: resize, crop, pad, turn, lay out."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from studio.sdk import Color, ColorPicker, Image, Number, Slider, ValueRefused, When, node
from studio.sdk.values.image import Pixels

LARGEST = 16384
"""Pixels along an edge; beyond it a size is taken for a slip of the hand."""


class Size(NamedTuple):
    width: int
    height: int
    batch: int


@node("image/Resize", aliases=("scale", "size"))
def resize(
    image: Image,
    width: int = Number(512, 1, LARGEST, step=8, unit="px"),
    height: int = Number(512, 1, LARGEST, step=8, unit="px"),
    fit: Literal["stretch", "inside", "fill"] = "stretch",
    method: Literal["area", "linear", "cubic", "lanczos", "nearest"] = "area",
) -> Image:
    """Bring a picture to another size.

    Args:
        width: Width of the result, or of the box that it fits into.
        height: Height of the result, or of the box.
        fit: Stretch to exactly this size; keep the proportions and fit inside; or keep them, fill the size and cut off the rest.
        method: Area averages when it shrinks, and is smooth when it grows. Nearest keeps hard pixels.
    """
    if fit == "stretch":
        return image.resized(width, height, method)
    pick = min if fit == "inside" else max
    scale = pick(width / image.width, height / image.height)
    across, down = max(round(image.width * scale), 1), max(round(image.height * scale), 1)
    scaled = image.resized(across, down, method)
    return scaled if fit == "inside" else scaled.cropped((across - width) // 2, (down - height) // 2, width, height)


@node("image/ScaleToPixels", title="Scale to megapixels", aliases=("size", "area", "ImageScaleToTotalPixels"))
def scale_to_pixels(
    image: Image,
    megapixels: float = Slider(1.0, 0.01, 16),
    multiple: int = Number(1, 1, 256, step=1, unit="px"),
    method: Literal["area", "linear", "cubic", "lanczos", "nearest"] = "area",
) -> Image:
    """Bring a picture to so many pixels in all, with the proportions that it has.

    Args:
        megapixels: 1 is as many as 1024 x 1024.
        multiple: Both edges are rounded to a multiple of this.
        method: Area averages when it shrinks, and is smooth when it grows. Nearest keeps hard pixels.
    """
    factor = math.sqrt(megapixels * 1024 * 1024 / (image.width * image.height))
    width, height = (max(round(edge * factor / multiple), 1) * multiple for edge in image.size)
    if max(width, height) > LARGEST:
        raise ValueRefused(
            f"The result would be {width} x {height}.", socket="image", mend=f"At most {LARGEST} along an edge."
        )
    return image.resized(width, height, method)


@node("image/Scale", title="Scale picture", aliases=("upscale", "factor"))
def scale(
    image: Image,
    factor: float = Slider(2.0, 0.05, 8),
    method: Literal["area", "linear", "cubic", "lanczos", "nearest"] = "lanczos",
) -> Image:
    """Make a picture larger or smaller by a factor.

    Args:
        factor: 2 doubles both edges.
        method: Lanczos and cubic are sharp, linear and area soft, nearest keeps hard pixels.
    """
    width, height = max(round(image.width * factor), 1), max(round(image.height * factor), 1)
    if max(width, height) > LARGEST:
        raise ValueRefused(
            f"The result would be {width} x {height}.", socket="factor", mend=f"At most {LARGEST} along an edge."
        )
    return image.resized(width, height, method)


@node("image/Crop", aliases=("cut", "trim"))
def crop(
    image: Image,
    x: int = Number(0, 0, LARGEST, step=1, unit="px"),
    y: int = Number(0, 0, LARGEST, step=1, unit="px"),
    width: int = Number(256, 1, LARGEST, step=1, unit="px"),
    height: int = Number(256, 1, LARGEST, step=1, unit="px"),
) -> Image:
    """Cut a rectangle out. What reaches beyond the picture is left away.

    Args:
        x: Left edge of the rectangle.
        y: Upper edge of the rectangle.
        width: Width of the rectangle.
        height: Height of the rectangle.
    """
    if x >= image.width or y >= image.height:
        raise ValueRefused(
            f"({x}, {y}) lies outside a picture of {image.width} x {image.height}.",
            socket="x" if x >= image.width else "y",
            mend="Choose a corner inside the picture.",
        )
    return image.cropped(x, y, min(width, image.width - x), min(height, image.height - y))


@node("image/Pad", aliases=("border", "extend", "margin"))
def pad(
    image: Image,
    left: int = Number(0, 0, LARGEST, step=1, unit="px"),
    top: int = Number(0, 0, LARGEST, step=1, unit="px"),
    right: int = Number(0, 0, LARGEST, step=1, unit="px"),
    bottom: int = Number(0, 0, LARGEST, step=1, unit="px"),
    fill: Literal["color", "edge", "mirror"] = "color",
    color: Color = ColorPicker("#000000", when=When("fill", "color")),
) -> Image:
    """Add a margin.

    Args:
        left: Pixels to the left.
        top: Pixels above.
        right: Pixels to the right.
        bottom: Pixels below.
        fill: With one colour, with the outermost pixels, or with the mirrored picture.
        color: Colour of the margin. With transparency, the result is transparent there.
    """
    widths = ((top, bottom), (left, right), (0, 0))
    if fill == "edge":
        return image.map(lambda picture: np.pad(picture, widths, mode="edge"))
    if fill == "mirror":
        return image.map(lambda picture: np.pad(picture, widths, mode="symmetric"))
    clear = color.alpha < 1 or image.channels == 4
    based = image.rgba() if clear else image.rgb()
    ground = np.asarray([*color.rgb, color.alpha][: based.channels], dtype=np.float32)

    def padded(picture: Pixels) -> Pixels:
        height, width, channels = picture.shape
        whole = np.broadcast_to(ground, (height + top + bottom, width + left + right, channels)).copy()
        whole[top : top + height, left : left + width] = picture
        return whole

    return based.map(padded)


@node("image/Flip", aliases=("mirror",))
def flip(image: Image, direction: Literal["left-right", "up-down", "both"] = "left-right") -> Image:
    """Mirror a picture.

    Args:
        direction: What changes places.
    """
    axes = {"left-right": (2,), "up-down": (1,), "both": (1, 2)}[direction]
    return Image(np.flip(image.pixels, axes).copy())


@node("image/Rotate", aliases=("turn",))
def rotate(image: Image, angle: Literal["90°", "180°", "270°"] = "90°") -> Image:
    """Turn a picture by right angles, clockwise. No pixel changes.

    Args:
        angle: How far.
    """
    quarters = {"90°": 1, "180°": 2, "270°": 3}[angle]
    return Image(np.rot90(image.pixels, -quarters, axes=(1, 2)).copy())


class Edges(NamedTuple):
    width: int
    height: int


@node(
    "image/ChooseSize", title="Choose size", aliases=("resolution", "aspect ratio", "proportions", "ResolutionSelector")
)
def choose_size(
    proportions: Literal["1:1", "2:3", "3:2", "3:4", "4:3", "9:16", "16:9", "21:9"] = "1:1",
    megapixels: float = Slider(1.0, 0.1, 16, step=0.1),
    multiple: int = Number(8, 1, 256, step=8, unit="px"),
) -> Edges:
    """Width and height from proportions and an amount of pixels.

    Args:
        proportions: Width to height.
        megapixels: 1 is as many pixels as 1024 x 1024.
        multiple: Both edges are rounded to a multiple of this.
    """
    across, down = map(int, proportions.split(":"))
    unit = math.sqrt(megapixels * 1024 * 1024 / (across * down))
    return Edges(*(max(round(edge * unit / multiple), 1) * multiple for edge in (across, down)))


@node("image/Size", title="Picture size", aliases=("width", "height", "dimensions"))
def size(image: Image) -> Size:
    """How large a picture is.

    Returns:
        width: Pixels across.
        height: Pixels down.
        batch: Number of pictures in the batch.
    """
    return Size(image.width, image.height, image.batch)


@node("image/Grid", title="Picture grid", aliases=("contact sheet", "montage", "tile"))
def grid(
    images: list[Image],
    columns: int = Number(0, 0, 64, step=1),
    gap: int = Slider(8, 0, 128, unit="px"),
    color: Color = ColorPicker("#14161a"),
) -> Image:
    """Lay pictures out side by side, row by row. Each sits in the middle of a cell as large as the largest of them.

    Args:
        images: A list, a batch, or a list of batches.
        columns: Pictures in a row; 0 makes the grid as square as it gets.
        gap: Pixels between pictures and around them.
        color: The ground.
    """
    pictures = [one.rgb().pixels[0] for batch in images for one in batch]
    if not pictures:
        raise ValueRefused("There is no picture to lay out.", socket="images", mend="Connect at least one.")
    across = columns or math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / across)
    height, width = max(one.shape[0] for one in pictures), max(one.shape[1] for one in pictures)
    whole = Image.solid(across * (width + gap) + gap, rows * (height + gap) + gap, color.rgb).pixels[0].copy()
    for at, picture in enumerate(pictures):
        x = gap + at % across * (width + gap) + (width - picture.shape[1]) // 2
        y = gap + at // across * (height + gap) + (height - picture.shape[0]) // 2
        whole[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return Image(whole[None])


@node("image/MakeBatch", title="List to batch", aliases=("stack", "join"))
def make_batch(images: list[Image]) -> Image:
    """Put pictures of one size into one batch, which the next nodes work on at once.

    Args:
        images: Pictures or batches, all of the same size.
    """
    if not images:
        raise ValueRefused("The list is empty.", socket="images", mend="Connect at least one picture.")
    return Image.stack(images)


@node("image/SplitBatch", title="Batch to list", aliases=("unstack", "each"))
def split_batch(image: Image) -> list[Image]:
    """Take a batch apart into a list; the next nodes then work on one picture after the other."""
    return list(image)


@node("image/PickFromBatch", title="Pick from batch", aliases=("index", "select"))
def pick_from_batch(image: Image, index: int = Number(0, step=1)) -> Image:
    """One picture of a batch.

    Args:
        index: 0 is the first; -1 is the last.
    """
    if not -image.batch <= index < image.batch:
        raise ValueRefused(
            f"There is no picture {index} in a batch of {image.batch}.",
            socket="index",
            mend="0 is the first, -1 the last.",
        )
    return image[index]
