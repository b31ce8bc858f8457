"""States of samplers on disk, one file each, named by their step key. The trail of every run, as far as the limit reaches.

See `keyed_files.py` for what becomes of the files. A state is one of many: where the disk is slower than the sampler, or full, states are
left out, the oldest first, and nobody waits.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from studio.engine.array_file import Damaged, can_store, read_arrays, write_arrays
from studio.engine.keyed_files import KeyedFiles, unwritten
from studio.engine.keys import Key
from studio.graph.errors import WirelightError
from studio.sdk.storage import Packed

DEFAULT_LIMIT: Final = 4 * 2**30
_VERSION: Final = 1
_MOST_WAITING: Final = 512 * 2**20
"""Bytes of states that may wait for the disk."""


class StepStore(KeyedFiles):
    """A `Steps` of the SDK. `on_trouble` is told once when the disk cannot be written, until a write succeeds again."""

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        super().__init__(folder, limit)
        self.on_trouble: Callable[[WirelightError], None] = lambda trouble: None
        self._waiting: dict[Key, tuple[Callable[[], Packed | None], int]] = {}
        """In the order in which they came."""
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._writing: Key | None = None
        self._writer: threading.Thread | None = None
        self._closed = False
        self._troubled = False

    def has(self, key: bytes) -> bool:
        """Whether there is a state, as far as can be told without reading it."""
        return key in self._waiting or key == self._writing or super().has(Key(key))

    def load(self, key: bytes) -> Packed | None:
        """The state, or None where it is gone, or damaged. Waits where it is just being written."""
        self._wait_for(Key(key))
        path = self._path(Key(key))
        try:
            data = path.read_bytes()
        except OSError:
            self._forget(Key(key))
            return None
        try:
            packed = _read(data)
        except Damaged:
            path.unlink(missing_ok=True)
            self._forget(Key(key))
            return None
        self._used(path)
        return packed

    def keep(self, key: bytes, pack: Callable[[], Packed | None], nbytes: int) -> None:
        """Keep a state of about so many bytes, soon; see the SDK's `Steps`."""
        if nbytes > self.largest:
            return
        with self._changed:
            if self._closed or key in self._waiting or key == self._writing:
                return
            while self._waiting and self._waiting_bytes + nbytes > _MOST_WAITING:
                oldest = next(iter(self._waiting))
                self._waiting_bytes -= self._waiting.pop(oldest)[1]
            self._waiting[Key(key)] = (pack, nbytes)
            self._waiting_bytes += nbytes
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="steps", daemon=True)
                self._writer.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all that was to be kept is on disk."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and self._writing is None)

    def close(self) -> None:
        """Flush, and end the thread."""
        self.flush()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join()

    def _wait_for(self, key: Key) -> None:
        with self._changed:
            self._changed.wait_for(lambda: key not in self._waiting and self._writing != key)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._writing = None
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
                if not self._waiting:
                    return
                key = next(iter(self._waiting))
                pack, nbytes = self._waiting.pop(key)
                self._waiting_bytes -= nbytes
                self._writing = key
            self._write_one(key, pack)

    def _write_one(self, key: Key, pack: Callable[[], Packed | None]) -> None:
        try:
            packed = pack()
            if packed is None or not all(can_store(array) for array in packed.arrays.values()):
                return
            text = json.dumps({"step": _VERSION, "type": packed.type, "meta": dict(packed.meta)})
            self._write(key, lambda stream: write_arrays(stream, text, packed.arrays))
            self._troubled = False
        except OSError as error:
            self._tell(unwritten(self._path(key), "The steps of this run could not be kept", error))
        except Exception as error:  # noqa: BLE001 - what the node's own code raises must not end the thread
            self._tell(WirelightError(f"A step of this run could not be kept: {type(error).__name__}: {error}."))

    def _tell(self, trouble: WirelightError) -> None:
        if not self._troubled:
            self._troubled = True
            self.on_trouble(trouble)


def _read(data: bytes) -> Packed:
    text, arrays = read_arrays(data)
    described = json.loads(text)
    if described.get("step") != _VERSION:
        raise Damaged("This is no state of a sampler.")
    return Packed(described["type"], arrays, described["meta"])
