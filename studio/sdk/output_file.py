"""Output files: numbered so that none is ever overwritten, complete before they appear under their name."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from studio.graph.errors import Misuse, WriteFailed

_DIGITS: Final = 4
_FORBIDDEN: Final = re.compile(r'[<>:"|?*\x00-\x1f]')
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST: Final = 120


def write_output(folder: Path, name: str, suffix: str, write: Callable[[BinaryIO], None]) -> Path:
    """Write `folder/name-0001.suffix`, or the next number that is free, and return its path.

    `name` may hold `/` for folders below, which are made. `write` fills a file that is open for writing; the file gets its name once it is
    complete and flushed to the disk. Raises `Misuse` for a name that leads out of the folder or that some system forbids, and
    `WriteFailed`.
    """
    stem = folder / checked_name(name)
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        beside = stem.parent / f".{stem.name[:40]}-{os.urandom(6).hex()}{suffix}.part"
        try:
            with beside.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            return _under_free_name(beside, stem, suffix)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise WriteFailed(
            stem.with_name(stem.name + suffix),
            f"The file cannot be written: {error.strerror or error}.",
            mend="Choose another output folder, or make room.",
        ) from error


def checked_name(name: str) -> Path:
    """A relative path that every system can write. Raises `Misuse`."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    for part in parts:
        if (
            part == ".."
            or _FORBIDDEN.search(part)
            or _DEVICES.fullmatch(part)
            or part[-1] in " ."
            or len(part) > _LONGEST
        ):
            raise Misuse(
                f"'{part[:_LONGEST]}' cannot be part of a file name.", mend="Use letters, digits, spaces, '-' and '_'."
            )
    if not parts or name.startswith(("/", "\\", "~")):
        raise Misuse(
            f"'{name}' is no name for an output.", mend="Write a name, or folder/name; it starts in the output folder."
        )
    return Path(*parts)


def _under_free_name(beside: Path, stem: Path, suffix: str) -> Path:
    for number in _numbers(stem):
        target = stem.with_name(f"{stem.name}-{number:0{_DIGITS}d}{suffix}")
        with contextlib.suppress(FileExistsError):
            _take_name(beside, target)
            return target
    raise AssertionError("the numbers never end")


def _take_name(beside: Path, target: Path) -> None:
    """Raises `FileExistsError` where the name is taken, by whomever."""
    try:
        os.link(beside, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without links (FAT, some network drives): hold the name by an empty file, then replace it.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        beside.replace(target)


def _numbers(stem: Path) -> Iterator[int]:
    """From one above the highest that is there, whatever its suffix, so that files in a folder sort by age."""
    pattern = re.compile(re.escape(stem.name) + r"-(\d+)\..*")
    taken = (int(match[1]) for path in stem.parent.iterdir() if (match := pattern.fullmatch(path.name)))
    number = max(taken, default=0)
    while True:
        number += 1
        yield number
