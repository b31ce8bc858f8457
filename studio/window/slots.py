"""The numbered slots of the viewer: which result stands behind each, fetched from the worker and fetched anew after a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

from studio.graph.graph import NodeId
from studio.protocol.messages import Fetched
from studio.window.panels.viewer import Slot

if TYPE_CHECKING:
    from studio.window.desk import Desk
    from studio.window.progress import Progress


class Slots:
    """Those of one desk. The worker keeps the results of the last run only; of another document's node there is nothing to fetch."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asked: dict[int, int] = {}
        desk.viewer.wanted.connect(self._fetch)

    def connect_worker(self, progress: Progress) -> None:
        """There is somebody to ask."""
        progress.fetched.connect(self._show_fetched)

    def refresh(self, document: str) -> None:
        """A run of this document has ended."""
        for number, slot in list(self._desk.viewer.slots.items()):
            if slot.document == document:
                self._fetch(number)

    def press(self, number: int) -> None:
        """A number was pressed: keep the selected node's result under it, or look at what is there."""
        chosen = self._desk.scene.selected_nodes
        if chosen:
            self.put(chosen[0], number)
        else:
            self._desk.viewer.show_slot(number)

    def put(self, node: NodeId, number: int) -> None:
        """Keep a node's result under a number: its first picture, else its first output, else what it is fed."""
        spec = self._desk.scene.spec(node)
        if spec is None:
            return
        path_to = self._desk.path_to
        source = Slot(self._desk.document.id, path_to(node), "", self._desk.scene.nodes[node].title)
        pictorial = [one.name for one in spec.outputs if one.type.name in ("Image", "Mask", "Video", "Latent")]
        if pictorial or spec.outputs:
            source.output = pictorial[0] if pictorial else spec.outputs[0].name
        else:
            feeding = next(
                (out for one in spec.inputs if (out := self._desk.scene.wiring.fed(node).get(one.name)) is not None),
                None,
            )
            if feeding is None:
                return
            source.node, source.output = path_to(feeding.node), feeding.name
        self._desk.window.docks["viewer"].show()
        self._desk.viewer.put(number, source)

    def _fetch(self, number: int) -> None:
        slot = self._desk.viewer.slots.get(number)
        if slot is None:
            return
        last = self._desk.progress.last_document if self._desk.progress is not None else ""
        if self._desk.supervisor is None or last not in ("", slot.document):
            slot.image, slot.text = None, f"Run the workflow again to see '{slot.title}'."
            self._desk.viewer.fill(number, slot)
            return
        self._asked[self._desk.supervisor.fetch(slot.node, slot.output, slot.index)] = number

    def _show_fetched(self, request: int, answer: Fetched, image: object) -> None:
        number = self._asked.pop(request, None)
        slot = self._desk.viewer.slots.get(number) if number is not None else None
        if number is None or slot is None or slot.node != answer.node:
            return
        slot.image = image if isinstance(image, QImage) else None
        slot.text = answer.text or f"'{slot.title}' has no result yet. Run the workflow."
        slot.count = answer.count
        self._desk.viewer.fill(number, slot)
