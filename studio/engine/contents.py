"""Digests of files by their content, remembered as long as a file's size and times stay the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final, TypeAlias

ContentOf: TypeAlias = Callable[[str], str]
"""From a path, as a parameter holds it, to a digest of what lies there. Raises `OSError` where nothing can be read."""

_CHUNK: Final = 1 << 20
_MOST_KEPT: Final = 65_536

_State: TypeAlias = tuple[int, int, int]


class FileContents:
    """A `ContentOf` for files and folders. A folder counts by the relative paths and contents of all files below it. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_State, bytes]] = {}
        self._lock = threading.Lock()

    def __call__(self, path: str) -> str:
        place = Path(path).expanduser()
        if not place.is_dir():
            return self._file(place).hex()
        digest = blake2b(digest_size=16)
        for file in sorted(_files_below(place)):
            name = file.relative_to(place).as_posix().encode("utf-8", "surrogatepass")
            digest.update(len(name).to_bytes(8) + name + self._file(file))
        return digest.hexdigest()

    def _file(self, file: Path) -> bytes:
        before = _state(file)
        name = str(file.absolute())
        with self._lock:
            known = self._known.get(name)
        if known is not None and known[0] == before:
            return known[1]
        digest = blake2b(digest_size=16)
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        content = digest.digest()
        if _state(file) == before:
            with self._lock:
                if len(self._known) >= _MOST_KEPT:
                    self._known.clear()
                self._known[name] = (before, content)
        return content


def _state(file: Path) -> _State:
    status = file.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
