"""The run queue: what artists asked for, kept until it is done, whatever happens to the program in between."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from studio.graph.errors import Misuse
from studio.library.database import Database, Row
from studio.library.lock import FileLock

_MOST_ENDED: Final = 200
"""Runs that are over and still listed; older ones are forgotten."""


class RunState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED: Final = (RunState.FINISHED, RunState.FAILED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """A run as it was asked for. `graph` is a text, `wanted` node ids; times in seconds since 1970. `message` says why it failed."""

    id: int
    graph: str
    wanted: tuple[str, ...]
    title: str
    state: RunState
    created: float
    started: float | None = None
    finished: float | None = None
    message: str = ""


class RunQueue:
    """The queue of one window, in the database that all windows share.

    A window sees and takes its own runs only. What a window left behind when it ended is taken over by `adopt`, which is called when a
    queue is opened: runs that were on wait again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owners = database.path.parent / "owners"
        self._owner = f"{os.getpid()}-{os.urandom(6).hex()}"
        self._alive = FileLock(self._lock_of(self._owner))
        self._alive.take()
        self.adopted = self.adopt()
        """How many runs were taken over at the start."""

    def close(self) -> None:
        """The window ends: others may take over what waits."""
        self._alive.release()
        self._alive.path.unlink(missing_ok=True)

    def put(self, graph: str, wanted: Sequence[str] = (), title: str = "") -> int:
        """Add a run at the end. Returns its id, unique for ever."""
        with self._database.changing() as connection:
            done = connection.execute(
                "INSERT INTO runs (place, owner, state, title, graph, wanted, created) "
                "VALUES ((SELECT coalesce(max(place), 0) + 1 FROM runs), ?, ?, ?, ?, ?, ?)",
                (self._owner, RunState.WAITING, title, graph, json.dumps(list(wanted)), time.time()),
            )
            return int(done.lastrowid or 0)

    def next(self) -> QueuedRun | None:
        """The first run that waits, which is running from now on. None where none waits."""
        with self._database.changing() as connection:
            row = connection.execute(
                "UPDATE runs SET state = ?, started = ? WHERE id = "
                "(SELECT id FROM runs WHERE owner = ? AND state = ? ORDER BY place LIMIT 1) RETURNING *",
                (RunState.RUNNING, time.time(), self._owner, RunState.WAITING),
            ).fetchone()
        return _run(row) if row is not None else None

    def running(self) -> tuple[QueuedRun, ...]:
        """Runs that were taken and are not over."""
        return self.list((RunState.RUNNING,))

    def list(self, states: Iterable[RunState] = (RunState.RUNNING, RunState.WAITING)) -> tuple[QueuedRun, ...]:
        """Runs of these states, in the order in which they run; those that are over in the order in which they ended."""
        wanted = tuple(states)
        marks = ", ".join("?" * len(wanted))
        rows = self._database.read(
            f"SELECT * FROM runs WHERE owner = ? AND state IN ({marks}) ORDER BY state = 'waiting', finished, place",
            self._owner,
            *wanted,
        )
        return tuple(_run(row) for row in rows)

    def finish(self, id: int, state: RunState, message: str = "") -> None:
        """A run is over. Raises `Misuse` where `state` does not end a run, or the run is not running here."""
        if state not in ENDED:
            raise Misuse(f"'{state}' does not end a run.")
        with self._database.changing() as connection:
            done = connection.execute(
                "UPDATE runs SET state = ?, finished = ?, message = ? WHERE id = ? AND owner = ? AND state = ?",
                (state, time.time(), message, id, self._owner, RunState.RUNNING),
            )
            if done.rowcount == 0:
                raise Misuse(f"Run {id} is not running here.")
            connection.execute(
                "DELETE FROM runs WHERE owner = ? AND finished IS NOT NULL AND id NOT IN "
                "(SELECT id FROM runs WHERE owner = ? AND finished IS NOT NULL ORDER BY finished DESC, id DESC LIMIT ?)",
                (self._owner, self._owner, _MOST_ENDED),
            )

    def put_back(self, id: int) -> None:
        """A running run waits again, before all others. Raises `Misuse` where it is not running here."""
        done = self._database.write(
            "UPDATE runs SET state = ?, started = NULL, place = (SELECT min(place) - 1 FROM runs) WHERE id = ? AND owner = ? AND state = ?",
            RunState.WAITING,
            id,
            self._owner,
            RunState.RUNNING,
        )
        if not done:
            raise Misuse(f"Run {id} is not running here.")

    def remove(self, id: int) -> bool:
        """Forget a run that waits or is over. False where there is none such here."""
        changed = self._database.write(
            "DELETE FROM runs WHERE id = ? AND owner = ? AND state <> ?", id, self._owner, RunState.RUNNING
        )
        return changed > 0

    def clear(self) -> int:
        """Forget all that wait. Returns how many."""
        return self._database.write("DELETE FROM runs WHERE owner = ? AND state = ?", self._owner, RunState.WAITING)

    def reorder(self, id: int, before: int | None = None) -> None:
        """Put a waiting run before another one, or to the end. Raises `Misuse` where one of them does not wait here."""
        with self._database.changing() as connection:
            rows = connection.execute(
                "SELECT id, place FROM runs WHERE owner = ? AND state = ? ORDER BY place",
                (self._owner, RunState.WAITING),
            ).fetchall()
            order = [row["id"] for row in rows]
            for one in (id, before):
                if one is not None and one not in order:
                    raise Misuse(f"Run {one} does not wait here.")
            if id == before:
                return
            order.remove(id)
            order.insert(len(order) if before is None else order.index(before), id)
            places = [row["place"] for row in rows]
            connection.executemany("UPDATE runs SET place = ? WHERE id = ?", list(zip(places, order, strict=True)))

    def adopt(self) -> int:
        """Take over the runs of windows that are gone; what was running waits again. Returns how many are to be run."""
        with self._database.changing() as connection:
            owners = [row["owner"] for row in connection.execute("SELECT DISTINCT owner FROM runs").fetchall()]
            gone = [owner for owner in owners if owner != self._owner and self._is_gone(owner)]
            adopted = 0
            for owner in gone:
                connection.execute(
                    "UPDATE runs SET state = ?, started = NULL WHERE owner = ? AND state = ?",
                    (RunState.WAITING, owner, RunState.RUNNING),
                )
                adopted += connection.execute(
                    "SELECT count(*) FROM runs WHERE owner = ? AND state = ?", (owner, RunState.WAITING)
                ).fetchone()[0]
                connection.execute("UPDATE runs SET owner = ? WHERE owner = ?", (self._owner, owner))
        for owner in gone:
            self._lock_of(owner).unlink(missing_ok=True)
        return adopted

    def _lock_of(self, owner: str) -> Path:
        return self._owners / f"{owner}.lock"

    def _is_gone(self, owner: str) -> bool:
        path = self._lock_of(owner)
        if not path.exists():
            return True
        lock = FileLock(path)
        free = lock.take()
        lock.release()
        return free


def _run(row: Row) -> QueuedRun:
    return QueuedRun(
        id=row["id"],
        graph=row["graph"],
        wanted=tuple(json.loads(row["wanted"])),
        title=row["title"],
        state=RunState(row["state"]),
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        message=row["message"],
    )
