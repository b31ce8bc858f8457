"""The library's SQLite database: one file, several processes at once, rebuilt where it is damaged."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from studio.files.atomic import write_failed
from studio.graph.errors import FileProblem, WriteFailed
from studio.library.lock import FileLock
from studio.library.places import places

Row: TypeAlias = sqlite3.Row

MIGRATIONS: Final = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        place INTEGER NOT NULL,
        owner TEXT NOT NULL,
        state TEXT NOT NULL,
        title TEXT NOT NULL,
        graph TEXT NOT NULL,
        wanted TEXT NOT NULL,
        created REAL NOT NULL,
        started REAL,
        finished REAL,
        message TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX runs_in_order ON runs (state, place);
    CREATE TABLE outputs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        path BLOB NOT NULL UNIQUE,
        media TEXT NOT NULL,
        created REAL NOT NULL,
        run TEXT NOT NULL,
        workflow TEXT NOT NULL,
        node TEXT NOT NULL,
        seed TEXT,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        extra TEXT NOT NULL DEFAULT '{}'
    );
    CREATE INDEX outputs_by_time ON outputs (created, id);
    CREATE TABLE hashes (
        path BLOB PRIMARY KEY,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        sha256 TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE commands (
        run TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        workflow TEXT NOT NULL,
        wanted TEXT NOT NULL,
        out TEXT NOT NULL,
        state TEXT NOT NULL,
        node TEXT NOT NULL DEFAULT '',
        step INTEGER NOT NULL DEFAULT 0,
        process INTEGER NOT NULL,
        created REAL NOT NULL,
        changed REAL NOT NULL
    );
    CREATE INDEX commands_by_time ON commands (changed);
    """,
)
"""The script at index n takes the schema from version n to n + 1."""
_WAIT: Final = 10.0
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Database:
    """An open library database. One per process is enough: it may be used from several threads.

    `warning` is a sentence where the file was damaged and had to be begun anew, else empty.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it, brought to the current schema. Raises `FileProblem` where that cannot be."""
        self.path = path
        self.warning = ""
        self._lock = threading.RLock()
        with FileLock(path.with_name(f"{path.name}.lock")):
            try:
                self._connection = _opened(path)
            except sqlite3.DatabaseError as error:
                if _code(error) not in _DAMAGED:
                    raise _problem(path, error) from error
                self.warning = _set_aside(path)
                self._connection = _opened(path)

    def close(self) -> None:
        """Close the file. Nothing may be asked afterwards."""
        with self._lock:
            self._connection.close()

    def read(self, query: str, *values: Any) -> list[Row]:  # noqa: ANN401 - what SQLite takes
        """All rows of a query."""
        with self._lock, self._translated():
            return self._connection.execute(query, values).fetchall()

    def write(self, statement: str, *values: Any) -> int:  # noqa: ANN401 - what SQLite takes
        """One change. Returns the id of a row that it made, or else how many it changed. Raises `FileProblem`."""
        with self.changing() as connection:
            done = connection.execute(statement, values)
            return done.lastrowid or 0 if statement.lstrip().upper().startswith("INSERT") else done.rowcount

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Several changes, all or none. No other process or thread writes meanwhile. Raises `FileProblem`."""
        with self._lock, self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.rollback()
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _problem(self.path, error) from error


_open: dict[Path, Database] = {}
_opening: Final = threading.Lock()


def library() -> Database:
    """The database of this user's library, opened once in a process. Raises `FileProblem`."""
    path = places().data / "library.db"
    with _opening:
        if path not in _open:
            _open[path] = Database(path)
        return _open[path]


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _check(connection)
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        error = sqlite3.DatabaseError(found)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise FileProblem(
            path,
            f"A later Wirelight made this database (version {version}; this one knows {len(MIGRATIONS)}).",
            mend="Update Wirelight.",
        )
    for at in range(version, len(MIGRATIONS)):
        connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[at]}; PRAGMA user_version = {at + 1}; COMMIT;")


def _set_aside(path: Path) -> str:
    """Rename the damaged file and what belongs to it. Returns the sentence for the artist."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    kept, count = path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}"), 1
    while kept.exists():
        count += 1
        kept = path.with_name(f"{path.stem}.damaged-{stamp}-{count}{path.suffix}")
    try:
        path.replace(kept)
        for tail in ("-wal", "-shm"):
            side = path.with_name(path.name + tail)
            if side.exists():
                side.replace(kept.with_name(kept.name + tail))
    except OSError as error:
        raise write_failed(path, error) from error
    return (
        f"The library's database was damaged and has been begun anew: the run queue and the list of outputs are empty. "
        f"Workflows, pictures and models are untouched. The damaged file is kept as {kept}."
    )


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 for an error of Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _problem(path: Path, error: sqlite3.Error) -> FileProblem:
    code = _code(error)
    if code == sqlite3.SQLITE_FULL:
        return WriteFailed(path, "There is no space left on the disk.", mend="Free some space.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return WriteFailed(
            path, "The library's database cannot be written.", mend="Look at the permissions of its folder."
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return FileProblem(path, "Another program holds the library's database.", mend="Close it, and try again.")
    if code in _DAMAGED:
        return FileProblem(
            path, "The library's database is damaged.", mend="Start Wirelight again: it begins a new one."
        )
    return FileProblem(path, f"The library's database cannot be used: {error}.")
