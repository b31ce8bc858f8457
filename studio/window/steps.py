"""Between the strip of steps and the worker: what was seen of each run, and what is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QImage

from studio.graph.branching import branch
from studio.graph.errors import WirelightError
from studio.graph.graph import NodeId
from studio.protocol.messages import StepFetched, Stepped, StepsFetched
from studio.window.canvas.status import State
from studio.window.progress import Progress
from studio.window.viewers.strip import StepRow

if TYPE_CHECKING:
    from studio.window.desk import Desk

_EARLIER: Final = 8
"""Runs that are over and can still be compared with, by their small pictures."""
_LARGE: Final = 24
"""Decoded steps that are kept."""
_PAUSE_MS: Final = 70
"""How long the strip stands still before a step is asked for large."""


@dataclass(slots=True, eq=False)
class Followed:
    """The latest run of a node. `node` is a path where it lies in a subgraph."""

    document: str
    node: NodeId
    run: str
    row: StepRow


class Steps(QObject):
    """The steps that a desk shows. Only the last run's document can be asked about; of earlier runs the small pictures are kept."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self._panel = desk.viewer.steps
        self._followed: dict[tuple[str, NodeId], Followed] = {}
        self._earlier: deque[StepRow] = deque(maxlen=_EARLIER)
        self._shown: Followed | None = None
        self._looking = False
        """The artist looks at a step: what the run paints meanwhile does not take it away."""
        self._pages: dict[int, Followed] = {}
        self._asked: dict[int, tuple[StepRow, int]] = {}
        self._large: dict[tuple[StepRow, int], QImage] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._ask_large)
        self._panel.others = self._others
        self._panel.chosen.connect(self._look)
        self._panel.branch_asked.connect(self._branch)
        self._panel.compare_asked.connect(self._compare)

    def connect_worker(self, progress: Progress) -> None:
        progress.live.connect(self._show_live)
        progress.stepped.connect(self._stepped)
        progress.finished.connect(lambda order, state: self._complete(order.document))
        progress.steps_fetched.connect(self._take_page)
        progress.step_fetched.connect(self._take_large)

    def show_selected(self) -> None:
        """The steps of the selected node, or of the one inside it, where it has made some."""
        chosen = self._desk.scene.selected_nodes
        if len(chosen) != 1:
            return
        document, node = self._desk.document.id, self._desk.path_to(chosen[0])
        found = [
            one
            for one in self._followed.values()
            if one.document == document and (one.node == node or one.node.startswith(f"{node}/"))
        ]
        if found and self._shown not in found:
            self._show(found[-1])

    def forget(self, document: str) -> None:
        """A document was closed."""
        for key in [one for one in self._followed if one[0] == document]:
            del self._followed[key]
        if self._shown is not None and self._shown.document == document:
            self._shown = None
            self._looking = False
            self._panel.show_rows(None)

    # What a run tells

    def _show_live(self, image: QImage, words: str) -> None:
        if not self._looking:
            self._desk.viewer.show_live(image, words)

    def _stepped(self, document: str, report: Stepped, image: QImage | None) -> None:
        followed = self._followed.get((document, report.node))
        if followed is None or followed.run != report.run or followed.row.count != report.of:
            followed = self._begin(document, report.node, report.run, report.of)
        row = followed.row
        row.sigmas[report.index] = report.sigma
        if image is not None:
            row.pictures[report.index] = image
        if self._shown is not followed and not self._looking:
            self._show(followed, report.index)
        elif self._shown is followed:
            self._panel.show_rows(row, self._panel.other, None if self._looking else report.index)

    def _begin(self, document: str, node: NodeId, run: str, count: int) -> Followed:
        before = self._followed.get((document, node))
        if before is not None and before.row.pictures:
            before.row.title += f" {datetime.now():%H:%M:%S}"
            self._earlier.append(before.row)
        if before is None or self._shown is before:
            self._looking = False
        followed = Followed(document, node, run, StepRow(self._title(document, node), count))
        self._followed[document, node] = followed
        return followed

    def _title(self, document: str, node: NodeId) -> str:
        *path, id = map(NodeId, node.split("/"))
        scene = self._desk.window.scene_by_id(document, tuple(path))
        item = scene.nodes.get(id) if scene is not None else None
        return item.title if item is not None else node

    def _complete(self, document: str) -> None:
        """A run is over: ask for the steps that were not seen, those of kept results too."""
        progress, scene = self._desk.progress, self._desk.window.scene_by_id(document)
        if progress is None or scene is None:
            return
        for id, item in scene.nodes.items():
            sampled = any(one.type.name == "Trail" for one in item.spec.outputs)
            if sampled and progress.status(document, id).state in (State.DONE, State.CACHED):
                followed = self._followed.get((document, id)) or self._begin(document, id, "", 0)
                self._ask_page(followed, 0)

    def _ask_page(self, followed: Followed, first: int) -> None:
        supervisor = self._desk.supervisor
        if supervisor is not None:
            self._pages[supervisor.fetch_steps(followed.node, first=first)] = followed

    def _take_page(self, answer: StepsFetched, images: Sequence[QImage | None]) -> None:
        followed = self._pages.pop(answer.request, None)
        if followed is None or not answer.of:
            return
        row = followed.row
        row.count = answer.of
        for kept, image in zip(answer.steps, images, strict=True):
            row.sigmas[kept.step] = kept.sigma
            if image is not None and kept.step:
                row.pictures[kept.step] = image
        if self._shown is None or self._shown is followed:
            self._show(followed, None if self._looking else answer.of)
        if answer.steps and answer.steps[-1].step < answer.of:
            self._ask_page(followed, answer.steps[-1].step + 1)

    # What the artist does

    def _show(self, followed: Followed, step: int | None = None) -> None:
        if followed is not self._shown:
            self._looking = False
        self._shown = followed
        self._panel.show_rows(followed.row, None, step if step is not None else self._panel.strip.value())

    def _look(self, step: int) -> None:
        row = self._panel.row
        if row is None:
            return
        self._looking = True
        self._paint(row, step)
        self._timer.start()

    def _paint(self, row: StepRow, step: int) -> None:
        image = self._picture(row, step)
        other = self._panel.other
        beside = self._picture(other, min(step, other.count)) if other is not None else None
        if image is not None:
            self._desk.viewer.show_live(image, f"step {step} of {row.count}", beside)

    def _picture(self, row: StepRow, step: int) -> QImage | None:
        """The large picture of a step, else the small one."""
        return self._large.get((row, step)) or row.pictures.get(step)

    def _ask_large(self) -> None:
        supervisor, progress, step = self._desk.supervisor, self._desk.progress, self._panel.strip.value()
        if supervisor is None or progress is None:
            return
        for row in (self._panel.row, self._panel.other):
            followed = next((one for one in self._followed.values() if one.row is row), None)
            if row is None or followed is None or followed.document != progress.last_document:
                continue
            at = min(step, row.count)
            if (row, at) not in self._large:
                self._asked[supervisor.fetch_step(followed.node, at, decoded=True)] = row, at

    def _take_large(self, answer: StepFetched, image: QImage | None) -> None:
        row, step = self._asked.pop(answer.request, (None, 0))
        if row is None or image is None:
            return
        self._large[row, step] = image
        while len(self._large) > _LARGE:
            del self._large[next(iter(self._large))]
        shown = self._panel.row
        if shown is not None and self._looking and row in (shown, self._panel.other):
            self._paint(shown, self._panel.strip.value())

    def _others(self) -> list[StepRow]:
        document = self._desk.document.id
        now = [one.row for one in self._followed.values() if one.document == document and one.row.pictures]
        return [row for row in (*now, *reversed(self._earlier)) if row is not self._panel.row]

    def _compare(self, other: StepRow | None) -> None:
        row, step = self._panel.row, self._panel.strip.value()
        if row is not None:
            self._panel.show_rows(row, other, step)
            self._look(step)

    def _branch(self, step: int) -> None:
        """A copy of the sampler that begins at this step, with prompts of its own: selected, to be changed and run."""
        desk, followed = self._desk, self._shown
        if followed is None:
            return
        desk.show_node(followed.document, followed.node)
        scene, sampler = desk.scene, NodeId(followed.node.rpartition("/")[2])
        fed = scene.wiring.fed(sampler)
        also = {
            end.node for name, end in fed.items() if scene.wiring.type_of(sampler, name, False).name == "Conditioning"
        }
        sizes = {id: (item.layout.width, item.layout.height) for id, item in scene.nodes.items()}
        try:
            branched = branch(scene.graph, scene.catalog, sampler, step, also=also, sizes=sizes)
        except WirelightError as error:
            desk.complain(error)
            return
        if desk.view.apply(branched.edit):
            scene.select({("node", branched.sampler)})
            desk.view.fit(scene.bounds_of([("node", id) for id in (sampler, *branched.nodes)]))
            desk.notices.tell(
                f"Branched at step {step}. Change the prompt, the guidance or the sampler of the copy, then run.",
                topic="branch",
                seconds=12,
            )
