"""The documents that a window has open, and how they come back: after a clean end, a crash, or a kill.

Each running window has a folder of its own, locked by the operating system for as long as the process lives. A folder that nobody
locks is left over; whoever starts next takes its documents over. Two windows at once never touch each other's.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from studio.app.document import Document
from studio.app.journal import SUFFIX, Journal, Keeper
from studio.app.stamp import stamp_of
from studio.files.atomic import write_atomically, write_failed
from studio.graph.codec import decode, encode
from studio.graph.errors import CodecError, FileProblem, WirelightError, WriteFailed
from studio.graph.workflow import View, Workflow
from studio.library.lock import FileLock

if TYPE_CHECKING:
    from studio.app.recovery import Recovered

_STATE: Final = "session.json"
_LOCK: Final = "lock"
_CLOSED: Final = "closed"
_DAMAGED: Final = "damaged"
_MOST_CLOSED: Final = 20
_COMPACT_ABOVE: Final = 64 * 2**10


@dataclass(frozen=True, slots=True)
class SessionState:
    """What `session.json` holds. `clean` is true where the window ended by itself."""

    documents: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """The path of each document that has a file: one that was just opened, and never changed, may have no journal yet."""
    active: str = ""
    views: Mapping[str, View] = field(default_factory=dict)
    clean: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """What a start has to tell the artist. `document` is its id where one document is meant."""

    text: str
    document: str = ""


class _StateFile:
    """`session.json`, written by the keeper's thread."""

    def __init__(self, path: Path, on_problem: Callable[[WirelightError], None]) -> None:
        self.state = SessionState()
        self._path = path
        self._on_problem = on_problem

    def build(self) -> bool:
        return True

    def sync(self) -> None:
        try:
            write_atomically(self._path, json.dumps(encode(self.state), indent=1).encode())
        except WriteFailed as error:
            self._on_problem(error)


class Session:
    """Open documents, each with its journal. Made by `Session.start`."""

    def __init__(self, folder: Path, lock: FileLock, on_problem: Callable[[WirelightError], None]) -> None:
        self.folder = folder
        self.notices: list[Notice] = []
        self._lock = lock
        self._on_problem = on_problem
        self._keeper = Keeper()
        self._state_file = _StateFile(folder / _STATE, on_problem)
        self._documents: dict[str, Document] = {}
        self._journals: dict[str, Journal] = {}
        self._active = ""

    @classmethod
    def start(
        cls, sessions: Path, *, restore: bool = True, on_problem: Callable[[WirelightError], None] = lambda _: None
    ) -> Session:
        """A session in the folder `sessions`. With `restore`, with the documents of those that ended, cleanly or not.

        `on_problem` hears what goes wrong later with the journals; it may be called from another thread. Raises `WriteFailed` where
        the folder cannot be written.
        """
        try:
            left = _left_over(sessions) if restore else []
            own, lock = left[0] if left else _new_folder(sessions)
            session = cls(own, lock, on_problem)
            for folder, held in left:
                session._take_over(folder, held)
        except OSError as error:
            why = write_failed(sessions, error)
            mend = "Make it writable, or set WIRELIGHT_HOME to another folder."
            raise WriteFailed(sessions, f"Open documents cannot be kept there. {why.what}", mend=mend) from error
        session.save_state()
        return session

    @property
    def documents(self) -> tuple[Document, ...]:
        """In the order of their tabs."""
        return tuple(self._documents.values())

    @property
    def active(self) -> Document | None:
        """The document that the window shows."""
        return self._documents.get(self._active)

    def new(self, workflow: Workflow | None = None) -> Document:
        """A document without a file: empty, or from a template."""
        return self._adopt(Document(workflow))

    def open(self, path: Path) -> Document:
        """The document of a file; the one that is open already where it is. Raises `WorkflowUnreadable`."""
        path = path.absolute()
        for document in self._documents.values():
            if document.path == path:
                self.activate(document)
                return document
        return self._adopt(Document.open(path))

    def activate(self, document: Document) -> None:
        """The window shows this document now."""
        self._active = document.id
        self.save_state()

    def close(self, document: Document) -> None:
        """The document goes. Its journal is kept for a while, for `reopen`, saved or not."""
        ids = list(self._documents)
        at = ids.index(document.id)
        del self._documents[document.id]
        document.history.sink = None
        journal = self._journals.pop(document.id)
        journal.close()
        try:
            self._keep_closed(journal.path)
        except OSError as error:
            self._on_problem(write_failed(journal.path, error))
        if self._active == document.id:
            ids.remove(document.id)
            self._active = ids[min(at, len(ids) - 1)] if ids else ""
        self.save_state()

    @property
    def can_reopen(self) -> bool:
        """Whether there is a closed document that can come back."""
        return any((self.folder.parent / _CLOSED).glob(f"*{SUFFIX}"))

    def reopen(self) -> Document | None:
        """The document that was closed last, as it was, or None where there is none left. Raises `WriteFailed`."""
        from studio.app.recovery import read_journal

        closed = self.folder.parent / _CLOSED
        for journal in sorted(closed.glob(f"*{SUFFIX}"), key=_age):
            own = self.folder / journal.name
            try:
                journal.replace(own)
                document = self._resume(own, read_journal(own))
            except FileNotFoundError:
                continue  # another window was quicker
            except FileProblem as problem:
                self._set_aside(own, problem)
            except OSError as error:
                raise write_failed(own, error) from error
            else:
                self.activate(document)
                return document
        return None

    def save_state(self) -> None:
        """Note, within a second or so, which documents are open, which one is shown, and where each is looking."""
        self._state_file.state = self._state(clean=False)
        self._keeper.wake(self._state_file)

    def end(self) -> None:
        """A clean end: everything is on the disk, and comes back at the next start."""
        for id, journal in self._journals.items():
            if journal.lines_size > _COMPACT_ABOVE:
                journal.rebase()
            journal.close()
            self._documents[id].history.sink = None
        self._keeper.stop()
        self._state_file.state = self._state(clean=True)
        self._state_file.sync()
        self._lock.release()

    def _keep_closed(self, journal: Path) -> None:
        closed = _room(self.folder.parent / _CLOSED)
        with suppress(FileNotFoundError):
            journal.replace(closed / journal.name)
        _prune(closed)

    def _adopt(self, document: Document) -> Document:
        journal = Journal(self.folder / (document.id + SUFFIX), document.freeze, self._keeper, self._on_problem)
        document.history.sink = journal.write
        self._documents[document.id] = document
        self._journals[document.id] = journal
        journal.rebase()
        self.activate(document)
        return document

    def _resume(self, path: Path, found: Recovered) -> Document:
        document = Document.of(found)
        journal = Journal(path, document.freeze, self._keeper, self._on_problem)
        journal.resume(found)
        document.history.sink = journal.write
        self._documents[document.id] = document
        self._journals[document.id] = journal
        if found.damage:
            shutil.copyfile(path, _room(self.folder.parent / _DAMAGED) / path.name)
            self.notices.append(
                Notice(f"'{document.title}' is back, but not whole. {found.damage}", document.id),
            )
        return document

    def _take_over(self, folder: Path, lock: FileLock) -> None:
        """Bring back the documents of a session that has ended."""
        from studio.app.recovery import read_journal

        state = _read_state(folder)
        order = {id: at for at, id in enumerate(state.documents)}
        journals = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: (order.get(path.stem, len(order)), path.stem))
        told = {path.stem for path in journals}
        back, active = 0, self._active
        for path in journals:
            own = self.folder / path.name
            if path != own:
                path.replace(own)
            try:
                found = read_journal(own)
            except FileProblem as problem:
                self._set_aside(own, problem)
                continue
            document = self._resume(own, found)
            document.view = state.views.get(document.id, document.view)
            back += found.edits > 0
            self._compare_with_file(document)
        for id, file in state.files.items():
            if id not in told:
                self._open_again(Path(file), id)
        for id in (active, state.active, *self._documents):
            if id in self._documents:
                self._active = id
                break
        if journals and not state.clean:
            self.notices.insert(0, Notice(_what_came_back(len(journals), back)))
        if folder != self.folder:
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()

    def _compare_with_file(self, document: Document) -> None:
        """The file may have changed while the document was not open."""
        path = document.path
        if path is None or stamp_of(path) == document.stamp:
            return
        if stamp_of(path) is None:
            document.mark_unsaved()
            self.notices.append(Notice(f"{path} is gone. '{document.title}' is back as it was.", document.id))
            return
        try:
            on_disk = Document.open(path)
        except WirelightError as error:
            document.mark_unsaved()
            self.notices.append(Notice(f"{error} '{document.title}' is back as it was.", document.id))
            return
        if on_disk.graph == document.graph:
            document.mark_saved(on_disk.stamp)
        elif not document.dirty:
            self._replace(document, on_disk)
        else:
            self.notices.append(
                Notice(
                    f"{path} was changed by another program. '{document.title}' is back with your own changes; save it under "
                    "another name to keep both.",
                    document.id,
                )
            )

    def _open_again(self, path: Path, id: str) -> None:
        """A file that was open, without anything in it changed."""
        try:
            self._adopt(Document.open(path, id))
        except WirelightError as error:
            self.notices.append(Notice(str(error)))

    def _replace(self, document: Document, newer: Document) -> None:
        """An unchanged document takes what its file says now, as one edit, so that it can be undone."""
        from studio.graph.diff import diff

        document.apply(diff(document.graph, newer.graph))
        document.mark_saved(newer.stamp)

    def _set_aside(self, journal: Path, problem: FileProblem) -> None:
        kept = _room(self.folder.parent / _DAMAGED) / journal.name
        journal.replace(kept)
        self.notices.append(
            Notice(f"A document could not be brought back. {problem.what} Its journal is kept as {kept}.")
        )

    def _state(self, *, clean: bool) -> SessionState:
        views = {id: document.view for id, document in self._documents.items() if document.view is not None}
        files = {id: str(document.path) for id, document in self._documents.items() if document.path is not None}
        return SessionState(tuple(self._documents), files, self._active, views, clean)


def _what_came_back(documents: int, changed: int) -> str:
    how_many = "The open workflow is" if documents == 1 else f"All {documents} open workflows are"
    unsaved = "" if not changed else f" {changed} of them had changes that were not saved." if documents > 1 else ""
    return f"Wirelight did not end properly last time. {how_many} back, up to the last edit.{unsaved}"


def _left_over(sessions: Path) -> list[tuple[Path, FileLock]]:
    """Folders of sessions that have ended, newest first, locked for us."""
    found = []
    folders = [path.parent for path in sessions.glob(f"*/{_LOCK}")]
    for folder in sorted(folders, key=lambda one: _age(one / _STATE)):
        lock = FileLock(folder / _LOCK)
        if lock.take():
            found.append((folder, lock))
    return found


def _new_folder(sessions: Path) -> tuple[Path, FileLock]:
    folder = sessions / os.urandom(8).hex()
    folder.mkdir(parents=True)
    lock = FileLock(folder / _LOCK)
    if not lock.take():
        raise WriteFailed(folder, "The folder of this window is used by another process.", mend="Start again.")
    return folder, lock


def _read_state(folder: Path) -> SessionState:
    """A state that cannot be read costs the order of the tabs, no document."""
    try:
        return decode(SessionState, json.loads((folder / _STATE).read_bytes()))
    except (OSError, ValueError, CodecError):
        return SessionState()


def _age(path: Path) -> float:
    """Smaller for newer files."""
    try:
        return -path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _room(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _prune(closed: Path) -> None:
    for journal in sorted(closed.glob(f"*{SUFFIX}"), key=_age)[_MOST_CLOSED:]:
        journal.unlink(missing_ok=True)
