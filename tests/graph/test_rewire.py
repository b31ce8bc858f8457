"""Nodes go, come between, and change their type, and the wires around them stay whole."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from studio.graph.edits import AnyEdit, SetNode
from studio.graph.graph import Graph, NodeId
from studio.graph.rewire import extract, heal, insert, swap_inputs, swap_type
from tests.graph.catalog import CATALOG, ends, graph_of
from tests.strategies import graphs

CHAIN = graph_of(
    {"load": "image/Load", "blur": "image/Blur", "more": "image/Blur", "save": "image/Save"},
    blur__image="load.image",
    more__image="blur.image",
    save__image="more.image",
)


def after(graph: Graph, edit: AnyEdit | None) -> Graph:
    assert edit is not None
    changed, back = edit.apply(graph)
    assert back.apply(changed)[0] == graph
    return changed


def test_what_a_removed_node_fed_gets_what_reached_it() -> None:
    healed = after(CHAIN, heal(CHAIN, CATALOG, [NodeId("blur"), NodeId("more")]))
    assert set(healed.nodes) == {"load", "save"}
    assert healed.links == {ends("save.image"): ends("load.image")}


def test_a_wire_that_nothing_reaches_is_cut() -> None:
    decoded = graph_of(
        {"latent": "latent/Empty", "decode": "latent/Decode", "save": "image/Save"},
        decode__latent="latent.latent",
        save__image="decode.image",
    )
    assert after(decoded, heal(decoded, CATALOG, [NodeId("decode")])).links == {}


def test_nodes_come_out_of_their_wires_and_keep_their_own() -> None:
    taken = after(CHAIN, extract(CHAIN, CATALOG, [NodeId("blur"), NodeId("more")]))
    assert set(taken.nodes) == set(CHAIN.nodes)
    assert taken.links == {ends("more.image"): ends("blur.image"), ends("save.image"): ends("load.image")}


def test_a_node_goes_between_what_a_wire_joins() -> None:
    graph = graph_of({"load": "image/Load", "save": "image/Save", "blur": "image/Blur"}, save__image="load.image")
    joined = after(graph, insert(graph, CATALOG, NodeId("blur"), ends("save.image")))
    assert joined.links == {ends("blur.image"): ends("load.image"), ends("save.image"): ends("blur.image")}


def test_a_generic_node_goes_between_too_but_none_that_does_not_fit() -> None:
    nodes = {"load": "image/Load", "save": "image/Save", "switch": "logic/Switch", "decode": "latent/Decode"}
    graph = graph_of(nodes, save__image="load.image")
    switched = after(graph, insert(graph, CATALOG, NodeId("switch"), ends("save.image")))
    assert switched.links == {ends("switch.yes"): ends("load.image"), ends("save.image"): ends("switch.value")}
    assert insert(graph, CATALOG, NodeId("decode"), ends("save.image")) is None
    assert insert(graph, CATALOG, NodeId("save"), ends("save.image")) is None


def test_another_type_keeps_wires_and_values_that_fit() -> None:
    graph = after(CHAIN, SetNode(NodeId("blur"), replace(CHAIN.nodes[NodeId("blur")], parameters={"radius": 9.0})))
    switch, blur = CATALOG.get("logic/Switch"), CATALOG.get("image/Blur")
    assert switch is not None
    assert blur is not None
    swapped = after(graph, swap_type(graph, CATALOG, NodeId("blur"), switch))
    assert swapped.links[ends("blur.yes")] == ends("load.image")
    assert swapped.links[ends("more.image")] == ends("blur.value")
    assert swapped.nodes[NodeId("blur")].parameters == {}
    same = after(graph, swap_type(graph, CATALOG, NodeId("blur"), blur))
    assert same == graph


def test_what_two_inputs_are_fed_by_changes_places() -> None:
    graph = graph_of(
        {"a": "image/Load", "b": "image/Load", "switch": "logic/Switch"},
        switch__yes="a.image",
        switch__no="b.image",
    )
    swapped = after(graph, swap_inputs(graph, ends("switch.yes"), ends("switch.no")))
    assert swapped.links == {ends("switch.yes"): ends("b.image"), ends("switch.no"): ends("a.image")}
    half = graph_of({"a": "image/Load", "switch": "logic/Switch"}, switch__yes="a.image")
    moved = after(half, swap_inputs(half, ends("switch.yes"), ends("switch.no")))
    assert moved.links == {ends("switch.no"): ends("a.image")}


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_no_graph_is_left_with_a_link_to_nowhere(data: st.DataObject) -> None:
    graph = data.draw(graphs())
    chosen = data.draw(st.sets(st.sampled_from(sorted(graph.nodes)))) if graph.nodes else set()
    for edit in (heal(graph, CATALOG, chosen), extract(graph, CATALOG, chosen)):
        changed = after(graph, edit)
        for input, output in changed.links.items():
            assert input.node in changed.nodes
            assert output.node in changed.nodes
