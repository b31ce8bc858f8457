"""The history of a document, as seen from inside one of its subgraphs."""

from __future__ import annotations

from collections.abc import Callable

from studio.graph.diff import diff
from studio.graph.edits import AnyEdit, Batch, InSubgraph, SetSubgraph
from studio.graph.graph import Graph, SubgraphId
from studio.graph.history import Listener, Revisable
from studio.graph.inside import Inside, inside, outward
from studio.graph.spec import Catalog


class InnerHistory:
    """Edits go out to the document, and its changes come in as edits of the inside. Undo and redo are the document's own.

    While the definition is gone (an undo may take it away) the inside stays as it last was, and `gone` is true. It follows the document
    until `close`.
    """

    def __init__(self, outer: Revisable, id: SubgraphId, catalog: Catalog) -> None:
        self.id = id
        self.gone = False
        self._outer = outer
        self._base = catalog
        self._inside: Inside = inside(outer.graph, id, catalog)
        self._definition = outer.graph.subgraphs[id]
        self._listeners: list[Listener] = []
        self._stop = outer.listen(self._follow)

    def close(self) -> None:
        """Follow the document no longer."""
        self._stop()

    @property
    def graph(self) -> Graph:
        return self._inside.graph

    @property
    def catalog(self) -> Catalog:
        """All node types, with those of the two nodes at the ends as the ports are now."""
        return self._inside.catalog

    def show_catalog(self, catalog: Catalog) -> None:
        """Other node types are on offer."""
        self._base = catalog
        if not self.gone:
            self._inside = inside(self._outer.graph, self.id, catalog)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear every change of the inside from now on. Returns the call that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _follow(self, graph: Graph, edit: AnyEdit) -> None:
        change = self._change(graph, edit)
        if change is not None:
            for listener in tuple(self._listeners):
                listener(self.graph, change)

    def apply(self, edit: AnyEdit, *, merge: bool = False) -> None:
        """Change the inside, and so the document. Raises `DocumentError`, and then nothing has changed."""
        self._outer.apply(outward(self._outer.graph, self.id, edit), merge=merge)

    def seal(self) -> None:
        self._outer.seal()

    @property
    def can_undo(self) -> bool:
        return self._outer.can_undo

    @property
    def can_redo(self) -> bool:
        return self._outer.can_redo

    def undo(self) -> AnyEdit | None:
        return self._outer.undo()

    def redo(self) -> AnyEdit | None:
        return self._outer.redo()

    def _change(self, graph: Graph, edit: AnyEdit) -> AnyEdit | None:
        """What a change of the document is to the inside; None where it is nothing."""
        definition = graph.subgraphs.get(self.id)
        self.gone = definition is None
        if definition is None:
            return None
        before = self._inside.graph
        if definition is self._definition:
            others = _of_subgraphs(edit)
            if not others:
                return None
            self._inside = inside(graph, self.id, self._base)
            return Batch(tuple(others))
        self._definition = definition
        self._inside = inside(graph, self.id, self._base)
        return diff(before, self._inside.graph)


def _of_subgraphs(edit: AnyEdit) -> list[AnyEdit]:
    match edit:
        case SetSubgraph() | InSubgraph():
            return [edit]
        case Batch(edits):
            return [part for one in edits for part in _of_subgraphs(one)]
        case _:
            return []
