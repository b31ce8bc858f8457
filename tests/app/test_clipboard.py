"""Copy and paste between places of one graph, between graphs, and from whole files."""

from __future__ import annotations

import pytest

from studio.app.clipboard import copy, paste
from studio.files.workflow_file import to_text
from studio.graph.errors import CodecError
from studio.graph.graph import Frame, FrameId, Graph, Node, NodeId, Note, NoteId, Port, Socket, Subgraph, SubgraphId
from studio.graph.workflow import Workflow

LOAD, BLUR, SAVE = NodeId("load"), NodeId("blur"), NodeId("save_2")
GRAPH = Graph(
    {LOAD: Node("image/Load"), BLUR: Node("image/Blur", {"radius": 2.5}, (100.0, 50.0)), SAVE: Node("image/Save", {}, (300.0, 80.0))},
    {Socket(BLUR, "image"): Socket(LOAD, "image"), Socket(SAVE, "image"): Socket(BLUR, "image")},
    {FrameId("f"): Frame("A frame", (90.0, 40.0))},
    {NoteId("n"): Note("words", (95.0, 45.0))},
)  # fmt: skip


def test_pasted_nodes_have_fresh_ids_and_the_links_among_them() -> None:
    pasted = paste(copy(GRAPH, [BLUR, SAVE]), GRAPH, (0.0, 0.0))
    after, undo = pasted.edit.apply(GRAPH)
    assert pasted.nodes == ("blur_2", "save")
    assert after.nodes[NodeId("blur_2")] == Node("image/Blur", {"radius": 2.5}, (0.0, 0.0))
    assert after.nodes[NodeId("save")].position == (200.0, 30.0)
    new = {input: output for input, output in after.links.items() if input not in GRAPH.links}
    assert new == {Socket(NodeId("save"), "image"): Socket(NodeId("blur_2"), "image")}
    assert undo.apply(after)[0] == GRAPH


def test_pasting_with_links_keeps_those_from_nodes_that_are_there() -> None:
    text = copy(GRAPH, [BLUR])
    after, _ = paste(text, GRAPH, connected=True).edit.apply(GRAPH)
    assert after.links[Socket(NodeId("blur_2"), "image")] == Socket(LOAD, "image")
    alone, _ = paste(text, Graph(), connected=True).edit.apply(Graph())
    assert (set(alone.nodes), alone.links) == ({BLUR}, {})


def test_pasting_twice_never_meets_an_id_that_is_taken() -> None:
    graph = GRAPH
    for _ in range(5):
        graph, _ = paste(copy(GRAPH, GRAPH.nodes), graph).edit.apply(graph)
    assert len(graph.nodes) == 18
    assert len(graph.links) == 12


def test_frames_and_notes_travel_too() -> None:
    pasted = paste(copy(GRAPH, [], GRAPH.frames, GRAPH.notes), GRAPH)
    after, undo = pasted.edit.apply(GRAPH)
    assert after.frames[pasted.frames[0]].title == "A frame"
    assert after.notes[pasted.notes[0]].text == "words"
    assert (len(after.frames), len(after.notes)) == (2, 2)
    assert undo.apply(after)[0] == GRAPH


def instance_of(title: str) -> Graph:
    inner = Graph({BLUR: Node("image/Blur")})
    definition = Subgraph(title, inner, (Port("image", (Socket(BLUR, "image"),)),))
    return Graph({NodeId("s"): Node("subgraph:soft")}, subgraphs={SubgraphId("soft"): definition})


def test_an_instance_brings_its_definition_along() -> None:
    after, _ = paste(copy(instance_of("Soft"), [NodeId("s")]), Graph()).edit.apply(Graph())
    assert after == instance_of("Soft").__class__(
        {NodeId("s"): Node("subgraph:soft", position=(32.0, 32.0))}, subgraphs=instance_of("Soft").subgraphs
    )


def test_an_instance_shares_the_definition_where_that_is_the_same_and_else_brings_its_own() -> None:
    text = copy(instance_of("Soft"), [NodeId("s")])
    same, _ = paste(text, instance_of("Soft")).edit.apply(instance_of("Soft"))
    assert set(same.subgraphs) == {"soft"}
    other, _ = paste(text, instance_of("Other")).edit.apply(instance_of("Other"))
    assert {id: one.title for id, one in other.subgraphs.items()} == {"soft": "Other", "soft_2": "Soft"}
    assert other.nodes[NodeId("s_2")].type == "subgraph:soft_2"


def test_a_whole_workflow_can_be_pasted() -> None:
    after, _ = paste(to_text(Workflow(GRAPH)), Graph(), (0.0, 0.0)).edit.apply(Graph())
    assert set(after.nodes) == set(GRAPH.nodes)
    assert after.links == GRAPH.links


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", "3", "[]", "{}", "[" * 100_000, '{"format": "wirelight-clip"}', '{"format": "wirelight-clip", "version": 2}',
        '{"format": "wirelight-clip", "version": 1}', '{"format": "wirelight-clip", "version": 1, "nodes": {"a": {}}}',
        '{"format": "wirelight-clip", "version": 1, "nodes": {"a": {"type": "x", "parameters": {"p": NaN}}}}',
        '{"format": "wirelight-clip", "version": 1, "nodes": {"a": {"type": "x"}}, "links": {"b.in": "a.out"}}',
    ],
)  # fmt: skip
def test_other_text_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(CodecError) as caught:
        paste(text, GRAPH)
    assert "clipboard" in caught.value.where


def test_copying_leaves_out_what_is_not_there() -> None:
    with pytest.raises(CodecError):
        paste(copy(GRAPH, [NodeId("absent")]), GRAPH)
