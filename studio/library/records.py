"""Runs of the command line, so that another process can go on with them: what was run, how far it came."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from studio.graph.errors import Misuse
from studio.library.database import Database, Row

_MOST: Final = 500
"""Runs that are remembered; older ones are forgotten."""


class RecordState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BROKEN_OFF = "broken off"
    """Its process is gone without a word. It is never written down: a run that says it is running, and is not, was."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run. `workflow` is the text of its file, `out` the folder for outputs (empty: the library's own); times in seconds since 1970.

    `node` and `step` are where it was paused last, "" and 0 where it was not.
    """

    run: str
    title: str
    workflow: str
    wanted: tuple[str, ...]
    out: str
    state: RecordState
    node: str
    step: int
    created: float
    changed: float


class RunRecords:
    """All of this user's runs of the command line, in the library's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, run: str, title: str, workflow: str, wanted: Sequence[str], out: str) -> None:
        """This process begins a run, or goes on with it."""
        now = time.time()
        with self._database.changing() as connection:
            connection.execute(
                "INSERT INTO commands (run, title, workflow, wanted, out, state, process, created, changed) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run) DO UPDATE SET "
                "out = excluded.out, state = excluded.state, process = excluded.process, changed = excluded.changed",
                (run, title, workflow, json.dumps(list(wanted)), out, RecordState.RUNNING, os.getpid(), now, now),
            )
            connection.execute(
                "DELETE FROM commands WHERE run NOT IN (SELECT run FROM commands ORDER BY changed DESC LIMIT ?)",
                (_MOST,),
            )

    def note(self, run: str, state: RecordState, node: str = "", step: int = 0) -> None:
        """How a run stands from now on."""
        self._database.write(
            "UPDATE commands SET state = ?, node = ?, step = ?, changed = ? WHERE run = ?",
            state,
            node,
            step,
            time.time(),
            run,
        )

    def find(self, run: str) -> RunRecord:
        """The run of that name, or of the only name that begins so. Raises `Misuse`."""
        rows = self._database.read(
            "SELECT * FROM commands WHERE run = ? OR substr(run, 1, ?) = ? ORDER BY run = ? DESC LIMIT 3",
            run,
            len(run),
            run,
            run,
        )
        if rows and rows[0]["run"] == run:
            return _record(rows[0])
        if not rows or not run:
            raise Misuse(f"There is no run '{run}'.", mend="`wirelight runs` lists them.")
        if len(rows) > 1:
            raise Misuse(f"Several runs begin with '{run}'.", mend="Write more of its name.")
        return _record(rows[0])

    def list(self) -> tuple[RunRecord, ...]:
        """All, the latest first."""
        return tuple(map(_record, self._database.read("SELECT * FROM commands ORDER BY changed DESC")))


def _record(row: Row) -> RunRecord:
    state = RecordState(row["state"])
    if state is RecordState.RUNNING and not _is_alive(row["process"]):
        state = RecordState.BROKEN_OFF
    return RunRecord(
        run=row["run"],
        title=row["title"],
        workflow=row["workflow"],
        wanted=tuple(json.loads(row["wanted"])),
        out=row["out"],
        state=state,
        node=row["node"],
        step=row["step"],
        created=row["created"],
        changed=row["changed"],
    )


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return False  # this one has just begun, so that one is gone
    with suppress(ProcessLookupError, OverflowError):
        try:
            os.kill(process, 0)
        except PermissionError:
            pass  # somebody else's now
        else:
            return True
    return False
