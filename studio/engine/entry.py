"""What is kept of a node that ran: its outputs, and the files that it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.sdk.resident import residents_of
from studio.sdk.storage import size_of


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """An output file as it was when the node was done; `media` is `image`, `audio`, `video` or `other`."""

    path: str
    size: int
    mtime_ns: int
    media: str

    @classmethod
    def of(cls, path: Path, media: str) -> WrittenFile:
        """Raises `OSError` where there is no such file."""
        status = path.stat()
        return cls(str(path.absolute()), status.st_size, status.st_mtime_ns, media)

    @property
    def stands(self) -> bool:
        """Whether the file is still there, unchanged."""
        try:
            status = Path(self.path).stat()
        except OSError:
            return False
        return status.st_size == self.size and status.st_mtime_ns == self.mtime_ns


@dataclass(slots=True, eq=False)
class Entry:
    """`outputs` with their `names`. `cost`: seconds it takes to have them again from what is on disk."""

    outputs: tuple[object, ...]
    names: tuple[str, ...]
    files: tuple[WrittenFile, ...] = ()
    cost: float = 0.0

    @property
    def stands(self) -> bool:
        """For an effect: whether it has left files, and all are as it left them."""
        return bool(self.files) and all(file.stands for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of memory, roughly."""
        return _OVERHEAD + sum(size_of(value) for value in self.outputs)

    @property
    def storable(self) -> bool:
        """Whether all outputs can go to disk. Models cannot, nor what refers to them."""
        return all(_storable(value) for value in self.outputs)


def _storable(value: object) -> bool:
    if value is None or isinstance(value, (bool, int, float, str)):
        return True
    if isinstance(value, list):
        return all(_storable(one) for one in value)
    return hasattr(value, "pack") and not residents_of(value)


_OVERHEAD = 512
