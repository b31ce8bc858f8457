"""The Edit menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QApplication

from studio.app.clipboard import copy
from studio.graph.edits import AnyEdit, Batch, RemoveNodes, SetFrame, SetNote
from studio.window.canvas.scene import Key

if TYPE_CHECKING:
    from studio.window.desk import Desk


class EditCommands:
    """Undo, the clipboard, and selecting."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def undo(self) -> None:
        self._desk.editing.close()
        self._desk.scene.history.undo()

    def redo(self) -> None:
        self._desk.editing.close()
        self._desk.scene.history.redo()

    def cut(self) -> None:
        self.copy()
        self.delete()

    def copy(self) -> None:
        scene = self._desk.scene
        text = copy(scene.graph, scene.selected_nodes, scene.selected_frames, scene.selected_notes)
        QApplication.clipboard().setText(text)

    def paste(self) -> None:
        self._desk.paste(QApplication.clipboard().text(), self._desk.paste_place())

    def paste_connected(self) -> None:
        self._desk.paste(QApplication.clipboard().text(), self._desk.paste_place(), connected=True)

    def duplicate(self) -> None:
        scene = self._desk.scene
        text = copy(scene.graph, scene.selected_nodes, scene.selected_frames, scene.selected_notes)
        self._desk.paste(text, None)

    def delete(self) -> None:
        scene = self._desk.scene
        edits: list[AnyEdit] = []
        if scene.selected_nodes:
            edits.append(RemoveNodes(scene.selected_nodes))
        edits.extend(SetFrame(id, None) for id in scene.selected_frames)
        edits.extend(SetNote(id, None) for id in scene.selected_notes)
        if edits:
            self._desk.view.apply(edits[0] if len(edits) == 1 else Batch(tuple(edits), "Delete"))

    def select_all(self) -> None:
        scene = self._desk.scene
        everything: set[Key] = {("node", id) for id in scene.nodes}
        everything |= {("frame", id) for id in scene.frames} | {("note", id) for id in scene.notes}
        scene.select(everything)

    def select_none(self) -> None:
        self._desk.scene.select(())
