"""Content hashes of files, computed once: kept by path, size and time of change."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from studio.graph.errors import FileProblem
from studio.library.database import Database

_BLOCK: Final = 8 * 2**20


class Hashes:
    """SHA-256 of files and folders, kept in the library's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, path: Path, checkpoint: Callable[[], None] = lambda: None) -> str:
        """64 hex digits, of a file's content, or of the names and contents of all files in a folder (hidden ones aside).

        `checkpoint` is called every 8 MiB and may raise to end it. Raises `FileProblem`.
        """
        path = path.absolute()
        if path.is_dir():
            return self._of_folder(path, checkpoint)
        return self._of_file(path, checkpoint)

    def known(self, path: Path) -> str | None:
        """The hash of a file, where it was computed and the file is still the same."""
        path = path.absolute()
        try:
            about = path.stat()
        except OSError:
            return None
        rows = self._database.read(
            "SELECT sha256 FROM hashes WHERE path = ? AND size = ? AND mtime_ns = ?",
            os.fsencode(path),
            about.st_size,
            about.st_mtime_ns,
        )
        return rows[0]["sha256"] if rows else None

    def _of_file(self, path: Path, checkpoint: Callable[[], None]) -> str:
        if (known := self.known(path)) is not None:
            return known
        try:
            before = path.stat()
            digest = hashlib.sha256()
            with path.open("rb", buffering=0) as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    checkpoint()
            after = path.stat()
        except OSError as error:
            raise FileProblem(path, f"The file cannot be read: {error.strerror or error}.") from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise FileProblem(path, "The file changed while it was read.", mend="Wait until it is complete.")
        self._database.write(
            "INSERT OR REPLACE INTO hashes (path, size, mtime_ns, sha256) VALUES (?, ?, ?, ?)",
            os.fsencode(path),
            after.st_size,
            after.st_mtime_ns,
            digest.hexdigest(),
        )
        return digest.hexdigest()

    def _of_folder(self, folder: Path, checkpoint: Callable[[], None]) -> str:
        digest = hashlib.sha256()
        inside = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        }
        for name in sorted(inside):
            digest.update(f"{name}\0{self._of_file(inside[name], checkpoint)}\n".encode())
        return digest.hexdigest()
