"""What rebuilds a graph around its wires: heal, extract, change type, follow links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QCursor

from studio.app.clipboard import copy
from studio.app.search import Match
from studio.graph.edits import AnyEdit, Batch
from studio.graph.graph import Socket
from studio.graph.rewire import extract, heal, swap_inputs, swap_type

if TYPE_CHECKING:
    from studio.window.desk import Desk


class BuildCommands:
    """Each is one step of the history."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def delete_and_heal(self) -> None:
        scene = self._desk.scene
        if scene.selected_nodes:
            self._desk.view.apply(heal(scene.graph, scene.catalog, scene.selected_nodes))

    def extract(self) -> None:
        scene = self._desk.scene
        if scene.selected_nodes:
            self._desk.view.apply(extract(scene.graph, scene.catalog, scene.selected_nodes))

    def duplicate_connected(self) -> None:
        scene = self._desk.scene
        text = copy(scene.graph, scene.selected_nodes, scene.selected_frames, scene.selected_notes)
        self._desk.paste(text, None, connected=True)

    def change_type(self) -> None:
        """Search for what the selected nodes become."""
        desk, scene = self._desk, self._desk.scene
        nodes = scene.selected_nodes
        if not nodes:
            return

        def take(match: Match) -> None:
            edits: list[AnyEdit] = []
            graph = scene.graph
            for id in nodes:
                if id in graph.nodes:
                    edits.append(swap_type(graph, scene.catalog, id, match.spec))
                    graph, _ = edits[-1].apply(graph)
            desk.view.apply(Batch(tuple(edits), "Change type"))

        desk.search_node("Change into", QCursor.pos(), take)

    def swap_inputs(self) -> None:
        """The first two linked inputs of the node change places; of one linked, it goes to the next that takes the same."""
        scene = self._desk.scene
        for id in scene.selected_nodes[:1]:
            spec = scene.spec(id)
            if spec is None:
                return
            linked = [one for one in spec.inputs if one.name in scene.wiring.fed(id)]
            first = linked[0] if linked else None
            second = next(
                (one for one in (*linked[1:], *spec.inputs) if first and one is not first and one.type == first.type),
                None,
            )
            if first is not None and second is not None:
                self._desk.view.apply(swap_inputs(scene.graph, Socket(id, first.name), Socket(id, second.name)))

    def select_upstream(self) -> None:
        self._select(upstream=True)

    def select_downstream(self) -> None:
        self._select(upstream=False)

    def _select(self, *, upstream: bool) -> None:
        scene = self._desk.scene
        reached = scene.wiring.reachable(scene.selected_nodes, upstream=upstream)
        scene.select({*scene.selected, *(("node", id) for id in reached)})
