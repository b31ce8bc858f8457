from __future__ import annotations

import math
from dataclasses import replace

import pytest

from studio.graph.check import Kind, can_link, check, why_not
from studio.graph.edits import SetNode, SetParameter, SetSubgraph, connect
from studio.graph.graph import Graph, Mode, Node, NodeId, Port, Socket, Subgraph, SubgraphId, Value, subgraph_type
from studio.graph.types import IMAGE, LATENT
from tests.graph.catalog import CATALOG, ends, graph_of

PICTURE = graph_of(
    {"load": "image/Load", "blur": "image/Blur", "save": "image/Save"},
    blur__image="load.image",
    save__image="blur.image",
)


def kinds(graph: Graph) -> list[tuple[Kind, str]]:
    return [(one.kind, one.where) for one in check(graph, CATALOG)]


def test_a_whole_graph_has_no_problem() -> None:
    assert check(PICTURE, CATALOG) == []


def test_a_missing_input_is_named_with_what_it_takes() -> None:
    (problem,) = check(graph_of({"blur": "image/Blur"}), CATALOG)
    assert (problem.kind, problem.where) == (Kind.MISSING_INPUT, "blur.image")
    assert "Image" in problem.mend


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("radius", -1.0, Kind.OUT_OF_RANGE),
        ("radius", math.nan, Kind.NOT_FINITE),
        ("radius", math.inf, Kind.NOT_FINITE),
        ("radius", "four", Kind.WRONG_VALUE),
        ("radius", True, Kind.WRONG_VALUE),
        ("passes", 2.5, Kind.WRONG_VALUE),
        ("passes", 99, Kind.OUT_OF_RANGE),
        ("edge", "pink", Kind.WRONG_VALUE),
        ("fast", 1, Kind.WRONG_VALUE),
        ("rim", "black", Kind.WRONG_VALUE),
        ("seed", -1, Kind.OUT_OF_RANGE),
        ("seed", 2**63, Kind.OUT_OF_RANGE),
        ("falloff", "0 1", Kind.WRONG_VALUE),
        ("falloff", [[0, 1], [1, 0]], Kind.WRONG_VALUE),
        ("strength", 1, Kind.UNKNOWN_PARAMETER),
    ],
)
def test_a_wrong_value_is_found_and_named(name: str, value: Value, kind: Kind) -> None:
    graph, _ = SetParameter(NodeId("blur"), name, value).apply(PICTURE)
    (problem,) = check(graph, CATALOG)
    assert (problem.kind, problem.where) == (kind, f"blur.{name}")
    assert problem.mend


@pytest.mark.parametrize(("name", "value"), [("edge", "reflect"), ("falloff", "0 0.5, 0.2 1, 1 0")])
def test_aliases_of_choices_and_curves_are_taken(name: str, value: Value) -> None:
    graph, _ = SetParameter(NodeId("blur"), name, value).apply(PICTURE)
    assert check(graph, CATALOG) == []


def test_a_linked_parameter_needs_no_value_of_its_own() -> None:
    graph, _ = SetParameter(NodeId("blur"), "edge", "pink").apply(PICTURE)
    fed, _ = connect(ends("blur.edge"), ends("load.image")).apply(graph)
    assert [one.kind for one in check(fed, CATALOG)] == [Kind.TYPE_MISMATCH]


def test_the_wrong_type_is_refused_with_a_node_that_would_convert() -> None:
    graph = graph_of({"empty": "latent/Empty", "save": "image/Save"}, save__image="empty.latent")
    (problem,) = check(graph, CATALOG)
    assert problem.kind is Kind.TYPE_MISMATCH
    assert "latent/Decode" in problem.mend
    refused = can_link(LATENT, IMAGE, CATALOG)
    assert refused is not None
    assert refused.converters[0] == "latent/Decode"


def test_unknown_nodes_and_sockets() -> None:
    graph = graph_of(
        {"x": "other/Thing", "save": "image/Save", "load": "image/Load"}, save__image="x.image", x__in="load.depth"
    )
    assert (Kind.UNKNOWN_NODE, "x") in kinds(graph)
    graph = graph_of({"save": "image/Save", "load": "image/Load"}, save__image="load.depth")
    assert kinds(graph) == [(Kind.UNKNOWN_SOCKET, "load.depth")]


def test_what_is_not_wanted_does_not_block() -> None:
    graph = graph_of({"x": "other/Thing", "load": "image/Load", "save": "image/Save"}, save__image="load.image")
    assert check(graph, CATALOG, [NodeId("save")]) == []


def test_a_circle_is_found_once_and_named() -> None:
    graph = graph_of(
        {"a": "image/Blur", "b": "image/Blur", "c": "image/Blur", "save": "image/Save"},
        a__image="c.image",
        b__image="a.image",
        c__image="b.image",
        save__image="c.image",
    )
    (problem,) = check(graph, CATALOG)
    assert problem.kind is Kind.CYCLE
    assert all(name in problem.what for name in "abc")


def test_two_circles_are_two_findings() -> None:
    graph = graph_of(
        dict.fromkeys("abcd", "image/Blur"),
        a__image="b.image",
        b__image="a.image",
        c__image="d.image",
        d__image="c.image",
    )
    assert [one.kind for one in check(graph, CATALOG)] == [Kind.CYCLE, Kind.CYCLE]


def test_the_gate_refuses_a_link_that_closes_a_circle() -> None:
    refused = why_not(PICTURE, CATALOG, ends("blur.image"), ends("blur.image"))
    assert refused is not None
    graph = graph_of({"a": "image/Blur", "b": "image/Blur"}, b__image="a.image")
    refused = why_not(graph, CATALOG, ends("b.image"), ends("a.image"))
    assert refused is not None
    assert "circle" in refused.reason
    assert why_not(PICTURE, CATALOG, ends("load.mask"), ends("blur.image")) is None


def test_a_muted_node_and_what_needs_it_stay_out() -> None:
    graph, _ = SetNode(NodeId("load"), Node("image/Load", mode=Mode.MUTED)).apply(PICTURE)
    assert check(graph, CATALOG) == []


def test_a_locked_result_stands_for_its_node() -> None:
    broken = graph_of({"x": "other/Thing", "save": "image/Save"}, save__image="x.image")
    locked, _ = SetNode(NodeId("x"), replace(broken.nodes[NodeId("x")], locked="k")).apply(broken)
    assert check(locked, CATALOG) == []


def test_missing_and_endless_subgraphs_are_named() -> None:
    graph = graph_of({"s": subgraph_type(SubgraphId("gone"))})
    (problem,) = check(graph, CATALOG)
    assert (problem.kind, problem.node) == (Kind.BROKEN_SUBGRAPH, "s")
    inside = graph_of({"again": subgraph_type(SubgraphId("me"))})
    graph, _ = SetSubgraph(SubgraphId("me"), Subgraph("Me", inside)).apply(
        graph_of({"s": subgraph_type(SubgraphId("me"))})
    )
    (problem,) = check(graph, CATALOG)
    assert "contains itself" in problem.what


def test_ten_thousand_nodes_in_one_chain() -> None:
    count = 10_000
    nodes = {NodeId(f"n{at}"): Node("image/Blur" if at else "image/Load") for at in range(count)}
    links = {Socket(NodeId(f"n{at}"), "image"): Socket(NodeId(f"n{at - 1}"), "image") for at in range(1, count)}
    graph = Graph(nodes, links)
    assert check(graph, CATALOG) == []
    refused = why_not(graph, CATALOG, ends(f"n{count - 1}.image"), ends("n1.image"))
    assert refused is not None


def test_a_problem_inside_a_subgraph_is_named_by_its_path() -> None:
    inside = Subgraph("Soft", graph_of({"blur": "image/Blur"}), outputs=(Port("image", (ends("blur.image"),)),))
    graph, _ = SetSubgraph(SubgraphId("soft"), inside).apply(graph_of({"s": subgraph_type(SubgraphId("soft"))}))
    assert kinds(graph) == [(Kind.MISSING_INPUT, "s/blur.image")]
