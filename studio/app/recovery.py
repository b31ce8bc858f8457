"""A document back from its journal: exact, with the undo steps since the journal's snapshot. Steps from before that are not kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from studio.app.journal import JournaledHistory
from studio.app.records import FORMAT, Edited, How, Record, Retitled, Saved, Sealed, Started, from_line
from studio.app.stamp import Stamp
from studio.files.workflow_file import from_text
from studio.graph.edits import AnyEdit
from studio.graph.errors import CodecError, DocumentError, FileProblem
from studio.graph.history import History
from studio.graph.workflow import Workflow


@dataclass(slots=True)
class Recovered:
    """A document as its journal tells it. `edits` counts those since the last save; `damage` is empty where every line was read."""

    id: str
    workflow: Workflow
    history: JournaledHistory
    path: Path | None
    stamp: Stamp | None
    dirty: bool
    edits: int = 0
    damage: str = ""
    size: int = 0
    """Bytes up to the last whole line."""
    snapshot_size: int = 0


def read_journal(path: Path) -> Recovered:
    """Replay a journal up to its last whole line. Raises `FileProblem` where not even the snapshot can be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileProblem(path, f"The journal cannot be read: {error.strerror}.") from error
    lines = data.splitlines(keepends=True)
    try:
        first = from_line(lines[0]) if lines else None
    except CodecError as error:
        raise FileProblem(path, f"The journal's snapshot cannot be read. {error.what}") from error
    if not isinstance(first, Started) or first.format > FORMAT:
        raise FileProblem(path, "This is not a journal that this version reads.", mend="Open it with a later version.")
    workflow = from_text(first.workflow, str(path)).workflow
    origin = Path(first.path) if first.path else None
    found = Recovered(first.id, workflow, JournaledHistory(workflow.graph), origin, first.stamp, first.dirty)
    found.size = found.snapshot_size = len(lines[0])
    for number, line in enumerate(lines[1:], start=2):
        try:
            _replay(found, from_line(line))
        except (CodecError, DocumentError) as error:
            torn = number == len(lines) and not line.endswith(b"\n")
            found.damage = "" if torn else f"Line {number} of its journal cannot be used: {error.what}"
            break
        found.size += len(line)
    return found


def _replay(found: Recovered, record: Record) -> None:
    history = found.history
    match record:
        case Edited(edit, how):
            if not _travel(history, how, edit):
                history.apply(edit, merge=how is How.MERGED)
            found.dirty, found.edits = True, found.edits + 1
        case Sealed():
            history.seal()
        case Retitled(title, description):
            found.workflow = replace(found.workflow, title=title, description=description)
            found.dirty = True
        case Saved(path, stamp):
            found.path, found.stamp, found.dirty, found.edits = Path(path), stamp, False, 0
        case Started():
            raise CodecError("A second snapshot in one journal.")


def _travel(history: History, how: How, edit: AnyEdit) -> bool:
    """Undo or redo, where that is the edit that was written down; it is not for steps from before the snapshot."""
    if how is How.UNDONE:
        there, back = history.undo, history.redo
    elif how is How.REDONE:
        there, back = history.redo, history.undo
    else:
        return False
    done = there()
    if done is not None and done != edit:
        back()
    return done == edit
