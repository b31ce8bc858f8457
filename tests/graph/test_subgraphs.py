"""Nodes become a subgraph and come out again, and what runs stays the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studio.graph.edits import AnyEdit, SetFrame, SetParameter
from studio.graph.errors import EditRefused
from studio.graph.flat import flatten, subgraph_spec
from studio.graph.graph import Frame, FrameId, Graph, NodeId, SubgraphId
from studio.graph.subgraphs import instances, make_subgraph, separate_instance, unpack_subgraph
from tests.graph.catalog import CATALOG, ends, graph_of

CHAIN = graph_of(
    {"load": "image/Load", "blur": "image/Blur", "more": "image/Blur", "switch": "logic/Switch", "save": "image/Save"},
    blur__image="load.image",
    more__image="blur.image",
    switch__no="load.image",
    switch__yes="more.image",
    save__image="switch.value",
)
BLURS = (NodeId("blur"), NodeId("more"))


def after(graph: Graph, edit: AnyEdit) -> Graph:
    changed, back = edit.apply(graph)
    assert back.apply(changed)[0] == graph
    return changed


def running(graph: Graph) -> dict[str, dict[str, str]]:
    """Type and what feeds each input of every node that runs, by the last word of its path."""
    flat = flatten(graph, CATALOG)
    last = {id: id.rpartition("/")[2] for id in flat.nodes}
    return {
        last[id]: {"": node.type, **{name: f"{last[end.node]}.{end.name}" for name, end in node.inputs.items()}}
        for id, node in flat.nodes.items()
    }


def test_the_same_nodes_run_before_and_after() -> None:
    made = make_subgraph(CHAIN, BLURS, "Soften twice")
    changed = after(CHAIN, made.edit)
    assert made.instance == "soften_twice"
    assert set(changed.nodes) == {"load", "switch", "save", "soften_twice"}
    assert running(changed) == running(CHAIN)
    spec = subgraph_spec(changed, changed.nodes[made.instance].type, CATALOG)
    assert spec is not None
    assert [one.name for one in spec.inputs] == ["image"]
    assert [str(one.type) for one in spec.outputs] == ["Image"]
    out = unpack_subgraph(changed, made.instance)
    again = after(changed, out.edit)
    assert running(again) == running(CHAIN)
    assert not again.subgraphs
    assert set(out.nodes) == set(BLURS)


def test_one_source_that_feeds_several_nodes_has_one_port() -> None:
    made = make_subgraph(CHAIN, [NodeId("blur"), NodeId("more"), NodeId("switch")], "All")
    definition = after(CHAIN, made.edit).subgraphs[made.subgraph]
    assert len(definition.inputs) == 1
    assert set(definition.inputs[0].inner) == {ends("blur.image"), ends("switch.no")}
    assert running(after(CHAIN, made.edit)) == running(CHAIN)


def test_a_detour_is_refused_and_named() -> None:
    with pytest.raises(EditRefused, match="more") as refused:
        make_subgraph(CHAIN, [NodeId("blur"), NodeId("switch")], "Torn")
    assert refused.value.where == "more"


def test_values_of_an_instance_come_out_with_its_nodes() -> None:
    made = make_subgraph(CHAIN, BLURS, "Soften")
    graph = after(CHAIN, made.edit)
    definition = graph.subgraphs[made.subgraph]
    promoted = replace(
        definition,
        inputs=(*definition.inputs, replace(definition.inputs[0], name="radius", inner=(ends("blur.radius"),))),
    )
    graph = replace(graph, subgraphs={made.subgraph: promoted})
    graph = after(graph, SetParameter(made.instance, "radius", 12.0))
    again = after(graph, unpack_subgraph(graph, made.instance).edit)
    assert again.nodes[NodeId("blur")].parameters == {"radius": 12.0}


def test_the_definition_stays_while_another_instance_needs_it() -> None:
    made = make_subgraph(CHAIN, BLURS, "Soften")
    graph = after(CHAIN, made.edit)
    twice = replace(graph, nodes={**graph.nodes, NodeId("second"): graph.nodes[made.instance]})
    assert instances(twice, made.subgraph) == [made.instance, "second"]
    again = after(twice, unpack_subgraph(twice, made.instance).edit)
    assert set(again.subgraphs) == {made.subgraph}
    own = after(twice, separate_instance(twice, NodeId("second")))
    assert len(own.subgraphs) == 2
    assert own.nodes[NodeId("second")].type != own.nodes[made.instance].type
    assert len(flatten(own, CATALOG).nodes) == len(flatten(twice, CATALOG).nodes)


def test_frames_go_along() -> None:
    graph = after(CHAIN, SetFrame(FrameId("f"), Frame("Blurs")))
    made = make_subgraph(graph, BLURS, "Soften", frames=[FrameId("f")])
    changed = after(graph, made.edit)
    assert not changed.frames
    assert set(changed.subgraphs[made.subgraph].graph.frames) == {"f"}
    assert set(after(changed, unpack_subgraph(changed, made.instance).edit).frames) == {"f"}


def test_what_is_no_subgraph_cannot_be_unpacked() -> None:
    with pytest.raises(EditRefused, match="not a subgraph"):
        unpack_subgraph(CHAIN, NodeId("blur"))
    assert instances(CHAIN, SubgraphId("none")) == []
