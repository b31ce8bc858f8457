"""Files by content key, bounded: the least recently used out first. Survives restarts; several processes may share one folder.

    FOLDER/3f/3f09...c1.safetensors

A file appears whole, by renaming. When it was last used is its modification time. Nothing is flushed to the disk's platters: what a
power cut leaves damaged is found by its checksum and discarded.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from studio.engine.keys import Key, lock_key
from studio.graph.errors import WriteFailed

T = TypeVar("T")

SUFFIX: Final = ".safetensors"
_FILL_TO: Final = 0.9
"""Share of the limit that is left after making room, so that not every new file has to."""
_STALE: Final = 3600.0
"""Seconds after which a half-written file is taken for the rest of a process that died."""
MEND: Final = "Make room on the disk, or choose another folder for the cache."


@dataclass(slots=True)
class Shelf:
    """What is known of one folder: its keys, as of when it had this modification time."""

    looked: int = -1
    mtime_ns: int = -1
    keys: set[Key] = field(default_factory=set)


class KeyedFiles:
    """All methods may be called from several threads.

    `limit`: bytes of all files. What other processes add is seen after the next `refresh`.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._names = [f"{at:02x}" for at in range(256)]
        self._shelves = [Shelf() for _ in range(256)]
        self._looks = 0
        self._bytes: int | None = None
        self._counter = itertools.count()

    @property
    def largest(self) -> float:
        """Bytes of the largest file that is taken."""
        return self.limit * _FILL_TO

    def refresh(self) -> None:
        """Look again at folders that have changed, when they are next asked about."""
        self._looks += 1

    def has(self, key: Key) -> bool:
        """Whether there is a file, as far as can be told without reading it."""
        if not key:
            return False
        at = key[0]
        shelf = self._shelves[at]
        if shelf.looked != self._looks:
            self._look(shelf, self.folder / self._names[at])
        return key in shelf.keys

    def measure(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size, _ in self._files())

    def trim(self) -> None:
        """Drop what was used least recently, until the limit is kept with something to spare; and what dead processes left half-written."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= self.limit * _FILL_TO:
                break
            with contextlib.suppress(OSError):  # in use by another process, where the system does not allow that
                path.unlink()
                total -= size
                key = lock_key(path.stem)
                if key:
                    self._forget(key)
        self._bytes = total
        for path in self.folder.glob(f"*/.*{SUFFIX}.*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()

    def _write(self, key: Key, write: Callable[[BinaryIO], int]) -> None:
        """Make the file of a key; `write` gives how many bytes it wrote. Raises `OSError`."""
        size = self._beside(self._path(key), write)
        self._shelves[key[0]].keys.add(key)
        self._bytes = self.measure() if self._bytes is None else self._bytes + size
        if self._bytes > self.limit:
            self.trim()

    def _beside(self, path: Path, fill: Callable[[BinaryIO], T]) -> T:
        """Write a file next to its place, and move it there whole. Gives what `fill` gives."""
        beside = path.with_name(f".{path.name}.{os.getpid()}.{next(self._counter)}")
        try:
            try:
                stream = beside.open("wb")
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                stream = beside.open("wb")
            with stream:
                filled = fill(stream)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        return filled

    def _used(self, path: Path) -> None:
        with contextlib.suppress(OSError):  # a folder that may only be read
            os.utime(path)

    def _forget(self, key: Key) -> None:
        self._shelves[key[0]].keys.discard(key)

    def _files(self) -> list[tuple[int, int, Path]]:
        """Last use, size and path of every file."""
        found = []
        for name in self._names:
            with contextlib.suppress(FileNotFoundError), os.scandir(self.folder / name) as listed:
                for one in listed:
                    if one.name.endswith(SUFFIX):
                        with contextlib.suppress(FileNotFoundError):
                            status = one.stat()
                            found.append((status.st_mtime_ns, status.st_size, Path(one.path)))
        return found

    def _look(self, shelf: Shelf, folder: Path) -> None:
        shelf.looked = self._looks
        try:
            mtime_ns = folder.stat().st_mtime_ns
            if mtime_ns != shelf.mtime_ns:
                with os.scandir(folder) as listed:
                    names = [one.name for one in listed if one.name.endswith(SUFFIX)]
                shelf.keys = {key for name in names if (key := lock_key(name.removesuffix(SUFFIX)))}
                shelf.mtime_ns = mtime_ns
        except FileNotFoundError:
            shelf.keys, shelf.mtime_ns = set(), -1

    def _path(self, key: Key) -> Path:
        return self.folder / self._names[key[0]] / f"{key.hex()}{SUFFIX}"


def unwritten(path: Path, what: str, error: OSError) -> WriteFailed:
    """`what` could not be written, as our own error."""
    return WriteFailed(path, f"{what}: {error.strerror or error}.", mend=MEND)
