"""Subgraphs: made, entered, left, taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QInputDialog

from studio.graph.errors import WirelightError
from studio.graph.inside import is_end
from studio.graph.subgraphs import make_subgraph, separate_instance, unpack_subgraph

if TYPE_CHECKING:
    from studio.window.desk import Desk

_TITLE = "Subgraph"


class SubgraphCommands:
    """What they do to a graph is told by `studio.graph.subgraphs`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def make_subgraph(self) -> None:
        """Ask for a title, and put the selected nodes, frames and notes into a subgraph."""
        dialog = QInputDialog(self._desk.window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Make subgraph")
        dialog.setLabelText("Title:")
        dialog.setTextValue(_TITLE)
        dialog.textValueSelected.connect(self._make)
        dialog.open()

    def _make(self, title: str) -> None:
        desk, scene = self._desk, self._desk.scene
        nodes = [id for id in scene.selected_nodes if not is_end(scene.graph.nodes[id])]
        try:
            made = make_subgraph(
                scene.graph, nodes, title.strip() or _TITLE, scene.selected_frames, scene.selected_notes
            )
        except WirelightError as error:
            desk.complain(error)
            return
        if desk.view.apply(made.edit):
            scene.select({("node", made.instance)})

    def unpack_subgraph(self) -> None:
        desk, scene = self._desk, self._desk.scene
        for id in scene.selected_nodes[:1]:
            unpacked = unpack_subgraph(scene.graph, id, desk.document.graph)
            if desk.view.apply(unpacked.edit):
                scene.select({("node", one) for one in unpacked.nodes})

    def separate_subgraph(self) -> None:
        scene = self._desk.scene
        for id in scene.selected_nodes[:1]:
            self._desk.view.apply(separate_instance(scene.graph, id))

    def enter_subgraph(self) -> None:
        for id in self._desk.scene.selected_nodes[:1]:
            self._desk.window.enter((*self._desk.window.path, id))

    def leave_subgraph(self) -> None:
        """Look at what holds the subgraph, which is selected there."""
        window = self._desk.window
        if window.path:
            *path, instance = window.path
            window.enter(tuple(path))
            window.scene.select({("node", instance)})
