"""A subgraph is edited from inside by the edits of any graph."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.graph.edits import (
    AddNodes,
    AnyEdit,
    Batch,
    MoveNodes,
    RemoveNodes,
    SetLinks,
    SetParameter,
    connect,
    disconnect,
)
from studio.graph.errors import DocumentError, EditRefused
from studio.graph.flat import flatten, subgraph_spec
from studio.graph.graph import Graph, Node, NodeId, Port, Socket, Subgraph, SubgraphId, subgraph_type
from studio.graph.history import History
from studio.graph.inner_history import InnerHistory
from studio.graph.inside import NEW, inside, outward
from tests.graph.catalog import CATALOG, ends, graph_of
from tests.strategies import edits

SOFT = SubgraphId("soft")
IN, OUT = NodeId(":inputs"), NodeId(":outputs")
DOCUMENT = replace(
    graph_of(
        {"load": "image/Load", "soft": subgraph_type(SOFT), "save": "image/Save"},
        soft__image="load.image",
        save__image="soft.image",
    ),
    subgraphs={
        SOFT: Subgraph(
            "Soften",
            graph_of({"first": "image/Blur", "second": "image/Blur"}, second__image="first.image"),
            inputs=(
                Port("image", (ends("first.image"),)),
                Port("radius", (ends("first.radius"), ends("second.radius"))),
            ),
            outputs=(Port("image", (ends("second.image"),)),),
        )
    },
)


def done(edit: AnyEdit, graph: Graph = DOCUMENT) -> Graph:
    changed, back = outward(graph, SOFT, edit).apply(graph)
    again, _ = back.apply(changed)
    assert again == graph
    return changed


def names(graph: Graph) -> tuple[list[str], list[str]]:
    definition = graph.subgraphs[SOFT]
    return [port.name for port in definition.inputs], [port.name for port in definition.outputs]


def test_the_ends_show_every_port_with_its_wires() -> None:
    shown = inside(DOCUMENT, SOFT, CATALOG)
    assert set(shown.graph.nodes) == {"first", "second", IN, OUT}
    assert shown.graph.links[ends("second.radius")] == Socket(IN, "radius")
    assert shown.graph.links[Socket(OUT, "image")] == ends("second.image")
    given = shown.catalog.specs["graph/Inputs"].outputs_by_name
    assert str(given["image"].type) == "Image"
    assert str(given["radius"].type) == "Float"
    assert NEW in given


def test_an_inner_value_changes_for_every_instance() -> None:
    changed = done(SetParameter(NodeId("first"), "passes", 3))
    assert changed.subgraphs[SOFT].graph.nodes[NodeId("first")].parameters == {"passes": 3}


def test_a_wire_from_the_new_socket_makes_a_port() -> None:
    changed = done(connect(ends("second.passes"), Socket(IN, NEW)))
    assert names(changed)[0] == ["image", "radius", "passes"]
    spec = subgraph_spec(changed, subgraph_type(SOFT), CATALOG)
    assert spec is not None
    assert spec.inputs_by_name["passes"].control is not None, "a promoted control"
    more = done(connect(Socket(OUT, NEW), ends("first.image")))
    assert names(more)[1] == ["image", "image_2"]


def test_a_port_goes_with_its_last_wire_and_takes_the_links_outside_along() -> None:
    changed = done(disconnect(Socket(OUT, "image")))
    assert names(changed)[1] == []
    assert ends("save.image") not in changed.links
    kept = done(disconnect(ends("second.radius")))
    assert kept.subgraphs[SOFT].inputs[1].inner == (ends("first.radius"),)


def test_a_removed_node_takes_its_ports_along() -> None:
    changed = done(RemoveNodes((NodeId("first"),)))
    assert names(changed)[0] == ["radius"]
    assert ends("soft.image") not in changed.links
    assert flatten(changed, CATALOG).nodes.keys() == {"load", "soft/second", "save"}


def test_the_ends_can_be_moved_and_not_removed() -> None:
    changed = done(MoveNodes({IN: (-900.0, 40.0)}))
    assert inside(changed, SOFT, CATALOG).graph.nodes[IN].position == (-900.0, 40.0)
    assert names(changed) == names(DOCUMENT)
    with pytest.raises(EditRefused, match="cannot be removed"):
        outward(DOCUMENT, SOFT, RemoveNodes((IN, OUT)))
    cleared = done(RemoveNodes((IN, NodeId("first"), NodeId("second"))))
    assert not cleared.subgraphs[SOFT].graph.nodes


def test_an_input_is_no_output() -> None:
    with pytest.raises(EditRefused, match="at once"):
        outward(DOCUMENT, SOFT, SetLinks({Socket(OUT, NEW): Socket(IN, "image")}))


def test_a_drag_of_an_end_is_one_step_and_undone_from_inside() -> None:
    history = History(DOCUMENT)
    inner = InnerHistory(history, SOFT, CATALOG)
    for x in (10.0, 20.0, 30.0):
        inner.apply(MoveNodes({IN: (x, 0.0), NodeId("first"): (x, 0.0)}), merge=True)
    inner.seal()
    assert inner.graph.nodes[IN].position == (30.0, 0.0)
    inner.undo()
    assert history.graph == DOCUMENT
    assert not inner.can_undo


def test_changes_from_outside_come_in_as_edits() -> None:
    history = History(DOCUMENT)
    inner = InnerHistory(history, SOFT, CATALOG)
    heard: list[AnyEdit] = []
    shown = inner.graph
    inner.listen(lambda graph, edit: heard.append(edit))
    history.apply(SetParameter(NodeId("load"), "path", "a.png"))
    assert heard == []
    history.apply(outward(history.graph, SOFT, connect(ends("second.passes"), Socket(IN, NEW))))
    assert Batch(tuple(heard)).apply(shown)[0] == inner.graph
    assert "passes" in inner.catalog.specs["graph/Inputs"].outputs_by_name
    history.undo()
    assert inner.graph == shown


def test_a_definition_that_an_undo_takes_away_is_gone() -> None:
    history = History(replace(DOCUMENT, subgraphs={}, nodes={}, links={}))
    from studio.graph.edits import SetSubgraph

    history.apply(SetSubgraph(SOFT, DOCUMENT.subgraphs[SOFT]))
    inner = InnerHistory(history, SOFT, CATALOG)
    inner.listen(lambda graph, edit: None)
    history.undo()
    assert inner.gone
    history.redo()
    assert not inner.gone


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_edit_of_the_inside_does_outside_what_it_says(data: st.DataObject) -> None:
    shown = inside(DOCUMENT, SOFT, CATALOG).graph
    edit = data.draw(edits(replace(shown, subgraphs={})))
    try:
        expected, _ = edit.apply(shown)
        out = outward(DOCUMENT, SOFT, edit)
    except DocumentError:
        return
    changed, back = out.apply(DOCUMENT)
    assert back.apply(changed)[0] == DOCUMENT
    seen = inside(changed, SOFT, CATALOG).graph
    own = {id: node for id, node in expected.nodes.items() if id not in (IN, OUT)}
    assert {id: node for id, node in seen.nodes.items() if id not in (IN, OUT)} == own
    inner = {
        input: output for input, output in expected.links.items() if {input.node, output.node}.isdisjoint((IN, OUT))
    }
    assert {i: o for i, o in seen.links.items() if {i.node, o.node}.isdisjoint((IN, OUT))} == inner


def test_nodes_come_in_with_links_to_the_ends() -> None:
    grid = Node("image/Grid")
    changed = done(AddNodes({NodeId("grid"): grid}, {ends("grid.images"): Socket(IN, "image")}))
    assert changed.subgraphs[SOFT].inputs[0].inner == (ends("first.image"), ends("grid.images"))
