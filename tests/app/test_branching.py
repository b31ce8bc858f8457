"""A branch is one edit: what changes is copied, what does not is shared, and it begins from the original's trail."""

from __future__ import annotations

from itertools import combinations

import pytest

from nodes.sample import sample_
from studio.app.branching import branch, branched, require_step, sampler_named, samplers
from studio.files.workflow_file import read_workflow
from studio.graph.check import check
from studio.graph.errors import Misuse
from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.graph.spec import Catalog
from studio.resources import resource
from studio.sdk.registry import load_builtin

SAMPLER = NodeId("sampler")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    assert sample_ is not None
    return load_builtin().catalog()


@pytest.fixture(scope="module")
def graph() -> Graph:
    return read_workflow(resource("templates", "text-to-image.json")).workflow.graph


def test_another_prompt_from_a_step_on(graph: Graph, catalog: Catalog) -> None:
    edit = branch(graph, catalog, SAMPLER, 8, {Socket(NodeId("prompt"), "text"): "a blue boat"})
    after, back = edit.apply(graph)
    new = {id for id in after.nodes if id not in graph.nodes}
    assert new == {"prompt_2", "sampler_2", "decode_2", "save_2"}
    assert after.nodes[NodeId("prompt_2")].parameters["text"] == "a blue boat"
    copy = after.nodes[NodeId("sampler_2")]
    assert copy.parameters == {**graph.nodes[SAMPLER].parameters, "start_step": 8}
    links = after.links
    assert links[Socket(NodeId("sampler_2"), "start")] == Socket(SAMPLER, "trail")
    assert links[Socket(NodeId("sampler_2"), "positive")].node == "prompt_2"
    assert links[Socket(NodeId("sampler_2"), "negative")] == graph.links[Socket(SAMPLER, "negative")], "shared"
    assert links[Socket(NodeId("decode_2"), "latent")] == Socket(NodeId("sampler_2"), "latent")
    assert not check(after, catalog)
    assert branched(graph, after) == ("save_2",)
    assert back.apply(after)[0] == graph, "one undo takes it back"


def test_branches_of_branches_and_many_of_them_lie_side_by_side(graph: Graph, catalog: Catalog) -> None:
    first, _ = branch(graph, catalog, SAMPLER, 4).apply(graph)
    second, _ = branch(first, catalog, SAMPLER, 5, {Socket(SAMPLER, "guidance"): 3.0}).apply(first)
    third, _ = branch(second, catalog, NodeId("sampler_2"), 6).apply(second)
    assert third.links[Socket(NodeId("sampler_4"), "start")] == Socket(NodeId("sampler_2"), "trail")
    assert "prompt_2" not in third.nodes, "what did not change is shared"
    assert len(third.nodes) == len(graph.nodes) + 9, "a branch is not copied with its parent"
    assert not check(third, catalog)
    places = [node.position for node in third.nodes.values()]
    assert not [pair for pair in combinations(places, 2) if pair[0] == pair[1]]
    rows = [max(y for _, y in places[len(graph.nodes) + at : len(graph.nodes) + at + 3]) for at in (0, 3, 6)]
    assert rows == sorted(rows)


def test_what_cannot_be_is_refused_with_the_reason(graph: Graph, catalog: Catalog) -> None:
    steps = graph.nodes[SAMPLER].parameters["steps"]
    for node, step, changes, said in (
        ("decode", 3, {}, "no sampler"),
        ("nobody", 3, {}, "no sampler"),
        ("sampler", steps, {}, f"Choose 0 to {steps - 1}"),
        ("sampler", -1, {}, "Choose 0"),
        ("sampler", 3, {Socket(NodeId("nobody"), "text"): "x"}, "not in the graph"),
    ):
        with pytest.raises(Misuse) as refused:
            branch(graph, catalog, NodeId(node), step, changes)
        assert said in str(refused.value)
    alone = Graph({**graph.nodes, NodeId("lonely"): Node("text/EncodePrompt")}, graph.links)
    with pytest.raises(Misuse, match="does not lead"):
        branch(alone, catalog, SAMPLER, 3, {Socket(NodeId("lonely"), "text"): "x"})


def test_the_sampler_that_is_meant(graph: Graph, catalog: Catalog) -> None:
    assert samplers(graph, catalog) == (SAMPLER,)
    assert sampler_named(graph, catalog) == SAMPLER
    two, _ = branch(graph, catalog, SAMPLER, 4).apply(graph)
    with pytest.raises(Misuse, match="2 samplers") as refused:
        sampler_named(two, catalog)
    assert "sampler, sampler_2" in refused.value.mend
    assert sampler_named(two, catalog, "sampler_2") == "sampler_2"
    with pytest.raises(Misuse, match="no sampler"):
        sampler_named(two, catalog, "decode")
    with pytest.raises(Misuse, match="no sampler"):
        sampler_named(Graph(), catalog)
    linked = Graph(graph.nodes, {**graph.links, Socket(SAMPLER, "steps"): Socket(NodeId("size"), "output")})
    require_step(linked, catalog, SAMPLER, 500, 1, 0)
