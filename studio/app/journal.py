"""The crash journal: what an artist does is on disk before the screen shows it.

One file a document. Its first line is a snapshot, every further line one thing that happened. A line is handed to the operating system
at once, so that the death of the process loses nothing, and a thread carries it to the disk within about a second, against a power
failure. When the lines outgrow the snapshot, a new snapshot replaces both. `recovery` reads them.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from studio.files.atomic import write_failed
from studio.graph.errors import WirelightError, WriteFailed
from studio.graph.history import History

if TYPE_CHECKING:
    from studio.app.records import How, Started
    from studio.app.recovery import Recovered
    from studio.graph.edits import AnyEdit
    from studio.graph.graph import Graph

SUFFIX: Final = ".journal"
_SYNC_AFTER: Final = 1.0
_RETRY_AFTER: Final = 5.0
_COMPACT_ABOVE: Final = 2**20
_BINARY: Final = getattr(os, "O_BINARY", 0)


class JournaledHistory(History):
    """A history whose every change goes to `sink` as a line, before any other listener hears of it.

    An edit that could not be written down is refused (`CodecError`) and changes nothing.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.sink: Callable[[bytes], None] | None = None
        self._line = b""
        self._travels: How | None = None
        self._dragging = False
        self.listen(self._write)

    def apply(self, edit: AnyEdit, *, merge: bool = False) -> None:
        from studio.app.records import Edited, How, to_line

        self._line = to_line(Edited(edit, How.MERGED if merge else How.DONE)) if self.sink is not None else b""
        self._travels = None
        self._dragging = merge
        super().apply(edit, merge=merge)

    def seal(self) -> None:
        from studio.app.records import Sealed, to_line

        super().seal()
        if self._dragging and self.sink is not None:
            self.sink(to_line(Sealed()))
        self._dragging = False

    def undo(self) -> AnyEdit | None:
        from studio.app.records import How

        self._travels = How.UNDONE
        return super().undo()

    def redo(self) -> AnyEdit | None:
        from studio.app.records import How

        self._travels = How.REDONE
        return super().redo()

    def _write(self, graph: Graph, edit: AnyEdit) -> None:
        from studio.app.records import Edited, to_line

        if self.sink is not None:
            self.sink(self._line if self._travels is None else to_line(Edited(edit, self._travels)))


class Journal:
    """The open journal of one document.

    `freeze` is called on the document's thread and gives a call that makes the snapshot; that one may run on another thread, on values
    that never change. `on_problem` hears once when the disk refuses; editing goes on, and the disk is tried again every few seconds.
    """

    def __init__(
        self,
        path: Path,
        freeze: Callable[[], Callable[[], Started]],
        keeper: Keeper,
        on_problem: Callable[[WirelightError], None],
    ) -> None:
        self.path = path
        self._freeze = freeze
        self._keeper = keeper
        self._on_problem = on_problem
        self._append = threading.Lock()
        self._disk = threading.Lock()
        self._file: int | None = None
        self._size = self._snapshot_size = 0
        self._snapshot: Callable[[], Started] | None = None
        """What a new file shall begin with, while there is one to be written; `_tail` is what came since."""
        self._tail: list[bytes] = []
        self._unsynced = False
        self._unsure = False
        """The disk refused to keep what had been written: begin anew."""
        self._told = False
        self._retry_at = 0.0

    def resume(self, found: Recovered) -> None:
        """Go on behind the last whole line of the file that was replayed."""
        self._file = os.open(self.path, os.O_RDWR | _BINARY)
        os.ftruncate(self._file, found.size)
        os.lseek(self._file, 0, os.SEEK_END)
        self._size, self._snapshot_size = found.size, found.snapshot_size

    def rebase(self) -> None:
        """Begin anew with a snapshot of the document as it is; written soon, and in any case before the next line is."""
        with self._append:
            self._snapshot, self._tail = self._freeze(), []
        self._keeper.wake(self)

    def write(self, line: bytes) -> None:
        """Hand a line to the operating system. What the disk refuses is reported, never raised, and tried again later."""
        with self._append:
            if self._snapshot is not None:
                self._tail.append(line)
            if self._file is not None:
                self._write_through(line)
            if self._file is None and self._snapshot is None:
                # As the document is now: with the edit of this very line.
                self._snapshot, self._tail = self._freeze(), []
        if self._file is None:
            self.build()
        elif self._snapshot is None and (self._unsure or self._size > max(_COMPACT_ABOVE, 3 * self._snapshot_size)):
            self.rebase()
        self._keeper.wake(self)

    def build(self) -> bool:
        """Write the snapshot that is due, and put it in the place of the file. False where the disk refuses: it has to be tried again."""
        with self._disk:
            snapshot = self._snapshot
            if snapshot is None:
                return True
            if time.monotonic() < self._retry_at:
                return False
            beside = self.path.with_suffix(".new")
            from studio.app.records import to_line

            try:
                first = to_line(snapshot())
                with beside.open("wb") as file:
                    file.write(first)
                    with self._append:
                        file.write(b"".join(self._tail))
                        file.flush()
                        os.fsync(file.fileno())
                        self._size, self._snapshot_size = file.tell(), len(first)
                        self._swap(beside)
            except OSError as error:
                self._refused(write_failed(self.path, error))
                return False
            except WirelightError as error:
                self._refused(error)
                return False
            return True

    def sync(self) -> None:
        """Carry what was written to the disk itself."""
        with self._disk:
            with self._append:
                file, self._unsynced = (self._file if self._unsynced else None), False
            if file is not None:
                try:
                    os.fsync(file)
                except OSError as error:
                    self._unsure = True
                    self._refused(write_failed(self.path, error))

    @property
    def lines_size(self) -> int:
        """Bytes behind the snapshot."""
        return self._size - self._snapshot_size

    def close(self) -> None:
        """Everything to the disk; the file stays."""
        self._retry_at = 0.0
        self.build()
        self.sync()
        with self._disk, self._append:
            if self._file is not None:
                os.close(self._file)
            self._file = None

    def _write_through(self, line: bytes) -> None:
        assert self._file is not None
        try:
            whole = os.write(self._file, line) == len(line)
            trouble = None if whole else OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            trouble = error
        if trouble is None:
            self._size += len(line)
            self._unsynced = True
            return
        with suppress(OSError):  # a reader takes half a line for what it is
            os.ftruncate(self._file, self._size)
        os.close(self._file)
        self._file = None
        self._refused(write_failed(self.path, trouble))

    def _swap(self, beside: Path) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        beside.replace(self.path)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | _BINARY)
        self._snapshot, self._tail = None, []
        self._unsure = self._told = False
        self._retry_at = 0.0
        sync_folder(self.path.parent)

    def _refused(self, error: WirelightError) -> None:
        self._retry_at = time.monotonic() + _RETRY_AFTER
        if not self._told:
            self._told = True
            what = f"The crash journal cannot be written. {error.what}"
            self._on_problem(WriteFailed(self.path, what, mend="Save the workflow soon."))


class Kept(Protocol):
    """Something that the keeper's thread carries to the disk."""

    def build(self) -> bool:
        """Write what is too long for the document's thread. False where it has to be tried again."""

    def sync(self) -> None:
        """Carry what was written to the disk itself."""


class Keeper:
    """The thread that writes snapshots and carries journals to the disk. It sleeps while nothing changes."""

    def __init__(self) -> None:
        self._waiting: set[Kept] = set()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def wake(self, kept: Kept) -> None:
        """There is something to carry to the disk."""
        with self._changed:
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._keep, name="journal", daemon=True)
                self._thread.start()
            if kept not in self._waiting:
                self._waiting.add(kept)
                self._changed.notify()

    def stop(self) -> None:
        """End the thread; what still waits is for its owner to close."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _keep(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                self._changed.wait_for(lambda: self._stopped, _SYNC_AFTER)
                if self._stopped:
                    return
                ready, self._waiting = self._waiting, set()
            later = set()
            for kept in ready:
                if not kept.build():
                    later.add(kept)
                kept.sync()
            with self._changed:
                self._waiting |= later


def sync_folder(folder: Path) -> None:
    """Carry a folder's list of names to the disk, where the system has such a thing."""
    if os.name == "posix":
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
