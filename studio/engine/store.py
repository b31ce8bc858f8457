"""Results on disk, one file each, named by their content key. Survives restarts; several processes may share one folder.

    FOLDER/3f/3f09...c1.safetensors     results, the least recently used out first
    FOLDER/kept/9a77...20.safetensors   locked ones, which stay until they are released

A file appears whole, by renaming. When it was last used is its modification time. Nothing is flushed to the disk's platters: what a
power cut leaves damaged is found by its checksum and discarded.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from studio.engine.entry import Entry
from studio.engine.keys import Key, lock_key
from studio.engine.store_file import Damaged, pack_entry, read_entry, write_entry
from studio.graph.errors import CodecError, WriteFailed

DEFAULT_LIMIT: Final = 20 * 2**30
_SUFFIX: Final = ".safetensors"
_KEPT: Final = "kept"
_FILL_TO: Final = 0.9
"""Share of the limit that is left after making room, so that not every new result has to."""
_STALE: Final = 3600.0
"""Seconds after which a half-written file is taken for the rest of a process that died."""


@dataclass(slots=True)
class _Shelf:
    """What is known of one folder: its keys, as of when it had this modification time."""

    looked: int = -1
    mtime_ns: int = -1
    keys: set[Key] = field(default_factory=set)


class Store:
    """Results by key. All methods may be called from several threads.

    `limit`: bytes of all results that are not kept. What other processes add is seen after the next `refresh`.
    """

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        self.folder = folder
        self.limit = limit
        self._names = [f"{at:02x}" for at in range(256)]
        self._shelves = [_Shelf() for _ in range(256)]
        self._kept = _Shelf()
        self._looks = 0
        self._bytes: int | None = None
        self._counter = itertools.count()

    def refresh(self) -> None:
        """Look again at folders that have changed, when they are next asked about."""
        self._looks += 1

    def has(self, key: Key) -> bool:
        """Whether there is a result, as far as can be told without reading it."""
        if not key:
            return False
        at = key[0]
        shelf = self._shelves[at]
        if shelf.looked != self._looks:
            self._look(shelf, self.folder / self._names[at])
        if key in shelf.keys:
            return True
        if self._kept.looked != self._looks:
            self._look(self._kept, self.folder / _KEPT)
        return key in self._kept.keys

    def load(self, key: Key) -> Entry | None:
        """The result, or None where there is none. A damaged one, or one of a type that nothing here knows, counts as none."""
        for path in (self._path(key), self._kept_path(key)):
            try:
                data = path.read_bytes()
            except OSError:
                continue
            try:
                entry = read_entry(data)
            except Damaged:
                path.unlink(missing_ok=True)
                continue
            except CodecError:
                continue
            with contextlib.suppress(OSError):  # a folder that may only be read
                os.utime(path)
            return entry
        self._shelves[key[0]].keys.discard(key)
        self._kept.keys.discard(key)
        return None

    def save(self, key: Key, entry: Entry) -> bool:
        """Keep a result. False where it cannot be stored, or is larger than the whole store. Raises `WriteFailed`."""
        packed = pack_entry(entry)
        if packed is None or sum(one.nbytes for one in packed) > self.limit * _FILL_TO:
            return False
        path = self._path(key)
        beside = path.with_name(f".{path.name}.{os.getpid()}.{next(self._counter)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with beside.open("wb") as stream:
                    size = write_entry(stream, entry, packed)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as error:
            raise WriteFailed(
                path, f"The result could not be stored: {error.strerror or error}.", mend=_MEND
            ) from error
        self._shelves[key[0]].keys.add(key)
        if self._bytes is None:
            self._bytes = self.measure()
        else:
            self._bytes += size
        if self._bytes > self.limit:
            self.trim()
        return True

    def keep(self, key: Key) -> bool:
        """Never trim this result, until it is released. False where there is none. Raises `WriteFailed`."""
        kept, path = self._kept_path(key), self._path(key)
        if kept.exists():
            return True
        beside = kept.with_name(f".{kept.name}.{os.getpid()}.{next(self._counter)}")
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(path, beside)
                beside.replace(kept)
            finally:
                beside.unlink(missing_ok=True)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise WriteFailed(kept, f"The result could not be kept: {error.strerror or error}.", mend=_MEND) from error
        self._kept.keys.add(key)
        return True

    def release(self, key: Key) -> None:
        """A kept result is one like others again."""
        kept = self._kept_path(key)
        with contextlib.suppress(FileNotFoundError):
            path = self._path(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            kept.replace(path)
            self._shelves[key[0]].keys.add(key)
        self._kept.keys.discard(key)

    def measure(self) -> int:
        """Bytes of all results that are not kept."""
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
                    self._shelves[key[0]].keys.discard(key)
        self._bytes = total
        for path in self.folder.glob(f"*/.*{_SUFFIX}.*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()

    def _files(self) -> list[tuple[int, int, Path]]:
        """Last use, size and path of every result that is not kept."""
        found = []
        for name in self._names:
            with contextlib.suppress(FileNotFoundError), os.scandir(self.folder / name) as listed:
                for one in listed:
                    if one.name.endswith(_SUFFIX):
                        with contextlib.suppress(FileNotFoundError):
                            status = one.stat()
                            found.append((status.st_mtime_ns, status.st_size, Path(one.path)))
        return found

    def _look(self, shelf: _Shelf, folder: Path) -> None:
        shelf.looked = self._looks
        try:
            mtime_ns = folder.stat().st_mtime_ns
            if mtime_ns != shelf.mtime_ns:
                with os.scandir(folder) as listed:
                    names = [one.name for one in listed if one.name.endswith(_SUFFIX)]
                shelf.keys = {key for name in names if (key := lock_key(name.removesuffix(_SUFFIX)))}
                shelf.mtime_ns = mtime_ns
        except FileNotFoundError:
            shelf.keys, shelf.mtime_ns = set(), -1

    def _path(self, key: Key) -> Path:
        return self.folder / self._names[key[0]] / f"{key.hex()}{_SUFFIX}"

    def _kept_path(self, key: Key) -> Path:
        return self.folder / _KEPT / f"{key.hex()}{_SUFFIX}"


_MEND: Final = "Make room on the disk, or choose another folder for the cache."
