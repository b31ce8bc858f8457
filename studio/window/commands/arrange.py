"""The Arrange menu."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from studio.graph.arrange import Edge, Sizes, align, distribute, tidy
from studio.graph.edits import AnyEdit, Batch, MoveNodes, SetNode

if TYPE_CHECKING:
    from studio.window.desk import Desk


class ArrangeCommands:
    """Where the selected nodes stand; tidying takes all nodes where none is selected."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def align_left(self) -> None:
        self._align(Edge.LEFT)

    def align_center(self) -> None:
        self._align(Edge.CENTER)

    def align_right(self) -> None:
        self._align(Edge.RIGHT)

    def align_top(self) -> None:
        self._align(Edge.TOP)

    def align_middle(self) -> None:
        self._align(Edge.MIDDLE)

    def align_bottom(self) -> None:
        self._align(Edge.BOTTOM)

    def distribute_across(self) -> None:
        scene = self._desk.scene
        self._move(distribute(scene.graph, scene.selected_nodes, self._sizes(), across=True))

    def distribute_down(self) -> None:
        scene = self._desk.scene
        self._move(distribute(scene.graph, scene.selected_nodes, self._sizes(), across=False))

    def tidy(self) -> None:
        scene = self._desk.scene
        self._move(tidy(scene.graph, scene.selected_nodes or tuple(scene.nodes), self._sizes()))

    def pin(self) -> None:
        scene = self._desk.scene
        nodes = {id: scene.graph.nodes[id] for id in scene.selected_nodes}
        pinned = not all(node.pinned for node in nodes.values())
        edits: list[AnyEdit] = [SetNode(id, replace(node, pinned=pinned)) for id, node in nodes.items()]
        if edits:
            self._desk.view.apply(Batch(tuple(edits), "Pin" if pinned else "Unpin"))

    def _align(self, edge: Edge) -> None:
        scene = self._desk.scene
        if len(scene.selected_nodes) > 1:
            self._move(align(scene.graph, scene.selected_nodes, self._sizes(), edge))

    def _sizes(self) -> Sizes:
        items = self._desk.scene.nodes
        return {id: (item.layout.width, item.layout.height) for id, item in items.items()}

    def _move(self, edit: MoveNodes) -> None:
        """As a step of its own, and none where nothing would move."""
        graph = self._desk.scene.graph
        moved = {id: place for id, place in edit.positions.items() if graph.nodes[id].position != place}
        if moved:
            self._desk.scene.history.seal()
            self._desk.view.apply(MoveNodes(moved))
            self._desk.scene.history.seal()
