"""An open document: a workflow, its history, the file behind it, and whether the two agree."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from studio.app.journal import JournaledHistory
from studio.app.stamp import Stamp, stamp_of
from studio.files.workflow_file import read_workflow, to_text, write_workflow
from studio.graph.errors import ChangedOnDisk, Misuse
from studio.graph.graph import Graph
from studio.graph.workflow import Workflow

if TYPE_CHECKING:
    from studio.app.records import Started
    from studio.app.recovery import Recovered
    from studio.files.import_report import ImportReport
    from studio.graph.edits import AnyEdit
    from studio.graph.spec import Catalog

UNTITLED: Final = "Untitled"


class Document:
    """What one tab of the window shows. Every change of the graph goes through `history` (or `apply`), and so into the journal."""

    def __init__(self, workflow: Workflow | None = None, *, path: Path | None = None, id: str = "") -> None:
        workflow = workflow if workflow is not None else Workflow()
        self.id = id or os.urandom(8).hex()
        self.history = JournaledHistory(workflow.graph)
        self.path = path
        self.view = workflow.view
        self.warnings: tuple[str, ...] = ()
        self.report: ImportReport | None = None
        self.stamp: Stamp | None = stamp_of(path) if path is not None else None
        self._workflow = workflow
        self._saved: Workflow | None = workflow
        self._compared: tuple[Graph, bool] | None = None

    @classmethod
    def open(cls, path: Path, id: str = "") -> Document:
        """The document of a workflow file, or of a picture that carries one. Raises `WorkflowUnreadable`.

        Only a file of ours becomes the document's own: what another program wrote is never overwritten.
        """
        path = path.absolute()
        stamp = stamp_of(path)
        opened = read_workflow(path)
        own = opened.report is None and path.suffix.lower() == ".json"
        document = cls(opened.workflow, path=path if own else None, id=id)
        document.stamp = stamp
        document.warnings = opened.warnings
        document.report = opened.report
        if document.path is None and not opened.workflow.title:
            document._workflow = replace(opened.workflow, title=path.stem)
        return document

    @classmethod
    def of(cls, found: Recovered) -> Document:
        """The document that a journal tells of, with the undo steps since the journal's snapshot."""
        document = cls(found.workflow, path=None, id=found.id)
        document.history = found.history
        document.path, document.stamp = found.path, found.stamp
        document._saved = None if found.dirty else document.workflow
        return document

    @property
    def graph(self) -> Graph:
        return self.history.graph

    @property
    def workflow(self) -> Workflow:
        """The document as a value: graph, title, description, view."""
        return replace(self._workflow, graph=self.history.graph, view=self.view)

    @property
    def title(self) -> str:
        """What to call it: its own title, else the file's name."""
        return self._workflow.title or (self.path.stem if self.path else UNTITLED)

    @property
    def dirty(self) -> bool:
        """Whether the document differs from its file. One that has no file differs once it was changed."""
        saved, now = self._saved, self._workflow
        if saved is None or (saved.title, saved.description) != (now.title, now.description):
            return True
        graph = self.history.graph
        if graph is saved.graph:
            return False
        if self._compared is None or self._compared[0] is not graph:
            self._compared = (graph, graph != saved.graph)
        return self._compared[1]

    def apply(self, edit: AnyEdit, *, merge: bool = False) -> None:
        """Change the graph. Raises `DocumentError` or `CodecError`, and then nothing has changed."""
        self.history.apply(edit, merge=merge)

    def bring_forward(self, catalog: Catalog) -> tuple[str, ...]:
        """Bring nodes that were saved for earlier versions of their types to those of the catalog, as one step of the history.

        A sentence for every node that changed, or that is from a later version than the catalog's.
        """
        from studio.files.node_migrations import migrate_nodes
        from studio.graph.diff import diff

        graph, notes = migrate_nodes(self.graph, catalog)
        if graph is not self.graph:
            self.apply(diff(self.graph, graph))
        return notes

    def retitle(self, title: str, description: str | None = None) -> None:
        """Give the document a title of its own, and a description. Not a step of the history."""
        from studio.app.records import Retitled, to_line

        description = self._workflow.description if description is None else description
        self._workflow = replace(self._workflow, title=title, description=description)
        self._tell_journal(to_line(Retitled(title, description)))

    def save(self, path: Path | None = None, *, overwrite: bool = False) -> None:
        """Write the document to its file, or to another one, which is its file from then on.

        Raises `WriteFailed`, and `ChangedOnDisk` where somebody else wrote the file since it was opened; `overwrite` writes all the same.
        """
        chosen = path or self.path
        if chosen is None:
            raise Misuse("The document has no file yet.", where=self.title, mend="Choose a name for it.")
        target = chosen.absolute()
        if target == self.path and not overwrite and stamp_of(target) not in (self.stamp, None):
            raise ChangedOnDisk(target)
        write_workflow(self.workflow, target)
        self.path = target
        self.mark_saved(stamp_of(target))

    def listen_to(self, listener: Callable[[Graph, AnyEdit], None]) -> Callable[[], None]:
        """Hear every change of the graph. Returns the call that ends it."""
        return self.history.listen(listener)

    def mark_saved(self, stamp: Stamp | None) -> None:
        """The file of that stamp holds the document as it is."""
        from studio.app.records import Saved, to_line

        self.stamp = stamp
        self._saved, self._compared = self.workflow, None
        if self.path is not None and stamp is not None:
            self._tell_journal(to_line(Saved(str(self.path), stamp)))

    def mark_unsaved(self) -> None:
        """No file holds the document as it is."""
        self.stamp, self._saved = None, None

    def freeze(self) -> Callable[[], Started]:
        """A call that makes the journal's snapshot of the document as it is now; it may run on another thread."""
        workflow, id, path, stamp, dirty = self.workflow, self.id, self.path, self.stamp, self.dirty

        def snapshot() -> Started:
            from studio.app.records import FORMAT, Started

            return Started(FORMAT, id, to_text(workflow), str(path) if path else "", stamp, dirty)

        return snapshot

    def _tell_journal(self, line: bytes) -> None:
        if self.history.sink is not None:
            self.history.sink(line)
