"""The workflows that come with the program open, pass every check, and run on the starter model without a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from studio.engine.engine import Engine, RunOptions
from studio.engine.events import RunState
from studio.files.workflow_file import read_workflow, to_text
from studio.graph.check import check
from studio.graph.graph import Graph, NodeId
from studio.resources import resource
from studio.sdk.picture_file import read_picture
from studio.sdk.registry import Registry, load_builtin

TEMPLATES = sorted(resource("templates").glob("*.json"), key=lambda path: path.stem)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_builtin()


class Heard:
    """A report that remembers what went wrong and what was written."""

    def __init__(self) -> None:
        self.trouble: list[object] = []
        self.written: list[Path] = []

    def node_failed(self, *what: object, **more: object) -> None:
        self.trouble.append((what, more))

    run_refused = node_failed

    def wrote(self, node: NodeId, path: Path, media: str) -> None:
        self.written.append(path)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_is_whole_and_describes_itself(path: Path, registry: Registry) -> None:
    opened = read_workflow(path)
    assert opened.warnings == ()
    assert check(opened.workflow.graph, registry.catalog()) == []
    assert opened.workflow.title
    assert len(opened.workflow.description.partition("\n")[0]) < 80, "the first line is shown in a list"
    assert path.read_text("utf-8") == to_text(opened.workflow), "as the program itself writes it"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_wires_of_a_template_lead_to_the_right_and_no_node_lies_on_another(path: Path) -> None:
    graph = read_workflow(path).workflow.graph
    nodes = graph.nodes
    for input, output in graph.links.items():
        left, right = nodes[output.node].position, nodes[input.node].position
        assert left[0] + 216 <= right[0] or (left[0] == right[0] and left[1] < right[1]), (output, input)
    for one, other in combinations(nodes.values(), 2):
        assert abs(one.position[0] - other.position[0]) >= 216 or abs(one.position[1] - other.position[1]) >= 90


def test_the_text_to_image_template_has_the_names_that_the_command_line_is_told_of() -> None:
    graph = read_workflow(resource("templates", "text-to-image.json")).workflow.graph
    assert {id: node.type for id, node in graph.nodes.items()} == {
        "checkpoint": "model/LoadCheckpoint",
        "prompt": "text/EncodePrompt",
        "negative": "text/EncodePrompt",
        "latent": "latent/Empty",
        "sampler": "sample/Sample",
        "decode": "latent/Decode",
        "save": "image/Save",
    }


QUICK: dict[str, dict[str, Any]] = {
    "sampler": {"steps": 1},
    "latent": {"width": 64, "height": 64},
    "seeds": {"count": 3},
    "samplers": {"text": "euler\nUniPC Karras"},
    "steps": {"text": "1\n2"},
    "timesteps": {"count": 2},
    "reverse": {"steps": 2},
}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("text-to-image", (64, 64)),
        ("image-to-image", (8 + 2 * (128 + 8), 8 + 128 + 8)),
        ("seed-grid", (8 + 3 * (64 + 8), 8 + 64 + 8)),
        ("prompt-grid", (8 + 2 * (64 + 8), 8 + 3 * (64 + 8))),
        ("picture-filters", (576, 704)),
        ("sampler-steps-grid", (8 + 4 * (64 + 8), 8 + 64 + 8)),
        ("forward-and-reverse", (8 + 5 * (64 + 8), 8 + 2 * (64 + 8))),
    ],
)
def test_a_template_runs(name: str, size: tuple[int, int], registry: Registry, tmp_path: Path) -> None:
    """Smaller, and with fewer steps, than an artist would."""
    graph = read_workflow(resource("templates", f"{name}.json")).workflow.graph
    quick = changed(graph, QUICK)
    heard: Any = Heard()
    engine = Engine(registry)
    try:
        state = engine.run(quick, (), RunOptions(tmp_path), heard)
    finally:
        engine.close()
    assert heard.trouble == []
    assert state is RunState.DONE
    (written,) = heard.written
    assert written.parent == tmp_path
    assert read_picture(written).size == size


def changed(graph: Graph, values: dict[str, dict[str, Any]]) -> Graph:
    nodes = {
        id: replace(node, parameters={**node.parameters, **values.get(id, {})}) if id in values else node
        for id, node in graph.nodes.items()
    }
    return replace(graph, nodes=nodes)
