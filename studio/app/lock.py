"""A lock on a folder that the operating system takes back when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

LOCK_NAME: Final = "lock"


class FolderLock:
    """Holds a folder until `release`, or until the process is gone. Made by `lock_folder`."""

    def __init__(self, file: int) -> None:
        self._file = file

    def release(self) -> None:
        os.close(self._file)


def lock_folder(folder: Path) -> FolderLock | None:
    """The lock on a folder, or None where another process holds it, or the folder is going away."""
    path = folder / LOCK_NAME
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    if _take(file) and _still_there(path, file):
        return FolderLock(file)
    os.close(file)
    return None


def _still_there(path: Path, file: int) -> bool:
    """Between opening and locking, the one who held the lock may have removed the folder."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _take(file: int) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
