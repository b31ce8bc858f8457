"""The texts inside a file, by their keys, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from studio.files.containers import boxes, ebml, flac, id3, jpeg, png, riff, safetensors
from studio.files.containers.limits import Damaged
from studio.graph.errors import WorkflowUnreadable

Texts: TypeAlias = dict[str, str]
"""Keys in small letters as the program wrote them: `prompt`, `workflow`, `parameters` ... Of a key that stands there twice, the first."""

_READERS: Final[tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO, int], Texts]], ...]] = (
    (png.is_png, png.read),
    (jpeg.is_jpeg, jpeg.read),
    (riff.is_riff, riff.read),
    (boxes.is_boxes, boxes.read),
    (ebml.is_ebml, ebml.read),
    (flac.is_flac, flac.read),
    (flac.is_ogg, flac.read_ogg),
    (id3.is_id3, id3.read),
    (safetensors.is_safetensors, safetensors.read),
)
_HEAD: Final = 64


def is_container(head: bytes) -> bool:
    """Whether a file that begins so is of a kind that may hold texts."""
    return any(fits(head) for fits, _ in _READERS)


def read_texts(path: Path) -> Texts | None:
    """The texts inside a file, empty where it holds none; None for a file of another kind.

    Raises `WorkflowUnreadable` where the file cannot be read, or is damaged before any text was found.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            head = file.read(_HEAD)
            for fits, read in _READERS:
                if fits(head):
                    file.seek(0)
                    return read(file, size)
    except Damaged as error:
        raise WorkflowUnreadable(path, f"The file is damaged: {error}.", mend="Use another copy of it.") from None
    except OSError as error:
        raise WorkflowUnreadable(path, f"The file cannot be read: {error.strerror or error}.") from error
    return None
