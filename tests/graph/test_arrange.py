"""Nodes line up, spread evenly, and lie in layers, without lying on each other."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from studio.graph.arrange import Edge, align, distribute, tidy
from studio.graph.graph import Graph, Node, NodeId, Point
from tests.graph.catalog import graph_of
from tests.strategies import graphs


def placed(places: dict[str, Point], pinned: str = "") -> Graph:
    return Graph({NodeId(id): Node("a/B", position=at, pinned=id == pinned) for id, at in places.items()})


def ids(graph: Graph) -> list[NodeId]:
    return list(graph.nodes)


def test_nodes_line_up_at_edges_and_in_the_middle() -> None:
    graph = placed({"a": (0, 0), "b": (50, 100), "c": (90, 10)})
    sizes = {NodeId("a"): (100.0, 40.0), NodeId("b"): (20.0, 40.0), NodeId("c"): (60.0, 80.0)}
    at = {edge: align(graph, ids(graph), sizes, edge).positions for edge in Edge}
    assert {x for x, _ in at[Edge.LEFT].values()} == {0}
    assert at[Edge.RIGHT] == {"a": (50, 0), "b": (130, 100), "c": (90, 10)}
    assert at[Edge.CENTER] == {"a": (25, 0), "b": (65, 100), "c": (45, 10)}
    assert {y for _, y in at[Edge.TOP].values()} == {0}
    assert at[Edge.BOTTOM] == {"a": (0, 100), "b": (50, 100), "c": (90, 60)}


def test_gaps_become_equal_and_the_ends_stay() -> None:
    graph = placed({"a": (0, 0), "b": (110, 7), "c": (400, 0)})
    sizes = dict.fromkeys(ids(graph), (100.0, 50.0))
    assert distribute(graph, ids(graph), sizes, across=True).positions == {"b": (200, 7)}
    assert distribute(graph, ids(graph)[:2], sizes, across=True).positions == {}


def test_a_pinned_node_stays() -> None:
    graph = placed({"a": (0, 0), "b": (50, 100)}, pinned="b")
    sizes = dict.fromkeys(ids(graph), (100.0, 50.0))
    for edit in (align(graph, ids(graph), sizes, Edge.RIGHT), tidy(graph, ids(graph), sizes)):
        assert "b" not in edit.positions


def test_every_node_stands_right_of_what_feeds_it() -> None:
    graph = graph_of(
        {"load": "image/Load", "blur": "image/Blur", "grid": "image/Grid", "save": "image/Save", "alone": "image/Load"},
        blur__image="load.image",
        grid__images="blur.image",
        save__image="grid.image",
    )
    sizes = dict.fromkeys(graph.nodes, (200.0, 90.0))
    tidied, _ = tidy(graph, list(graph.nodes), sizes).apply(graph)
    for input, output in graph.links.items():
        source, target = tidied.nodes[output.node].position, tidied.nodes[input.node].position
        assert target[0] >= source[0] + 200
        assert abs(target[1] - source[1]) <= 8
    assert tidied.nodes[NodeId("alone")].position[1] > tidied.nodes[NodeId("load")].position[1]


def test_parallel_ways_do_not_cross() -> None:
    graph = graph_of(
        dict.fromkeys(("a1", "a2", "b1", "b2", "c1", "c2"), "image/Blur"),
        b1__image="a1.image", b2__image="a2.image", c1__image="b1.image", c2__image="b2.image",
    )  # fmt: skip
    nodes = {
        id: replace(node, position=(0.0, 100.0 * (id[1] == "1") * (id[0] == "b"))) for id, node in graph.nodes.items()
    }
    graph = replace(graph, nodes=nodes)
    tidied, _ = tidy(graph, list(graph.nodes), dict.fromkeys(graph.nodes, (200.0, 90.0))).apply(graph)
    order = {
        letter: tidied.nodes[NodeId(f"{letter}1")].position[1] < tidied.nodes[NodeId(f"{letter}2")].position[1]
        for letter in "abc"
    }
    assert len(set(order.values())) == 1


@given(graphs(), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_tidied_nodes_never_lie_on_each_other(graph: Graph, seed: int) -> None:
    nodes = {id: replace(node, pinned=False, position=_near(node.position)) for id, node in graph.nodes.items()}
    graph = replace(graph, nodes=nodes)
    sizes = {id: (60.0 + 40 * ((len(id) * seed) % 5), 30.0 + 50 * (len(id) % seed)) for id in graph.nodes}
    places = tidy(graph, list(graph.nodes), sizes).positions
    assert places.keys() == graph.nodes.keys()
    for first, second in combinations(places, 2):
        apart = [
            places[a][axis] + sizes[a][axis] <= places[b][axis]
            for a, b in ((first, second), (second, first))
            for axis in (0, 1)
        ]
        assert any(apart), (first, second)


def _near(place: Point) -> Point:
    """A place on a canvas that somebody could look at: far beyond it, numbers have no room for a node's width."""
    return place[0] % 100_000, place[1] % 100_000
