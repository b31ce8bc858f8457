"""Shows what `Progress` tells: on the nodes, in the bars, in the queue, and as notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.app.runs import Order, Runs
from studio.app.supervisor import WorkerDied
from studio.graph.check import Problem
from studio.graph.graph import NodeId
from studio.window.canvas.status import State as NodeState
from studio.window.progress import Progress

if TYPE_CHECKING:
    from studio.window.desk import Desk


class RunDisplay:
    """The runs of one desk."""

    def __init__(self, desk: Desk, progress: Progress, queue: Runs) -> None:
        self._desk = desk
        self._progress = progress
        self._queue = queue
        self._died_in: str | None = None
        """The run that a dead worker took with it: its end has been told."""
        progress.changed.connect(self.show_progress)
        progress.status_changed.connect(self._show_status)
        progress.finished.connect(self._show_end)
        progress.refused.connect(self._show_refusal)
        progress.logged.connect(desk.log.add)
        progress.worker_died.connect(self._tell_death)
        self.show_progress()

    def _show_status(self, document: str, node: str) -> None:
        *path, id = map(NodeId, node.split("/"))
        scene = self._desk.window.scene_by_id(document, tuple(path))
        if scene is not None:
            scene.show_status(id, self._progress.status(document, NodeId(node)))

    def show_progress(self) -> None:
        """How far the run is, what waits, and how the worker is."""
        progress, queue = self._progress, self._queue
        waiting = len(queue.waiting())
        parts = [progress.words, f"{waiting} waiting" if waiting else ""]
        self._desk.window.top.words.setText(" \u00b7 ".join(part for part in parts if part))
        worker = progress.worker
        about = [
            f"Worker {worker.words}",
            worker.device,
            f"{worker.memory / 2**30:.1f} GB" if worker.ready and worker.memory else "",
        ]
        self._desk.window.bottom.show_worker(" \u00b7 ".join(part for part in about if part), worker.mood)
        if self._desk.window.docks["queue"].isVisible():
            self._desk.queue_panel.show_queue(queue, progress.words)
        self._desk.window.refresh_soon()

    def _show_end(self, order: Order, state: str) -> None:
        failed = [
            node for node, one in self._progress.statuses(order.document).items() if one.state is NodeState.FAILED
        ]
        if state == "failed" and order.run == self._died_in:
            self._desk.notices.withdraw("run")
        elif state == "failed" and failed:
            status = self._progress.status(order.document, failed[0])
            self._desk.notices.tell(
                f"{failed[0]}: {status.what} {status.mend}".strip(),
                grave=True,
                topic="run",
                actions=(("Show", lambda: self._desk.show_node(order.document, failed[0])),),
            )
        elif state == "failed":
            self._desk.notices.tell("The run failed. The log tells more.", grave=True, topic="run")
        else:
            self._desk.notices.withdraw("run")
        self._desk.refresh_slots(order.document)

    def _show_refusal(self, order: Order, problems: tuple[object, ...]) -> None:
        first = next((one for one in problems if isinstance(one, Problem)), None)
        if first is None:
            return
        more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        self._desk.notices.tell(
            f"The workflow cannot run yet. {first.where}: {first.what} {first.mend}{more}".strip(),
            grave=True,
            topic="run",
            actions=(("Show", lambda: self._desk.show_node(order.document, first.node)),),
        )

    def _tell_death(self, died: WorkerDied) -> None:
        self._died_in = died.run
        order = self._queue.current
        where = f" while '{died.node}' was running" if died.node else ""
        actions = [("Log", lambda: self._desk.window.docks["log"].show())]
        if died.node is not None and order is not None:
            document, node = order.document, died.node
            actions.insert(0, ("Show", lambda: self._desk.show_node(document, node)))
        self._desk.notices.tell(
            f"The worker ended{where}: {died.what} {died.mend} Your workflow is safe; another worker is starting.".replace(
                "  ", " "
            ),
            grave=True,
            topic="worker",
            actions=actions,
            seconds=30,
        )
