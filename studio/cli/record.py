"""What is written down of a run of the command line, so that `resume` and `branch` find it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from studio.graph.errors import FileProblem
from studio.library.database import library
from studio.library.records import RecordState, RunRecords


class Record:
    """One run. Where the library's database cannot be written, the run goes on all the same, and the terminal says so once."""

    def __init__(self, run: str, title: str, workflow: str, wanted: Sequence[str], out: str) -> None:
        self._run = run
        self._records: RunRecords | None = None
        try:
            self._records = RunRecords(library())
            self._records.begin(run, title, workflow, wanted, out)
        except FileProblem as problem:
            self._give_up(problem)

    def note(self, state: RecordState, node: str = "", step: int = 0) -> None:
        """How the run stands from now on."""
        if self._records is not None:
            try:
                self._records.note(self._run, state, node, step)
            except FileProblem as problem:
                self._give_up(problem)

    def _give_up(self, problem: FileProblem) -> None:
        self._records = None
        print(f"wirelight: This run cannot be resumed later. {problem}", file=sys.stderr)
