from __future__ import annotations

import pytest

from studio.graph.edits import AddNodes, AnyEdit, RemoveNodes, SetParameter
from studio.graph.errors import DocumentError
from studio.graph.graph import Graph, Node, NodeId
from studio.graph.history import History

A = NodeId("a")


def started() -> History:
    history = History(Graph())
    history.apply(AddNodes({A: Node("image/Blur")}))
    return history


def radius(history: History) -> object:
    return history.graph.nodes[A].parameters.get("radius")


def test_a_drag_is_one_step_and_the_next_drag_another() -> None:
    history = started()
    for value in (1.0, 2.0, 3.0):
        history.apply(SetParameter(A, "radius", value), merge=True)
    history.seal()
    for value in (4.0, 5.0):
        history.apply(SetParameter(A, "radius", value), merge=True)
    history.undo()
    assert radius(history) == 3.0
    history.undo()
    assert radius(history) is None
    history.redo()
    assert radius(history) == 3.0
    history.redo()
    assert radius(history) == 5.0
    assert not history.can_redo


def test_a_new_edit_ends_what_could_be_done_again() -> None:
    history = started()
    history.apply(SetParameter(A, "radius", 1.0))
    history.undo()
    history.apply(SetParameter(A, "radius", 2.0))
    assert history.redo() is None
    assert radius(history) == 2.0


def test_a_refused_edit_changes_nothing_and_keeps_redo() -> None:
    history = started()
    history.apply(SetParameter(A, "radius", 1.0))
    history.undo()
    before = history.graph
    with pytest.raises(DocumentError):
        history.apply(RemoveNodes((NodeId("nobody"),)))
    assert history.graph is before
    assert history.can_redo


def test_listeners_hear_edits_undo_and_redo_until_they_leave() -> None:
    history = started()
    heard: list[tuple[Graph, AnyEdit]] = []
    leave = history.listen(lambda graph, edit: heard.append((graph, edit)))
    history.apply(SetParameter(A, "radius", 1.0))
    history.undo()
    history.redo()
    leave()
    history.undo()
    graph = started().graph
    for after, edit in heard:
        graph, _ = edit.apply(graph)
        assert graph == after
    assert len(heard) == 3


def test_nothing_to_undo_is_no_fault() -> None:
    history = History(Graph())
    assert history.undo() is None
    assert history.redo() is None
