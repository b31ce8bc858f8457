"""Pictures in memory that two processes share: the worker writes, the window reads, neither waits for the other.

The memory has no name in any folder: the window makes it and hands it to the worker it starts. A picture lies in a slot; slots come
in three sizes, and pages are taken only once they are written. Every write gives its slot a new sequence number, odd while pixels
are being written. A reader that finds another number than the picture's, before or after copying, drops the picture (a seqlock:
Boehm, "Can seqlocks get along with programming language memory models?", 2012).

The first page says which node the worker is at, for the time after it was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import threading
from typing import Final, TypeAlias

from studio.graph.graph import NodeId
from studio.protocol.messages import Picture

LARGEST_SIDE: Final = 8192
"""Wider or higher pictures do not cross; the worker scales them down."""

_PAGE: Final = 4096
_CLASSES: Final = ((64, 2**20), (16, 16 * 2**20), (2, 4 * LARGEST_SIDE * LARGEST_SIDE))
"""Slots and their bytes: thumbnails, previews and viewer pictures up to 2048 x 2048, the rest."""
_LARGE: Final = sum(count for count, _ in _CLASSES[:-1])
"""The first slot of the last class, whose pages are given back."""
_SIZES: Final = tuple(size for count, size in _CLASSES for _ in range(count))
_OFFSETS: Final = tuple(2 * _PAGE + sum(_SIZES[:slot]) for slot in range(len(_SIZES)))
_WHOLE: Final = 2 * _PAGE + sum(_SIZES)
_ENTRY: Final = 2
"""Numbers of 8 bytes that the table on the second page has for each slot: the sequence, and the last one that was read."""
_NAMES: Final = (8, _PAGE // 2)
_NAME_MOST: Final = 2000

Pixels: TypeAlias = bytes | bytearray | memoryview


class PictureMemory:
    """One side's view of the shared memory. `write`, `set_node` and `tidy` are the worker's, the rest is the window's."""

    def __init__(self, file: int) -> None:
        """Takes over the file descriptor, which `create` made here or in the parent process."""
        self.file = file
        self._memory = mmap.mmap(file, _WHOLE)
        self._view = memoryview(self._memory)
        self._table = self._view[_PAGE : 2 * _PAGE].cast("Q")
        self._lock = threading.Lock()
        self._open = True
        self._sequence = int.from_bytes(os.urandom(5), "big") * 2
        self._turn = [0] * len(_CLASSES)
        self._taken = [0] * len(_SIZES)

    @classmethod
    def create(cls) -> PictureMemory:
        """New, empty shared memory: readable by this user alone, without a name."""
        if hasattr(os, "memfd_create"):
            file = os.memfd_create("wirelight-pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.fchmod(file, 0o600)
            os.ftruncate(file, _WHOLE)
            # A file that the other side cannot shorten cannot take pages away under our feet.
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        else:
            import tempfile

            with tempfile.TemporaryFile() as unnamed:
                unnamed.truncate(_WHOLE)
                file = os.dup(unnamed.fileno())
        return cls(file)

    def write(self, pixels: Pixels, width: int, height: int, channels: int = 3) -> Picture | None:
        """Put a picture into the next slot that is large enough. None where it does not fit or no memory is left: then it is missed.

        `pixels`: contiguous bytes, width x height x channels. Raises ValueError where they are more or fewer.
        """
        size = width * height * channels
        if len(pixels) != size or memoryview(pixels).nbytes != size:
            raise ValueError(f"{len(pixels)} bytes are not {width} x {height} x {channels}")
        with self._lock:
            slot = self._next_slot(size)
            if slot is None or not self._open or not self._take(slot, size):
                return None
            self._sequence += 2
            entry = slot * _ENTRY
            self._table[entry] = self._sequence - 1
            start = _OFFSETS[slot]
            self._view[start : start + size] = pixels
            self._table[entry] = self._sequence
            return Picture(slot, self._sequence, width, height, channels)

    def _next_slot(self, size: int) -> int | None:
        first = 0
        for at, (count, most) in enumerate(_CLASSES):
            if size <= most:
                self._turn[at] = (self._turn[at] + 1) % count
                return first + self._turn[at]
            first += count
        return None

    def _take(self, slot: int, size: int) -> bool:
        """Reserve the pages, since touching one that the system cannot give would kill the process."""
        if size <= self._taken[slot]:
            return True
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self.file, _OFFSETS[slot], size)
            except OSError:
                return False
        self._taken[slot] = size
        return True

    def seen(self, picture: Picture) -> bool:
        """True where the picture was read, or can no longer be."""
        entry = picture.slot * _ENTRY
        return not self._open or self._table[entry + 1] == picture.sequence or self._table[entry] != picture.sequence

    def read(self, picture: Picture) -> bytes | None:
        """A copy of the pixels, or None where they were overwritten or the picture was never here."""
        slot, size = picture.slot, picture.width * picture.height * picture.channels
        if not 0 <= slot < len(_SIZES) or min(picture.width, picture.height) < 1 or picture.channels not in (3, 4):
            return None
        if size > _SIZES[slot]:
            return None
        entry = slot * _ENTRY
        with self._lock:
            if not self._open or self._table[entry] != picture.sequence:
                return None
            start = _OFFSETS[slot]
            pixels = bytes(self._view[start : start + size])
            if self._table[entry] != picture.sequence:
                return None
            self._table[entry + 1] = picture.sequence
            return pixels

    def tidy(self) -> None:
        """Give the pages of large pictures that were read back to the system."""
        with self._lock:
            for slot in range(_LARGE, len(_SIZES)):
                entry = slot * _ENTRY
                if self._open and self._taken[slot] and self._table[entry] == self._table[entry + 1]:
                    self._table[entry] = 0
                    if hasattr(mmap, "MADV_REMOVE"):
                        self._memory.madvise(mmap.MADV_REMOVE, _OFFSETS[slot], _SIZES[slot])
                        self._taken[slot] = 0

    def set_node(self, node: NodeId | None) -> None:
        """Say which node the worker is at."""
        # Two places in turn: whenever the worker is killed, one of them is whole, and the first byte says which.
        other = 1 - self._view[0]
        name = node.encode("utf-8", "replace")[:_NAME_MOST] if node else b""
        start = _NAMES[other]
        self._view[start : start + 2 + len(name)] = len(name).to_bytes(2, "little") + name
        self._view[0] = other

    def node(self) -> NodeId | None:
        """The node that the worker is at, or was at when it died; None between nodes."""
        with self._lock:
            if not self._open:
                return None
            start = _NAMES[self._view[0] & 1]
            length = int.from_bytes(self._view[start : start + 2], "little")
            name = bytes(self._view[start + 2 : start + 2 + min(length, _NAME_MOST)]).decode("utf-8", "replace")
        return NodeId(name) if name else None

    def close(self) -> None:
        """Let go of the memory; later calls find nothing."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._table.release()
            self._view.release()
            self._memory.close()
            with contextlib.suppress(OSError):
                os.close(self.file)
