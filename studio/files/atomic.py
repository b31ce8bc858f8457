"""Writing a file so that at every moment either the old content or the new is there, whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from studio.graph.errors import WriteFailed

_MENDS: Final = {
    errno.ENOSPC: ("There is no space left on the disk.", "Free some space, or save to another disk."),
    errno.EDQUOT: ("The disk quota is used up.", "Free some space, or save to another disk."),
    errno.EFBIG: ("The file would be larger than is allowed there.", "Save to another disk."),
    errno.EROFS: ("The disk is read-only.", "Save to another place."),
    errno.EACCES: ("Writing is not permitted there.", "Save to another place, or change the permissions."),
    errno.EPERM: ("Writing is not permitted there.", "Save to another place, or change the permissions."),
    errno.ENOENT: ("The folder does not exist.", "Create it first, or save to another place."),
    errno.ENOTDIR: ("A part of the path is a file, not a folder.", "Save to another place."),
    errno.EISDIR: ("There is a folder of that name.", "Choose another name."),
    errno.ENAMETOOLONG: ("The name is too long.", "Choose a shorter name."),
    errno.ELOOP: ("The link leads round in a circle.", "Save to another place."),
}
_LONGEST_STEM: Final = 40


def write_atomically(path: Path | str, data: bytes | str) -> None:
    """Replace the content of a file, or create it: written beside, flushed to the disk, then renamed.

    A text is written as UTF-8 with its newlines as they are. An existing file keeps its permissions; a symbolic link stays, and what
    it points to is written. Raises `WriteFailed`, and then the old content is untouched and nothing is left beside it.
    """
    path = Path(path)
    content = data.encode() if isinstance(data, str) else data
    try:
        target = Path(os.path.realpath(path))
        mode = _permissions(target)
        beside = _write_beside(target, content, mode)
        try:
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise write_failed(path, error) from error
    _flush_folder(target.parent)


def write_failed(path: Path, error: OSError) -> WriteFailed:
    """The error for a person, from what the system said."""
    words = error.strerror or str(error)
    what, mend = _MENDS.get(error.errno or 0, (f"The file cannot be written: {words}.", "Save to another place."))
    return WriteFailed(path, what, mend=mend)


def _permissions(target: Path) -> int | None:
    """Of the file that is there, or None. A file that may not be written is refused, though renaming over it would work."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return mode & 0o7777


def _write_beside(target: Path, content: bytes, mode: int | None) -> Path:
    stem = target.name.encode()[:_LONGEST_STEM].decode(errors="ignore")
    beside = target.with_name(f".{stem}.{os.urandom(6).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(beside, flags, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(handle, mode)
            file.write(content)
            file.flush()
            os.fsync(handle)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside


def _flush_folder(folder: Path) -> None:
    """Make the rename itself last through a power cut. Windows does so by itself and cannot open folders."""
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # a folder that may be written but not listed: the rename is done, only its flushing cannot be asked for
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that know no fsync of folders
            raise write_failed(folder, error) from error
    finally:
        os.close(handle)
