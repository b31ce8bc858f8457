"""Results on disk, one file each, named by their content key.

    FOLDER/3f/3f09...c1.safetensors     results, the least recently used out first
    FOLDER/kept/9a77...20.safetensors   locked ones, which stay until they are released

See `keyed_files.py` for what becomes of the files.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Final

from studio.engine.array_file import Damaged
from studio.engine.entry import Entry
from studio.engine.keyed_files import SUFFIX, KeyedFiles, Shelf, unwritten
from studio.engine.keys import Key
from studio.engine.store_file import pack_entry, read_entry, write_entry
from studio.graph.errors import CodecError

DEFAULT_LIMIT: Final = 20 * 2**30
_KEPT: Final = "kept"


class Store(KeyedFiles):
    """Results by key. All methods may be called from several threads.

    `limit`: bytes of all results that are not kept. What other processes add is seen after the next `refresh`.
    """

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        super().__init__(folder, limit)
        self._kept = Shelf()

    def has(self, key: Key) -> bool:
        """Whether there is a result, as far as can be told without reading it."""
        if not key:
            return False
        if super().has(key):
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
            self._used(path)
            return entry
        self._forget(key)
        self._kept.keys.discard(key)
        return None

    def save(self, key: Key, entry: Entry) -> bool:
        """Keep a result. False where it cannot be stored, or is larger than the whole store. Raises `WriteFailed`."""
        packed = pack_entry(entry)
        if packed is None or sum(one.nbytes for one in packed) > self.largest:
            return False
        try:
            self._write(key, lambda stream: write_entry(stream, entry, packed))
        except OSError as error:
            raise unwritten(self._path(key), "The result could not be stored", error) from error
        return True

    def keep(self, key: Key) -> bool:
        """Never trim this result, until it is released. False where there is none. Raises `WriteFailed`."""
        kept = self._kept_path(key)
        if kept.exists():
            return True
        try:
            with self._path(key).open("rb") as result:
                self._beside(kept, lambda stream: shutil.copyfileobj(result, stream))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise unwritten(kept, "The result could not be kept", error) from error
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

    def _kept_path(self, key: Key) -> Path:
        return self.folder / _KEPT / f"{key.hex()}{SUFFIX}"
