"""What must hold for every graph and every edit."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from studio.graph.diff import diff
from studio.graph.edits import AnyEdit, edit_from_plain, edit_to_plain
from studio.graph.graph import Graph
from studio.graph.history import History
from tests.strategies import edits, graphs

Steps = tuple[Graph, list[tuple[AnyEdit, bool]]]


@st.composite
def sequences(draw: st.DrawFn) -> Steps:
    """A graph, and edits that fit one after the other, each to be merged with the last one or not."""
    start = graph = draw(graphs())
    steps = []
    for _ in range(draw(st.integers(1, 8))):
        edit = draw(edits(graph))
        graph, _ = edit.apply(graph)
        steps.append((edit, draw(st.booleans())))
    return start, steps


@given(sequences())
@settings(max_examples=60, deadline=None)
def test_undo_of_any_sequence_restores_the_graph_and_redo_does_it_again(drawn: Steps) -> None:
    start, steps = drawn
    history = History(start)
    for edit, merge in steps:
        history.apply(edit, merge=merge)
    end = history.graph
    while history.can_undo:
        history.undo()
    assert history.graph == start
    while history.can_redo:
        history.redo()
    assert history.graph == end
    while history.can_undo:
        history.undo()
    assert history.graph == start


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_an_edit_and_its_inverse_survive_the_border(data: st.DataObject) -> None:
    graph = data.draw(graphs())
    edit = data.draw(edits(graph))
    changed, back = edit.apply(graph)
    for one, before, after in ((edit, graph, changed), (back, changed, graph)):
        again = edit_from_plain(json.loads(json.dumps(edit_to_plain(one))))
        assert again == one
        assert again.apply(before)[0] == after


@given(graphs(), graphs())
@settings(max_examples=60, deadline=None)
def test_the_difference_leads_from_one_graph_to_the_other(before: Graph, after: Graph) -> None:
    after = replace(after, extra=before.extra)
    edit = diff(before, after)
    changed, back = edit.apply(before)
    assert changed == after
    assert back.apply(changed)[0] == before
    assert not diff(after, changed).edits


@given(sequences())
@settings(max_examples=40, deadline=None)
def test_the_difference_after_some_edits(drawn: Steps) -> None:
    start, steps = drawn
    graph = start
    for edit, _ in steps:
        graph, _ = edit.apply(graph)
    assert diff(start, graph).apply(start)[0] == graph
