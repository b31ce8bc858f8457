"""`--set NODE.PARAM=VALUE` reads values as the parameter's type does, and names what is wrong."""

from __future__ import annotations

import pytest

from studio.cli.values import read_assignment, set_values
from studio.graph.edits import SetParameter
from studio.graph.errors import Misuse
from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.graph.spec import Catalog, Input, NodeSpec, Number, Options, Output, Seed, TextField, Toggle
from studio.graph.types import BOOL, FLOAT, INT, LATENT, TEXT, list_of

SPEC = NodeSpec(
    "sample/Sample",
    "Sample",
    inputs=(
        Input("latent", LATENT),
        Input("steps", INT, control=Number(1, 1000), default=20),
        Input("guidance", FLOAT, control=Number(0, 50), default=7.0),
        Input("seed", INT, control=Seed(), default=0),
        Input("sampler", TEXT, control=Options(("euler", "dpmpp_2m")), default="euler"),
        Input("preview", BOOL, control=Toggle(), default=True),
        Input("note", TEXT, control=TextField(), default=""),
        Input("sigmas", list_of(FLOAT), control=TextField(), default=None),
    ),
    outputs=(Output("latent", LATENT), Output("steps", INT)),
)
CATALOG = Catalog.of([SPEC])
SAMPLER, OTHER = NodeId("sampler"), NodeId("other")
GRAPH = Graph(
    {SAMPLER: Node("sample/Sample"), OTHER: Node("sample/Sample"), NodeId("odd"): Node("gone/Node")},
    {Socket(OTHER, "steps"): Socket(SAMPLER, "steps")},
)


@pytest.mark.parametrize(
    ("assignment", "name", "value"),
    [
        ("sampler.steps=8", "steps", 8),
        (" sampler.steps = 8", "steps", 8),
        ("sampler.guidance=7", "guidance", 7.0),
        ("sampler.guidance=2.5e0", "guidance", 2.5),
        ("sampler.seed=9223372036854775807", "seed", 2**63 - 1),
        ("sampler.sampler=dpmpp_2m", "sampler", "dpmpp_2m"),
        ("sampler.preview=off", "preview", False),
        ("sampler.preview=TRUE", "preview", True),
        ("sampler.note=a = b, c.d=e", "note", "a = b, c.d=e"),
        ("sampler.note=", "note", ""),
        ("sampler.sigmas=[1, 0.5]", "sigmas", [1, 0.5]),
    ],
)
def test_a_value_is_read_by_the_type_of_its_parameter(assignment: str, name: str, value: object) -> None:
    edit = read_assignment(GRAPH, CATALOG, assignment)
    assert edit == SetParameter(SAMPLER, name, value)
    assert type(edit.value) is type(value)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("sampler.steps", "NODE.PARAM=VALUE"),
        ("steps=3", "NODE.PARAM=VALUE"),
        ("", "NODE.PARAM=VALUE"),
        ("samplr.steps=8", "'sampler'"),
        ("sampler.step=8", "'steps'"),
        ("sampler.latent=8", "no parameter 'latent'"),
        ("sampler.steps=many", "'many' is not a whole number"),
        ("sampler.steps=1.5", "whole number"),
        ("sampler.steps=0", "1 to 1000"),
        ("sampler.guidance=nan", "finite"),
        ("sampler.guidance=inf", "finite"),
        ("sampler.seed=-1", "seed"),
        ("sampler.sampler=eular", "euler, dpmpp_2m"),
        ("sampler.preview=maybe", "true or false"),
        ("sampler.sigmas=1 2", "JSON list"),
        ("other.steps=3", "'sampler.steps'"),
        ("odd.steps=3", "gone/Node"),
    ],
)
def test_what_cannot_be_set_is_said_with_the_place(assignment: str, words: str) -> None:
    with pytest.raises(Misuse) as caught:
        read_assignment(GRAPH, CATALOG, assignment)
    assert words in str(caught.value)
    assert "--set" in caught.value.where


def test_the_last_one_of_several_holds() -> None:
    graph = set_values(GRAPH, CATALOG, ["sampler.steps=3", "sampler.steps=4", "other.guidance=1"])
    assert graph.nodes[SAMPLER].parameters == {"steps": 4}
    assert graph.nodes[OTHER].parameters == {"guidance": 1.0}
