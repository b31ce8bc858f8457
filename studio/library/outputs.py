"""What was written: every picture, sound and film with the run, node and seed that made it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from studio.graph.errors import FileProblem
from studio.graph.graph import Value, empty
from studio.library.database import Database, Row


class Presence(StrEnum):
    """What became of an output's file since it was recorded."""

    THERE = "there"
    CHANGED = "changed"
    """Another program wrote it: it may no longer be what the run made."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a run wrote. `media` is `image`, `audio`, `video` ...; `created` in seconds since 1970, 0 for now."""

    path: Path
    media: str = "image"
    run: str = ""
    workflow: str = ""
    """Title or path of the workflow."""
    node: str = ""
    seed: int | None = None
    created: float = 0.0
    extra: Mapping[str, Value] = field(default_factory=empty)
    id: int = 0
    """Set by the record; later outputs have greater ones."""
    presence: Presence = Presence.THERE


class Outputs:
    """The record of outputs, in the library's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, output: Output) -> Output:
        """Record a file that is complete; one of the same path is replaced. Returns it with its id and time.

        Raises `FileProblem` where the file is not there.
        """
        path = output.path.absolute()
        try:
            about = path.stat()
        except OSError as error:
            raise FileProblem(path, f"The output is not there: {error.strerror}.") from error
        created = output.created or time.time()
        with self._database.changing() as connection:
            connection.execute("DELETE FROM outputs WHERE path = ?", (os.fsencode(path),))
            done = connection.execute(
                "INSERT INTO outputs (path, media, created, run, workflow, node, seed, size, mtime_ns, extra) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    os.fsencode(path),
                    output.media,
                    created,
                    output.run,
                    output.workflow,
                    output.node,
                    None if output.seed is None else str(output.seed),
                    about.st_size,
                    about.st_mtime_ns,
                    json.dumps(dict(output.extra)),
                ),
            )
        return replace(output, path=path, created=created, id=int(done.lastrowid or 0), presence=Presence.THERE)

    def newest(self, most: int = 100, before: int | None = None, *, gone: bool = False) -> tuple[Output, ...]:
        """The latest outputs first, at most so many, of ids below `before` where that is given. Files that are gone only with `gone`."""
        found: list[Output] = []
        while len(found) < most:
            rows = self._database.read(
                "SELECT * FROM outputs WHERE (? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?", before, before, most
            )
            seen = [_output(row) for row in rows]
            found += [one for one in seen if gone or one.presence is not Presence.GONE]
            if len(rows) < most:
                break
            before = seen[-1].id
        return tuple(found[:most])

    def of_run(self, run: str) -> tuple[Output, ...]:
        """What a run wrote, in the order of writing, files that are gone included."""
        return tuple(
            _output(row) for row in self._database.read("SELECT * FROM outputs WHERE run = ? ORDER BY id", run)
        )

    def at(self, path: Path) -> Output | None:
        """The record of a file, or None."""
        rows = self._database.read("SELECT * FROM outputs WHERE path = ?", os.fsencode(path.absolute()))
        return _output(rows[0]) if rows else None

    def forget(self, ids: Iterable[int]) -> None:
        """Take records out. Files stay."""
        with self._database.changing() as connection:
            connection.executemany("DELETE FROM outputs WHERE id = ?", [(id,) for id in ids])


def _output(row: Row) -> Output:
    return Output(
        path=Path(os.fsdecode(row["path"])),
        media=row["media"],
        run=row["run"],
        workflow=row["workflow"],
        node=row["node"],
        seed=None if row["seed"] is None else int(row["seed"]),
        created=row["created"],
        extra=json.loads(row["extra"]),
        id=row["id"],
        presence=_presence(row),
    )


def _presence(row: Row) -> Presence:
    try:
        about = Path(os.fsdecode(row["path"])).stat()
    except OSError:
        return Presence.GONE
    same = (about.st_size, about.st_mtime_ns) == (row["size"], row["mtime_ns"])
    return Presence.THERE if same else Presence.CHANGED
