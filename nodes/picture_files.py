"""Pictures from files and into files."""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

from studio.sdk import FilePath, Image, Mask, OpenFile, Slider, TextLine, ValueRefused, When, node, running
from studio.sdk.output_file import write_output
from studio.sdk.picture_file import READABLE, read_picture, write_jpeg, write_png, write_webp


class Loaded(NamedTuple):
    image: Image
    mask: Mask
    holes: Mask


@node("image/Load", title="Load picture", aliases=("open", "file", "import", "LoadImage"))
def load(path: FilePath = OpenFile(*READABLE)) -> Loaded:
    """Read a picture from a file.

    It is turned upright after the camera's note, and its colours are brought to sRGB. When the file changes, it is read again.

    Args:
        path: The picture file.

    Returns:
        image: The picture, without its transparency.
        mask: Where it is opaque.
        holes: Where it is transparent: what is to be painted anew.
    """
    if not path:
        raise ValueRefused("No file is chosen.", socket="path", mend="Choose a picture file.")
    picture = read_picture(path.path)
    opaque = picture.alpha()
    return Loaded(picture if picture.channels == 1 else picture.rgb(), opaque, Mask(1 - opaque.values))


@node("image/Preview", title="Preview", effect=True, aliases=("show", "look", "PreviewImage"))
def preview(image: Image) -> Image:
    """Show a picture without saving it.

    Args:
        image: One picture or a batch; it is passed on as it is.
    """
    return image


@node(
    "image/Save", title="Save picture", effect=True, background=True, aliases=("write", "export", "output", "SaveImage")
)
def save(
    image: Image,
    name: str = TextLine("picture"),
    format: Literal["PNG", "JPEG", "WebP"] = "PNG",
    quality: int = Slider(92, 1, 100, when=When("format", "JPEG", "WebP")),
    embed_workflow: bool = True,
) -> None:
    """Write every picture of the batch into the output folder, each under a number of its own; nothing is overwritten.

    Args:
        image: One picture or a batch.
        name: The beginning of the file's name. With a `/`, pictures go into a folder below the output folder.
        format: PNG keeps every pixel, and the workflow inside the file. JPEG and WebP are smaller.
        quality: Higher is larger and better; WebP keeps every pixel at 100.
        embed_workflow: Put the workflow into a PNG, so that opening the picture opens the graph that made it.
    """
    context = running()
    workflow = context.workflow if embed_workflow else ""
    for done, pixels in enumerate(image.to_uint8(), 1):
        match format:
            case "PNG":
                suffix, write = ".png", partial(write_png, pixels=pixels, workflow=workflow)
            case "JPEG":
                suffix, write = ".jpg", partial(write_jpeg, pixels=pixels, quality=quality)
            case "WebP":
                suffix, write = ".webp", partial(write_webp, pixels=pixels, quality=quality)
        path = write_output(context.out, name, suffix, write)
        context.wrote(path)
        context.progress(done, image.batch)
