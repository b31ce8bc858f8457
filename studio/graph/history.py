"""Undo and redo, over edits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from studio.graph.edits import AnyEdit
    from studio.graph.graph import Graph

MOST_STEPS: Final = 10_000
Listener: TypeAlias = "Callable[[Graph, AnyEdit], None]"
"""Called with the graph after a change, and the edit that led to it (for an undo, the edit that took it back)."""


class Revisable(Protocol):
    """A graph that is edited, and whose edits are taken back: a document's, or the inside of one of its subgraphs."""

    @property
    def graph(self) -> Graph: ...

    def listen(self, listener: Listener) -> Callable[[], None]: ...

    def apply(self, edit: AnyEdit, *, merge: bool = False) -> None: ...

    def seal(self) -> None: ...

    @property
    def can_undo(self) -> bool: ...

    @property
    def can_redo(self) -> bool: ...

    def undo(self) -> AnyEdit | None: ...

    def redo(self) -> AnyEdit | None: ...


@dataclass(slots=True)
class _Step:
    done: AnyEdit
    back: AnyEdit


class History:
    """A graph, the steps that led to it, and those taken back. Listeners hear every edit that was applied, undo and redo included."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._done: list[_Step] = []
        self._undone: list[_Step] = []
        self._open = False
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear every change from now on. Returns the call that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def apply(self, edit: AnyEdit, *, merge: bool = False) -> None:
        """Change the graph. With `merge`, an edit of the same drag as the last one becomes one step with it, until `seal`.

        Raises `DocumentError`, and then nothing has changed.
        """
        graph, back = edit.apply(self.graph)
        self._undone.clear()
        last = self._done[-1] if self._done and self._open and merge else None
        merged = edit.merge(last.done) if last is not None else None
        if last is not None and merged is not None:
            last.done = merged
        else:
            self._done.append(_Step(edit, back))
            del self._done[:-MOST_STEPS]
        self._open = merge
        self._tell(graph, edit)

    def seal(self) -> None:
        """End of a drag: the next edit is a step of its own."""
        self._open = False

    @property
    def can_undo(self) -> bool:
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        return bool(self._undone)

    def undo(self) -> AnyEdit | None:
        """Take the last step back. Returns the edit that did so, or None where there was nothing to undo."""
        return self._travel(self._done, self._undone)

    def redo(self) -> AnyEdit | None:
        """Do again what was last taken back. Returns the edit that did so, or None."""
        return self._travel(self._undone, self._done)

    def _travel(self, source: list[_Step], target: list[_Step]) -> AnyEdit | None:
        if not source:
            return None
        step = source.pop()
        edit = step.back if target is self._undone else step.done
        graph, opposite = edit.apply(self.graph)
        target.append(_Step(step.done, step.back) if target is self._undone else _Step(edit, opposite))
        self._open = False
        self._tell(graph, edit)
        return edit

    def _tell(self, graph: Graph, edit: AnyEdit) -> None:
        self.graph = graph
        for listener in tuple(self._listeners):
            listener(graph, edit)
