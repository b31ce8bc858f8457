"""What a run looks like from the window: where each node stands, how the worker is, and what the viewer asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from studio.app.runs import Order, Runs
from studio.app.supervisor import Report, Supervisor, WorkerDied, WorkerSilent, WorkerStarting
from studio.graph.edits import (
    AddNodes,
    AnyEdit,
    Batch,
    InSubgraph,
    ResetParameter,
    SetLinks,
    SetParameter,
    SetSubgraph,
)
from studio.graph.graph import Graph, NodeId
from studio.graph.subgraphs import standing_for
from studio.protocol.messages import (
    CatalogSent,
    Fetched,
    Heartbeat,
    Log,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    OutputWritten,
    Ready,
    RunFinished,
    RunId,
    RunPaused,
    RunRefused,
    RunResumed,
    RunStarted,
    StepFetched,
    Stepped,
    StepsFetched,
)
from studio.window.bridge import image_of
from studio.window.canvas.status import State, Status


@dataclass(slots=True)
class WorkerView:
    """How the worker is, in words for the status line. `mood` is `ok`, `running` or `error`."""

    words: str = "starts with the first frame"
    mood: str = "running"
    device: str = ""
    memory: int = 0
    ready: bool = False


class Progress(QObject):
    """Takes reports, hands them to the queue, and tells the window what changed. Pictures are copied here, on the window's thread."""

    changed = Signal()
    status_changed = Signal(str, str)
    """A document's id, and a node of it."""
    live = Signal(object, str)
    """A picture that the run painted, and words for it."""
    stepped = Signal(str, object, object)
    """A document's id, the `Stepped`, and its picture or None."""
    steps_fetched = Signal(object, list)
    """The `StepsFetched`, and the picture or None of each of its steps."""
    step_fetched = Signal(object, object)
    """The `StepFetched`, and its picture or None."""
    fetched = Signal(int, object, object)
    """The request, the `Fetched`, and its picture or None."""
    finished = Signal(object, str)
    """The `Order`, and the state in which it ended."""
    refused = Signal(object, object)
    """The `Order`, and its problems."""
    written = Signal(str)
    logged = Signal(list)
    catalog_sent = Signal(object)
    worker_died = Signal(object)

    def __init__(self, supervisor: Supervisor, queue: Runs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.worker = WorkerView()
        self.planned = 0
        self.done = 0
        self.node: NodeId | None = None
        self.paused = False
        self.last_document = ""
        """That of the run that was started last: the worker holds its results."""
        self._supervisor = supervisor
        self._queue = queue
        self._held: dict[str, dict[NodeId, Status]] = {}

    def status(self, document: str, node: NodeId) -> Status:
        return self._held.get(document, {}).get(node) or Status()

    def statuses(self, document: str) -> dict[NodeId, Status]:
        """All nodes of a document that have taken part in a run."""
        return self._held.get(document, {})

    def outdate(self, document: str, nodes: Collection[NodeId]) -> None:
        """These nodes would come out differently now: what the last run said of them goes, but for the picture."""
        order = self._queue.current
        running = order is not None and order.document == document
        held = self._held.get(document, {})
        inner = [one for one in held if outermost(one) in set(nodes) and one not in nodes]
        for node in [*nodes, *inner]:
            status = held.get(node)
            if status is None or status.state not in _OVER or (running and status.state is not State.FAILED):
                continue
            self._held[document][node] = Status(preview=status.preview)
            self.status_changed.emit(document, node)

    def forget(self, document: str) -> None:
        """A document was closed."""
        self._held.pop(document, None)

    @property
    def words(self) -> str:
        """What is going on, in one line."""
        order = self._queue.current
        if order is None:
            return ""
        status = self.status(order.document, outermost(self.node)) if self.node is not None else Status()
        parts = []
        if self.planned:
            parts.append(f"{self.done} of {self.planned} nodes")
        if status.state in (State.RUNNING, State.PAUSED) and status.of:
            parts.append(status.text)
        elif self.node is not None:
            parts.append(self.node)
        return " \u00b7 ".join(parts) or "starting"

    # What the worker reports

    def take(self, reports: Iterable[Report]) -> None:
        """Everything of one frame."""
        lines = []
        for report in reports:
            if isinstance(report, Log):
                lines.append(report)
            else:
                self._take(report)
                self._queue.heard(report)
        if lines:
            self.logged.emit(lines)
        self.changed.emit()

    def _take(self, report: Report) -> None:
        match report:
            case Stepped():
                self._stepped(report)
            case NodeStarted(run, node):
                self._node(run, node, State.RUNNING)
            case NodeFinished():
                self._finished_node(report)
            case NodeFailed():
                self._failed_node(report)
            case RunStarted(run, planned, cached):
                self._started(run, planned, cached)
            case RunPaused(run, node):
                self.paused = True
                self._node(run, node, State.PAUSED)
            case RunResumed(run):
                self.paused = False
                if self.node is not None:
                    self._node(run, self.node, State.RUNNING)
            case RunFinished(run, state):
                self._finished(run, state)
            case RunRefused():
                self._refused(report)
            case OutputWritten(path=path, media=media):
                self.written.emit(path)
                if media == "image":
                    image = QImage(path)
                    if not image.isNull():
                        self.live.emit(image, path.replace("\\", "/").rpartition("/")[2])
            case Fetched(request):
                self.fetched.emit(request, report, image_of(report.picture, self._supervisor.picture))
            case StepsFetched(steps=steps):
                self.steps_fetched.emit(report, [image_of(one.picture, self._supervisor.picture) for one in steps])
            case StepFetched():
                self.step_fetched.emit(report, image_of(report.picture, self._supervisor.picture))
            case CatalogSent():
                self.catalog_sent.emit(report)
            case Ready() | Heartbeat() | WorkerStarting() | WorkerSilent() | WorkerDied():
                self._worker_report(report)
            case _:
                pass

    def _worker_report(self, report: Ready | Heartbeat | WorkerStarting | WorkerSilent | WorkerDied) -> None:
        worker = self.worker
        match report:
            case Ready(devices=devices):
                worker.ready, worker.words, worker.mood = True, "ready", "ok"
                worker.device = devices[0].title if devices else ""
            case Heartbeat(memory=memory, silent=silent, node=node):
                worker.memory = memory
                if worker.ready:
                    quiet = node is not None and silent > 10
                    worker.words = f"{node} has reported nothing for {silent:.0f} s" if quiet else "ready"
                    worker.mood = "running" if quiet else "ok"
            case WorkerStarting(attempt):
                worker.ready, worker.mood = False, "running"
                worker.words = "starting" if attempt < 2 else f"starting again, try {attempt}"
            case WorkerSilent(seconds, node):
                where = f" in {node}" if node else ""
                worker.words, worker.mood = f"not answering for {seconds:.0f} s{where}", "error"
            case WorkerDied():
                worker.ready, worker.words, worker.mood = False, "died; another one starts", "error"
                self.worker_died.emit(report)

    def _order(self, run: RunId) -> Order | None:
        order = self._queue.current
        return order if order is not None and order.run == run else None

    def _started(self, run: RunId, planned: int, cached: Collection[NodeId]) -> None:
        order = self._order(run)
        if order is None:
            return
        self.planned, self.done, self.node, self.paused = planned, 0, None, False
        self.last_document = order.document
        kept = {id for node in cached for id in levels(node)}
        statuses = self.statuses(order.document)
        for node in [*statuses, *(id for id in kept if id not in statuses)]:
            preview = self.status(order.document, node).preview
            self._put(order, node, Status(State.CACHED if node in kept else State.IDLE, preview=preview))

    def _node(self, run: RunId, node: NodeId, state: State) -> None:
        order = self._order(run)
        if order is None:
            return
        self.node = node
        for id in levels(node):
            before = self.status(order.document, id)
            going_on = before.state in (State.RUNNING, State.PAUSED)
            self._put(order, id, replace(before, state=state) if going_on else Status(state, preview=before.preview))

    def _stepped(self, report: Stepped) -> None:
        order = self._order(report.run)
        if order is None:
            return
        self.node = report.node
        image = image_of(report.preview, self._supervisor.picture)
        for id in levels(report.node):
            before = self.status(order.document, id)
            state = State.PAUSED if before.state is State.PAUSED else State.RUNNING
            self._put(order, id, Status(state, report.index, report.of, report.left, preview=image or before.preview))
        if image is not None:
            self.live.emit(image, f"step {report.index} of {report.of}")
        self.stepped.emit(order.document, report, image)

    def _finished_node(self, report: NodeFinished) -> None:
        order = self._order(report.run)
        if order is None:
            return
        self.done += not report.cached
        image = image_of(report.shown, self._supervisor.picture)
        state = State.CACHED if report.cached else State.DONE
        for id in levels(report.node):
            preview = image or report.plot or self.status(order.document, id).preview
            self._put(order, id, Status(state, seconds=report.seconds, preview=preview))
        if image is not None:
            self.live.emit(image, "")

    def _failed_node(self, report: NodeFailed) -> None:
        order = self._order(report.run)
        if order is None:
            return
        for id in levels(report.node):
            self._fail(order, id, report.what, report.mend, report.socket if id == report.node else "", report.trace)

    def _finished(self, run: RunId, state: str) -> None:
        order = self._order(run)
        if order is None:
            return
        for node, status in list(self.statuses(order.document).items()):
            if status.state in (State.RUNNING, State.PAUSED):
                self._put(order, node, Status(State.IDLE, preview=status.preview))
        self.node, self.paused = None, False
        self.finished.emit(order, state)

    def _refused(self, report: RunRefused) -> None:
        order = self._order(report.run)
        if order is None:
            return
        for node, status in list(self.statuses(order.document).items()):
            self._put(order, node, Status(preview=status.preview))
        for problem in report.problems:
            for id in levels(problem.node):
                self._fail(order, id, problem.what, problem.mend, problem.socket if id == problem.node else "")
        self.node, self.paused = None, False
        self.refused.emit(order, report.problems)

    def _fail(self, order: Order, id: NodeId, what: str, mend: str, socket: str = "", trace: str = "") -> None:
        preview = self.status(order.document, id).preview
        self._put(order, id, Status(State.FAILED, what=what, mend=mend, socket=socket, trace=trace, preview=preview))

    def _put(self, order: Order, node: NodeId, status: Status) -> None:
        self._held.setdefault(order.document, {})[node] = status
        self.status_changed.emit(order.document, node)


def touched(edit: AnyEdit, graph: Graph) -> set[NodeId]:
    """The nodes of a graph whose result an edit may change, without those that hang on them."""
    match edit:
        case SetParameter(id) | ResetParameter(id):
            return {id}
        case SetLinks(links) | AddNodes(links=links):
            return {input.node for input in links}
        case InSubgraph(subgraph) | SetSubgraph(subgraph):
            return standing_for(graph, subgraph)
        case Batch(edits):
            return {id for one in edits for id in touched(one, graph)}
        case _:
            return set()


_OVER: Final = (State.DONE, State.CACHED, State.FAILED)


def levels(path: NodeId) -> list[NodeId]:
    """An inner node and all that holds it: `a`, `a/b` and `a/b/c` of `a/b/c`."""
    parts = path.split("/")
    return [NodeId("/".join(parts[:depth])) for depth in range(1, len(parts) + 1)]


def outermost(path: NodeId) -> NodeId:
    """The node of the open graph that holds an inner one: `upscale` of `upscale/sampler`."""
    return NodeId(path.partition("/")[0])
