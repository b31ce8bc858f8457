"""What a running node can tell and ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.engine import Engine
from studio.engine.context import RunContext
from studio.engine.control import RunControl
from studio.engine.devices import PlainDevices
from studio.engine.events import Silent
from studio.engine.residency import Residency
from studio.engine.task import Task
from studio.graph.errors import Cancelled
from studio.graph.flat import FlatNode
from studio.graph.graph import NodeId
from studio.sdk import node, running
from studio.sdk.context import PreviewMaker
from tests.engine.kit import Told, graph, registry, run


class Listener(Silent):
    def __init__(self) -> None:
        self.left: list[float | None] = []
        self.previews: list[PreviewMaker | None] = []
        self.progress: list[tuple[float, float]] = []

    def stepped(
        self, node: NodeId, index: int, of: int, sigma: float, left: float | None, preview: PreviewMaker | None
    ) -> None:
        self.left.append(left)
        self.previews.append(preview)

    def progressed(self, node: NodeId, done: float, total: float, left: float | None) -> None:
        self.progress.append((done, total))


def context(report: Silent, control: RunControl | None = None) -> RunContext:
    made = RunContext(
        report,
        control or RunControl(),
        Residency(PlainDevices()),
        out=Path("out"),
        workflow="",
        device="cpu",
        pausable=True,
    )
    made.begin(Task(NodeId("node"), FlatNode("test/Steps", {}, {}), None), False)
    return made


def test_the_time_left_is_told_from_the_second_step_on_and_ends_at_nothing() -> None:
    heard = Listener()
    here = context(heard)
    for index in range(1, 5):
        here.step(index, 4)
    first, *later = heard.left
    assert first is None
    assert all(left is not None and left >= 0 for left in later)
    assert later[-1] == 0


def test_a_preview_is_handed_on_unmade() -> None:
    heard = Listener()

    def make() -> object:
        pytest.fail("nobody looked")

    context(heard).step(1, 2, preview=make)  # type: ignore[arg-type]
    assert heard.previews == [make]


def test_progress_has_a_unit_of_its_own_and_may_begin_again() -> None:
    heard = Listener()
    here = context(heard)
    for done in (0.5, 2.5, 0.5):
        here.progress(done, 3.0)
    assert heard.progress == [(0.5, 3.0), (2.5, 3.0), (0.5, 3.0)]


def test_every_report_is_a_chance_to_stop() -> None:
    control = RunControl()
    here = context(Silent(), control)
    control.cancel()
    for ask in (lambda: here.step(1, 2), lambda: here.progress(1, 2), here.checkpoint):
        with pytest.raises(Cancelled):
            ask()


def test_a_node_sees_its_run(tmp_path: Path) -> None:
    @node("test/Look")
    def look() -> str:
        """Where it is."""
        context = running()
        context.log("here")
        return f"{context.node} {context.device} {context.out.name} {context.tight_memory}"

    told = Told()
    engine = Engine(registry(look))
    run(engine, graph(a=("Look", {})), out=tmp_path, told=told)
    assert engine.value(NodeId("a"), "text") == f"a cpu {tmp_path.name} False"
    assert told.logs == ["here"]


def test_a_node_that_raises_from_a_library_shows_both_errors() -> None:
    @node("test/Chain")
    def chain() -> float:
        """Wraps what went wrong."""
        try:
            return 1 / 0
        except ZeroDivisionError as error:
            raise ValueError("cannot divide") from error

    trace = run(Engine(registry(chain)), graph(a=("Chain", {}))).failures["a"].trace
    assert "ZeroDivisionError" in trace
    assert "cannot divide" in trace
    assert "direct cause" in trace
    assert "calling.py" not in trace
