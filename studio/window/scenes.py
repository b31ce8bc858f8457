"""The scenes of all documents that were looked at, and of the subgraphs in them that were entered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from studio.graph.graph import Graph, NodeId, SubgraphId, subgraph_of
from studio.graph.spec import Catalog
from studio.window.canvas.scene import CanvasScene
from studio.window.theme import Theme

if TYPE_CHECKING:
    from studio.app.document import Document
    from studio.graph.inner_history import InnerHistory

Path: TypeAlias = tuple[NodeId, ...]
"""The instances that were entered, the outermost first; empty for the document itself."""


class Scenes:
    """`changed` is called whenever one of them shows something else, or something else is selected."""

    def __init__(self, catalog: Catalog | None, theme: Theme, changed: Callable[[], None]) -> None:
        self.catalog = catalog or Catalog.of(())
        self.loading = catalog is None
        """The catalog has not come yet."""
        self._theme = theme
        self._changed = changed
        self._held: dict[tuple[str, Path], CanvasScene] = {}
        self._inner: dict[tuple[str, Path], InnerHistory] = {}

    def __iter__(self) -> Iterator[CanvasScene]:
        return iter(self._held.values())

    def held(self, document: str, path: Path = ()) -> CanvasScene | None:
        """A scene that was looked at before."""
        return self._held.get((document, path))

    def of(self, document: Document, path: Path = ()) -> CanvasScene:
        """The scene of a document or of what lies behind a path, made where it was not looked at before."""
        key = (document.id, path)
        scene = self._held.get(key)
        if scene is not None and path and self._inner[key].id != definition_at(document.graph, path):
            self._close(key)
            scene = None
        if scene is None:
            scene = self._held[key] = self._inside(document, path) if path else self._made(document)
            scene.selection_changed.connect(self._changed)
            scene.content_changed.connect(self._changed)
        return scene

    def forget(self, document: str) -> None:
        """A document was closed."""
        for key in [one for one in self._held if one[0] == document]:
            self._close(key)

    def show_catalog(self, catalog: Catalog) -> None:
        """Other node types are on offer."""
        self.loading = False
        self.catalog = catalog
        for key, scene in self._held.items():
            inner = self._inner.get(key)
            if inner is not None:
                inner.show_catalog(catalog)
            scene.show_catalog(catalog if inner is None else inner.catalog)

    def show_theme(self, theme: Theme) -> None:
        """Other colours."""
        self._theme = theme
        for scene in self._held.values():
            scene.show_theme(theme)

    def _made(self, document: Document) -> CanvasScene:
        return CanvasScene(document.history, self.catalog, self._theme, loading=self.loading)

    def _inside(self, document: Document, path: Path) -> CanvasScene:
        from studio.graph.inner_history import InnerHistory  # not before the first frame
        from studio.graph.inside import INPUTS, OUTPUTS

        id = definition_at(document.graph, path)
        assert id is not None, "checked by whoever enters"
        inner = self._inner[document.id, path] = InnerHistory(document.history, id, self.catalog)
        scene = CanvasScene(inner, inner.catalog, self._theme, loading=self.loading)

        def renew(graph: Graph, edit: object) -> None:
            """With other ports the two nodes at the ends have other sockets."""
            if any(scene.catalog.get(type) != inner.catalog.get(type) for type in (INPUTS, OUTPUTS)):
                scene.show_catalog(inner.catalog)

        inner.listen(renew)
        return scene

    def _close(self, key: tuple[str, Path]) -> None:
        scene = self._held.pop(key)
        scene.close()
        scene.deleteLater()
        inner = self._inner.pop(key, None)
        if inner is not None:
            inner.close()


def definition_at(graph: Graph, path: Path) -> SubgraphId | None:
    """The subgraph whose instance lies at a path; None where there is none, or none any more."""
    found: SubgraphId | None = None
    held = graph
    for id in path:
        node = held.nodes.get(id)
        found = subgraph_of(node.type) if node is not None else None
        definition = graph.subgraphs.get(found) if found is not None else None
        if definition is None:
            return None
        held = definition.graph
    return found
