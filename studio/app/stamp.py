"""Whether a file is still what we read or wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file on disk looked like: its bytes, and its modification time in nanoseconds."""

    size: int
    modified: int


def stamp_of(path: Path) -> Stamp | None:
    """What the file looks like now, or None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns)
