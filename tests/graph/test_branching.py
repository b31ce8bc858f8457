"""A branch has copies of what differs, and shares the rest."""

from __future__ import annotations

import pytest

from studio.graph.branching import branch, samplers
from studio.graph.edits import SetParameter
from studio.graph.errors import EditRefused, UnknownNode
from studio.graph.graph import Graph, NodeId
from studio.graph.spec import Catalog, Input, NodeSpec, Number, Output, TextField
from studio.graph.types import CONDITIONING, IMAGE, INT, LATENT, MODEL, TEXT, SocketType
from tests.graph.catalog import ends, graph_of

TRAIL = SocketType("Trail")
CATALOG = Catalog.of(
    [
        NodeSpec("model/Load", "Load", outputs=(Output("model", MODEL),)),
        NodeSpec(
            "text/Encode",
            "Encode",
            inputs=(Input("model", MODEL), Input("text", TEXT, control=TextField(), default="")),
            outputs=(Output("conditioning", CONDITIONING),),
        ),
        NodeSpec(
            "text/Window",
            "Window",
            inputs=(Input("conditioning", CONDITIONING),),
            outputs=(Output("conditioning", CONDITIONING),),
        ),
        NodeSpec(
            "sample/Sample",
            "Sample",
            inputs=(
                Input("model", MODEL),
                Input("positive", CONDITIONING),
                Input("start", TRAIL, optional=True),
                Input("start_step", INT, control=Number(0, 1000), default=0),
                Input("steps", INT, control=Number(1, 1000), default=20),
            ),
            outputs=(Output("latent", LATENT), Output("trail", TRAIL)),
        ),
        NodeSpec("latent/Decode", "Decode", inputs=(Input("latent", LATENT),), outputs=(Output("image", IMAGE),)),
        NodeSpec("image/Save", "Save", inputs=(Input("image", IMAGE),), effect=True),
    ]
)
SAMPLER, PROMPT = NodeId("sampler"), NodeId("prompt")
GRAPH = graph_of(
    {
        "load": "model/Load", "prompt": "text/Encode", "window": "text/Window", "sampler": "sample/Sample",
        "decode": "latent/Decode", "save": "image/Save", "other": "text/Encode",
    },
    prompt__model="load.model", window__conditioning="prompt.conditioning", sampler__model="load.model",
    sampler__positive="window.conditioning", decode__latent="sampler.latent", save__image="decode.image",
    other__model="load.model",
)  # fmt: skip


def applied(graph: Graph, branched: object) -> Graph:
    changed, back = branched.edit.apply(graph)  # type: ignore[attr-defined]
    assert back.apply(changed)[0] == graph
    return changed


def test_a_branch_copies_the_sampler_and_all_that_it_feeds() -> None:
    branched = branch(GRAPH, CATALOG, SAMPLER, 8)
    changed = applied(GRAPH, branched)
    assert branched.sampler == "sampler_2"
    assert set(branched.nodes) == {"sampler_2", "decode_2", "save_2"}
    assert changed.links[ends("sampler_2.start")] == ends("sampler.trail")
    assert changed.nodes[branched.sampler].parameters["start_step"] == 8
    assert changed.nodes[branched.sampler].title == "Sample from step 8"
    assert changed.links[ends("sampler_2.positive")] == ends("window.conditioning")
    assert changed.links[ends("save_2.image")] == ends("decode_2.image")


def test_what_is_changed_and_what_lies_between_is_the_branchs_own() -> None:
    branched = branch(GRAPH, CATALOG, SAMPLER, 8, {ends("prompt.text"): "a red boat", ends("sampler.steps"): 30})
    changed = applied(GRAPH, branched)
    assert {"prompt_2", "window_2"} <= set(branched.nodes)
    assert changed.nodes[NodeId("prompt_2")].parameters == {"text": "a red boat"}
    assert changed.nodes[PROMPT].parameters == {}
    assert changed.links[ends("sampler_2.positive")] == ends("window_2.conditioning")
    assert changed.links[ends("prompt_2.model")] == ends("load.model")
    assert changed.nodes[branched.sampler].parameters["steps"] == 30


def test_copies_that_an_artist_is_about_to_change_come_along() -> None:
    branched = branch(GRAPH, CATALOG, SAMPLER, 3, also=[NodeId("window")])
    assert "window_2" in branched.nodes
    assert "prompt_2" not in branched.nodes


def test_a_branch_of_a_branch_begins_at_that_one() -> None:
    once = applied(GRAPH, first := branch(GRAPH, CATALOG, SAMPLER, 8))
    twice = applied(once, branch(once, CATALOG, first.sampler, 12))
    assert twice.links[ends("sampler_3.start")] == ends("sampler_2.trail")
    assert twice.nodes[NodeId("sampler_3")].parameters["start_step"] == 12


def test_copies_lie_on_nothing() -> None:
    sizes = dict.fromkeys(GRAPH.nodes, (200.0, 300.0))
    branched = branch(GRAPH, CATALOG, SAMPLER, 8, sizes=sizes)
    changed = applied(GRAPH, branched)
    lowest = max(changed.nodes[id].position[1] + 300 for id in GRAPH.nodes)
    assert all(changed.nodes[id].position[1] > lowest for id in branched.nodes)


@pytest.mark.parametrize(
    ("node", "step", "change", "why"),
    [
        ("decode", 3, None, "no steps"),
        ("sampler", -1, None, "no step -1"),
        ("sampler", 3, "other.text", "neither feeds"),
    ],
)
def test_what_cannot_be_is_refused(node: str, step: int, change: str | None, why: str) -> None:
    changes = {ends(change): "x"} if change else {}
    with pytest.raises(EditRefused, match=why):
        branch(GRAPH, CATALOG, NodeId(node), step, changes)
    with pytest.raises(UnknownNode):
        branch(GRAPH, CATALOG, NodeId("none"), 3)


def test_samplers_are_found() -> None:
    assert samplers(GRAPH, CATALOG) == [SAMPLER]
    changed, _ = SetParameter(SAMPLER, "steps", 3).apply(GRAPH)
    assert samplers(changed, CATALOG) == [SAMPLER]
