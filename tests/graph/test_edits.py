from __future__ import annotations

from dataclasses import replace

import pytest

from studio.graph.edits import (
    AddNodes,
    AnyEdit,
    Batch,
    InSubgraph,
    MoveNodes,
    RemoveNodes,
    ResetParameter,
    SetFrame,
    SetLinks,
    SetNode,
    SetNote,
    SetParameter,
    SetSubgraph,
    connect,
    disconnect,
)
from studio.graph.errors import DocumentError, EditRefused, UnknownNode
from studio.graph.graph import Frame, FrameId, Graph, Node, NodeId, Note, NoteId, Subgraph, SubgraphId
from tests.graph.catalog import ends, graph_of

START = replace(
    graph_of(
        {"load": "image/Load", "blur": "image/Blur", "save": "image/Save"},
        blur__image="load.image",
        save__image="blur.image",
    ),
    subgraphs={SubgraphId("s"): Subgraph("S", graph_of({"in": "image/Blur"}))},
    frames={FrameId("f"): Frame("All")},
)
ALL: list[AnyEdit] = [
    AddNodes({NodeId("new"): Node("image/Blur")}),
    AddNodes(
        {NodeId("new"): Node("image/Blur")},
        {ends("new.image"): ends("load.image"), ends("save.image"): ends("new.image")},
    ),
    AddNodes({NodeId("new"): Node("image/Blur")}, {ends("save.image"): ends("load.image")}),
    RemoveNodes((NodeId("blur"),)),
    RemoveNodes((NodeId("load"), NodeId("save"))),
    SetLinks({ends("save.image"): ends("load.image"), ends("blur.image"): None}),
    disconnect(ends("save.image"), ends("blur.radius")),
    SetParameter(NodeId("blur"), "radius", 2.0),
    ResetParameter(NodeId("blur"), "radius"),
    MoveNodes({NodeId("blur"): (5.0, 6.0), NodeId("load"): (0.5, 0.25)}),
    SetNode(NodeId("blur"), Node("image/Other", title="Mine", collapsed=True)),
    SetFrame(FrameId("f"), None),
    SetFrame(FrameId("g"), Frame("New")),
    SetNote(NoteId("n"), Note("**words**")),
    SetSubgraph(SubgraphId("s"), None),
    SetSubgraph(SubgraphId("t"), Subgraph("T", Graph())),
    InSubgraph(SubgraphId("s"), RemoveNodes((NodeId("in"),))),
    Batch((RemoveNodes((NodeId("blur"),)), connect(ends("save.image"), ends("load.image")))),
]


@pytest.mark.parametrize("edit", ALL, ids=lambda edit: type(edit).__name__)
def test_every_edit_can_be_taken_back_and_done_again(edit: AnyEdit) -> None:
    changed, back = edit.apply(START)
    restored, again = back.apply(changed)
    assert restored == START
    assert again.apply(restored)[0] == changed


@pytest.mark.parametrize(
    "edit",
    [
        AddNodes({NodeId("blur"): Node("image/Blur")}),
        AddNodes({NodeId("a.b"): Node("image/Blur")}),
        AddNodes({NodeId("new"): Node("image/Blur")}, {ends("new.image"): ends("nobody.image")}),
        RemoveNodes((NodeId("nobody"),)),
        connect(ends("blur.image"), ends("blur.image")),
        connect(ends("nobody.image"), ends("load.image")),
        SetParameter(NodeId("nobody"), "radius", 1),
        MoveNodes({NodeId("nobody"): (0.0, 0.0)}),
        SetSubgraph(SubgraphId("t"), Subgraph("T", START)),
        InSubgraph(SubgraphId("gone"), Batch(())),
        InSubgraph(SubgraphId("s"), SetSubgraph(SubgraphId("u"), None)),
        Batch((RemoveNodes((NodeId("blur"),)), SetParameter(NodeId("blur"), "radius", 1))),
    ],
    ids=lambda edit: type(edit).__name__,
)
def test_what_would_break_the_graph_is_refused(edit: AnyEdit) -> None:
    with pytest.raises(DocumentError):
        edit.apply(START)


def test_a_refusal_names_the_node() -> None:
    with pytest.raises(UnknownNode, match="nobody"):
        RemoveNodes((NodeId("nobody"),)).apply(START)
    with pytest.raises(EditRefused, match="blur"):
        AddNodes({NodeId("blur"): Node("image/Blur")}).apply(START)


def test_removing_a_node_takes_its_links_and_no_other() -> None:
    changed, _ = RemoveNodes((NodeId("load"),)).apply(START)
    assert changed.links == {ends("save.image"): ends("blur.image")}


def test_a_drag_of_one_slider_merges_and_of_two_does_not() -> None:
    first, second = SetParameter(NodeId("blur"), "radius", 1.0), SetParameter(NodeId("blur"), "radius", 2.0)
    assert second.merge(first) == second
    assert SetParameter(NodeId("blur"), "passes", 2).merge(first) is None
    assert InSubgraph(SubgraphId("s"), second).merge(InSubgraph(SubgraphId("s"), first)) == InSubgraph(
        SubgraphId("s"), second
    )
    assert InSubgraph(SubgraphId("t"), second).merge(InSubgraph(SubgraphId("s"), first)) is None


def test_a_drag_of_the_same_nodes_merges() -> None:
    first, second = MoveNodes({NodeId("blur"): (1.0, 1.0)}), MoveNodes({NodeId("blur"): (2.0, 2.0)})
    assert second.merge(first) == second
    assert MoveNodes({NodeId("load"): (2.0, 2.0)}).merge(first) is None


def test_making_and_removing_a_frame_stay_two_steps() -> None:
    made, gone = SetFrame(FrameId("g"), Frame()), SetFrame(FrameId("g"), None)
    assert gone.merge(made) is None
    assert SetFrame(FrameId("g"), Frame("b")).merge(SetFrame(FrameId("g"), Frame("a"))) is not None
