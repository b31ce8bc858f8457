"""The plan of a changed graph equals that of the same graph made anew, and asks for no more than it must."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from studio.engine.contents import FileContents
from studio.engine.plan import Planner, plan
from studio.engine.task import Task
from studio.graph.edits import AnyEdit, MoveNodes, SetLinks, SetNode, SetParameter
from studio.graph.errors import DocumentError
from studio.graph.graph import Graph, Mode, Node, NodeId, Socket
from tests.engine.kit import REGISTRY

OUT = Path("out")


def planner() -> Planner:
    return Planner(REGISTRY, FileContents())


@st.composite
def dags(draw: st.DrawFn) -> Graph:
    """Adding nodes, each fed by earlier ones."""
    count = draw(st.integers(1, 12))
    nodes = {NodeId(f"n{at}"): Node("test/Add", {"a": float(at)}) for at in range(count)}
    links = {}
    for at in range(1, count):
        for input in ("a", "b"):
            source = draw(st.none() | st.integers(0, at - 1))
            if source is not None:
                links[Socket(NodeId(f"n{at}"), input)] = Socket(NodeId(f"n{source}"), "number")
    return Graph(nodes, links)


@st.composite
def changes(draw: st.DrawFn, graph: Graph) -> AnyEdit:
    id = draw(st.sampled_from(sorted(graph.nodes)))
    kind = draw(st.sampled_from(["value", "move", "mode", "link", "lock"]))
    if kind == "value":
        return SetParameter(id, draw(st.sampled_from(["a", "b"])), draw(st.floats(-9, 9)))
    if kind == "move":
        return MoveNodes({id: (1.0, 2.0)})
    if kind == "mode":
        return SetNode(id, Node("test/Add", {"a": 1.0}, mode=draw(st.sampled_from(Mode))))
    if kind == "lock":
        return SetNode(id, Node("test/Add", locked=draw(st.sampled_from(["", "ab" * 16]))))
    source = draw(st.sampled_from(sorted(graph.nodes)))
    return SetLinks({Socket(id, "a"): None if source >= id else Socket(source, "number")})


def keys(planner: Planner) -> dict[str, bytes]:
    return {id: task.key for id, task in planner.tasks.items()}


@given(st.data())
def test_keys_after_any_changes_are_those_of_the_graph_made_anew(data: st.DataObject) -> None:
    graph = data.draw(dags())
    kept = planner()
    kept.prepare(graph, OUT)
    for _ in range(data.draw(st.integers(1, 5))):
        try:
            graph, _ = data.draw(changes(graph)).apply(graph)
        except DocumentError:
            continue
        kept.prepare(graph, OUT)
        fresh = planner()
        fresh.prepare(graph, OUT)
        assert keys(kept) == keys(fresh)
        assert [task.id for task in kept.targets(graph, ())[0]] == [task.id for task in fresh.targets(graph, ())[0]]


@given(dags(), st.data())
def test_every_task_comes_after_what_it_needs_and_nothing_above_a_result_is_planned(
    graph: Graph, data: st.DataObject
) -> None:
    made = planner()
    made.prepare(graph, OUT)
    there = set(data.draw(st.lists(st.sampled_from(sorted(graph.nodes)), unique=True)))
    targets, _ = made.targets(graph, ())
    order, found = plan(targets, lambda task: task.id in there)
    placed: set[Task] = set(found)
    for task in order:
        assert {edge.source for edge in task.edges} <= placed
        placed.add(task)
    assert {task.id for task in order}.isdisjoint(there)
    needed = {edge.source for task in order for edge in task.edges} | set(targets)
    assert set(order) | set(found) == needed


def test_what_an_unchanged_node_costs_does_not_include_its_key() -> None:
    nodes = {NodeId(f"n{at}"): Node("test/Add", {"b": 1.0}) for at in range(100)}
    links = {Socket(NodeId(f"n{at}"), "a"): Socket(NodeId(f"n{at - 1}"), "number") for at in range(1, 100)}
    graph = Graph(nodes, links)
    made = planner()
    made.prepare(graph, OUT)
    before = made.tasks
    changed, _ = SetParameter(NodeId("n99"), "b", 2.0).apply(graph)
    made.prepare(changed, OUT)
    assert made.tasks is before
    moved, _ = MoveNodes({NodeId("n0"): (5.0, 5.0)}).apply(changed)
    made.prepare(moved, OUT)
    assert made.tasks is before
