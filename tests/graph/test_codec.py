from __future__ import annotations

import math

import pytest

from studio.graph.codec import check_value, decode, encode
from studio.graph.edits import AddNodes, AnyEdit, Batch, InSubgraph, SetParameter, edit_from_plain, edit_to_plain
from studio.graph.errors import CodecError
from studio.graph.graph import Graph, Node, NodeId, SubgraphId
from studio.graph.spec import Catalog, FileField, Input, ModelField, NodeSpec
from studio.graph.types import TEXT
from tests.graph.catalog import CATALOG, ends, graph_of


def test_a_catalog_survives_the_border() -> None:
    assert decode(Catalog, encode(CATALOG)) == CATALOG


def test_a_control_with_a_kind_of_its_own_is_told_from_the_kind_of_control() -> None:
    controls = (ModelField("checkpoint"), FileField("save", ("*.png",)))
    spec = NodeSpec("a/B", "B", inputs=tuple(Input(f"i{at}", TEXT, control=one) for at, one in enumerate(controls)))
    assert decode(NodeSpec, encode(spec)) == spec


def test_defaults_are_left_out() -> None:
    assert encode(Node("image/Blur")) == {"type": "image/Blur"}


@pytest.mark.parametrize(
    ("plain", "where"),
    [
        ({"nodes": []}, "nodes"),
        ({"nodes": {"a": {}}}, "nodes.a"),
        ({"nodes": {"a": {"type": 3}}}, "nodes.a.type"),
        ({"nodes": {"a": {"type": "x", "position": [0, math.nan]}}}, "nodes.a.position[1]"),
        ({"nodes": {"a": {"type": "x", "position": [0]}}}, "nodes.a.position"),
        ({"nodes": {"a": {"type": "x", "mode": "asleep"}}}, "nodes.a.mode"),
        ({"nodes": {"a": {"type": "x", "parameters": {"p": [1, math.inf]}}}}, "nodes.a.parameters.p[1]"),
        ({"links": {"a": "b.c"}}, "links"),
        ({"wires": {}}, ""),
        (7, ""),
    ],
)
def test_data_of_another_shape_is_refused_with_its_place(plain: object, where: str) -> None:
    with pytest.raises(CodecError) as caught:
        decode(Graph, plain)
    assert caught.value.where == where


def test_edits_carry_their_kind() -> None:
    edit: AnyEdit = Batch(
        (
            SetParameter(NodeId("a"), "text", "x"),
            InSubgraph(
                SubgraphId("s"), AddNodes({NodeId("b"): Node("image/Load")}, {ends("b.image"): ends("a.image")})
            ),
        ),
        "both",
    )
    plain = edit_to_plain(edit)
    assert plain["is"] == "Batch"
    assert edit_from_plain(plain) == edit
    with pytest.raises(CodecError):
        edit_from_plain({"is": "Explode"})


def test_endless_nesting_is_refused_not_a_crash() -> None:
    deep: object = 0
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(CodecError):
        check_value(deep)
    nested: object = {"is": "Batch", "edits": []}
    for _ in range(5_000):
        nested = {"is": "Batch", "edits": [nested]}
    with pytest.raises(CodecError):
        edit_from_plain(nested)


def test_a_graph_survives_the_border() -> None:
    graph = graph_of({"load": "image/Load", "save": "image/Save"}, save__image="load.image")
    assert decode(Graph, encode(graph)) == graph
