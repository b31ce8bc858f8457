"""A lock between processes: an open file that the system unlocks by itself when its process ends, however it ends."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from studio.files.atomic import write_failed

_PAUSE: Final = 0.02


class FileLock:
    """At most one holder at a time for a path, over all processes and within one. Not for network drives.

    Usable as a context manager, which waits.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def take(self, timeout: float = 0.0) -> bool:
        """True where the lock is held now; waits up to `timeout` seconds. Raises `WriteFailed` where the file cannot be made."""
        end = time.monotonic() + timeout
        while not self._try():
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE)
        return True

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> FileLock:
        while not self.take(60.0):
            pass
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _try(self) -> bool:
        if self._handle is not None:
            return True
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise write_failed(self.path, error) from error
        if _lock(handle) and self._is_still_there(handle):
            self._handle = handle
            return True
        os.close(handle)
        return False

    def _is_still_there(self, handle: int) -> bool:
        """Its holder may have removed the file between our opening and locking it: then we lock what nobody else will find."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(handle))
        except FileNotFoundError:
            return False


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
