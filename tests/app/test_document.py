from __future__ import annotations

from studio.app.document import Document
from studio.graph.graph import Graph, Node, NodeId
from studio.graph.spec import Catalog, Input, Migration, NodeSpec, Number
from studio.graph.types import FLOAT
from studio.graph.workflow import Workflow

FADE = NodeSpec(
    "my/Fade",
    "Fade",
    inputs=(Input("strength", FLOAT, control=Number(0, 1), default=0.5),),
    version=2,
    migrations=(Migration(to=2, renamed={"amount": "strength"}),),
)
OLD = Graph({NodeId("fade"): Node("my/Fade", {"amount": 0.25}, version=1)})


def test_nodes_of_an_earlier_version_are_brought_forward_as_one_step() -> None:
    document = Document(Workflow(OLD))
    (note,) = document.bring_forward(Catalog.of([FADE]))
    assert "fade" in note
    fade = document.graph.nodes[NodeId("fade")]
    assert (fade.parameters, fade.version) == ({"strength": 0.25}, 2)
    assert document.dirty
    document.history.undo()
    assert document.graph == OLD


def test_nothing_to_bring_forward_is_no_step() -> None:
    document = Document(Workflow(OLD))
    assert document.bring_forward(Catalog()) == ()
    assert not document.history.can_undo
