from __future__ import annotations

from dataclasses import replace

import pytest

from studio.graph.edits import SetParameter
from studio.graph.errors import DocumentError
from studio.graph.flat import flatten, subgraph_spec
from studio.graph.graph import REROUTE, Graph, Mode, Node, NodeId, Port, Subgraph, SubgraphId, subgraph_type
from studio.graph.spec import Number
from tests.graph.catalog import CATALOG, ends, graph_of

SOFT = SubgraphId("soft")
SOFTEN = Subgraph(
    "Soften",
    graph_of({"first": "image/Blur", "second": "image/Blur"}, second__image="first.image"),
    inputs=(Port("image", (ends("first.image"),)), Port("radius", (ends("first.radius"), ends("second.radius")))),
    outputs=(Port("image", (ends("second.image"),)),),
)


def with_mode(graph: Graph, node: str, mode: Mode) -> Graph:
    id = NodeId(node)
    return replace(graph, nodes={**graph.nodes, id: replace(graph.nodes[id], mode=mode)})


def test_reroutes_vanish_however_many() -> None:
    graph = graph_of(
        {"load": "image/Load", "r1": REROUTE, "r2": REROUTE, "save": "image/Save"},
        r1__value="load.image",
        r2__value="r1.value",
        save__image="r2.value",
    )
    flat = flatten(graph, CATALOG)
    assert set(flat.nodes) == {"load", "save"}
    assert flat.nodes[NodeId("save")].inputs == {"image": ends("load.image")}


def test_reroutes_in_a_circle_end() -> None:
    graph = graph_of(
        {"r1": REROUTE, "r2": REROUTE, "save": "image/Save"},
        r1__value="r2.value",
        r2__value="r1.value",
        save__image="r1.value",
    )
    assert flatten(graph, CATALOG).nodes[NodeId("save")].inputs == {}


def test_a_bypassed_node_passes_the_first_input_that_fits() -> None:
    graph = graph_of(
        {"empty": "latent/Empty", "load": "image/Load", "blur": "image/Blur", "save": "image/Save"},
        blur__image="load.image",
        save__image="blur.image",
    )
    flat = flatten(with_mode(graph, "blur", Mode.BYPASSED), CATALOG)
    assert flat.nodes[NodeId("save")].inputs == {"image": ends("load.image")}


def test_muting_takes_along_what_needs_the_node() -> None:
    graph = graph_of(
        {"load": "image/Load", "blur": "image/Blur", "save": "image/Save", "other": "image/Save"},
        blur__image="load.image",
        save__image="blur.image",
        other__image="load.image",
    )
    flat = flatten(with_mode(graph, "blur", Mode.MUTED), CATALOG)
    assert set(flat.nodes) == {"load", "other"}
    assert flat.without == {"blur", "save"}


def instance(**parameters: object) -> Graph:
    graph = graph_of(
        {"load": "image/Load", "soft": subgraph_type(SOFT), "save": "image/Save"},
        soft__image="load.image",
        save__image="soft.image",
    )
    graph = replace(graph, subgraphs={SOFT: SOFTEN})
    for name, value in parameters.items():
        graph, _ = SetParameter(NodeId("soft"), name, value).apply(graph)
    return graph


def test_a_subgraph_unfolds_with_its_links() -> None:
    flat = flatten(instance(), CATALOG)
    assert flat.nodes[NodeId("soft/first")].inputs == {"image": ends("load.image")}
    assert flat.nodes[NodeId("soft/second")].inputs["image"].node == "soft/first"
    assert flat.nodes[NodeId("save")].inputs["image"].node == "soft/second"


def test_a_promoted_control_reaches_every_inner_parameter() -> None:
    flat = flatten(instance(radius=9.0), CATALOG)
    assert [flat.nodes[NodeId(f"soft/{name}")].parameters["radius"] for name in ("first", "second")] == [9.0, 9.0]


def test_two_instances_share_a_definition_and_keep_their_own_values() -> None:
    graph = instance(radius=9.0)
    other = NodeId("soft_2")
    graph = replace(
        graph,
        nodes={**graph.nodes, other: Node(subgraph_type(SOFT))},
        links={**graph.links, ends("soft_2.image"): ends("load.image")},
    )
    flat = flatten(graph, CATALOG)
    assert flat.nodes[NodeId("soft/first")].parameters == {"radius": 9.0}
    assert flat.nodes[NodeId("soft_2/first")].parameters == {}


def test_nested_instances_pass_values_and_wires_through() -> None:
    outer = SubgraphId("outer")
    wrapper = Subgraph(
        "Wrapper",
        graph_of({"inner": subgraph_type(SOFT)}),
        inputs=(Port("picture", (ends("inner.image"),)), Port("amount", (ends("inner.radius"),))),
        outputs=(Port("result", (ends("inner.image"),)),),
    )
    graph = graph_of(
        {"load": "image/Load", "w": subgraph_type(outer), "save": "image/Save"},
        w__picture="load.image",
        save__image="w.result",
    )
    graph = replace(graph, subgraphs={SOFT: SOFTEN, outer: wrapper})
    graph, _ = SetParameter(NodeId("w"), "amount", 3.0).apply(graph)
    flat = flatten(graph, CATALOG)
    assert flat.nodes[NodeId("w/inner/first")].inputs == {"image": ends("load.image")}
    assert flat.nodes[NodeId("w/inner/second")].parameters["radius"] == 3.0
    assert str(flat.nodes[NodeId("save")].inputs["image"]) == "w/inner/second.image"
    spec = subgraph_spec(graph, subgraph_type(outer), CATALOG)
    assert spec is not None
    assert [(one.name, str(one.type)) for one in (*spec.inputs, *spec.outputs)] == [
        ("picture", "Image"), ("amount", "Float"), ("result", "Image"),
    ]  # fmt: skip
    assert spec.inputs_by_name["amount"].control == Number(0, 128)


def test_a_muted_instance_mutes_what_is_inside() -> None:
    flat = flatten(with_mode(instance(), "soft", Mode.MUTED), CATALOG)
    assert set(flat.nodes) == {"load"}


def test_a_bypassed_instance_passes_its_input_on() -> None:
    flat = flatten(with_mode(instance(), "soft", Mode.BYPASSED), CATALOG)
    assert flat.nodes[NodeId("save")].inputs == {"image": ends("load.image")}


def test_a_file_made_to_explode_is_refused_at_once() -> None:
    levels = 40
    subgraphs = {SubgraphId("l0"): Subgraph("l0", graph_of({"a": "latent/Empty"}))}
    for level in range(1, levels):
        below = subgraph_type(SubgraphId(f"l{level - 1}"))
        subgraphs[SubgraphId(f"l{level}")] = Subgraph(f"l{level}", graph_of({"a": below, "b": below}))
    graph = replace(graph_of({"top": subgraph_type(SubgraphId(f"l{levels - 1}"))}), subgraphs=subgraphs)
    with pytest.raises(DocumentError, match="unfold"):
        flatten(graph, CATALOG)
