"""The sampler that is meant, and its steps."""

from __future__ import annotations

import pytest

from nodes.sample import sample_
from studio.app.chosen_sampler import require_step, sampler_named, samplers
from studio.files.workflow_file import read_workflow
from studio.graph.branching import branch
from studio.graph.errors import Misuse
from studio.graph.graph import Graph, NodeId, Socket
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


def test_the_sampler_that_is_meant(graph: Graph, catalog: Catalog) -> None:
    assert samplers(graph, catalog) == (SAMPLER,)
    assert sampler_named(graph, catalog) == SAMPLER
    two, _ = branch(graph, catalog, SAMPLER, 4).edit.apply(graph)
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
    for step in (0, 99):
        with pytest.raises(Misuse, match="Choose 1 to"):
            require_step(graph, catalog, SAMPLER, step, 1, 0)
