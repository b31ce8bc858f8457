"""`wirelight convert`, `strip`, `diff` and `models --missing`."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from studio.app.catalog import CATALOG_FILE, code_stamp, keep_stamp
from studio.app.settings import Settings
from studio.cli import BAD_INPUT, FAILED, OK, main
from studio.files.containers.stripping import strip_texts
from studio.files.workflow_file import read_workflow, write_workflow
from studio.graph.graph import Graph, Node, NodeId
from studio.graph.workflow import Workflow
from studio.library.places import places
from studio.protocol.catalog_file import write_catalog
from studio.protocol.messages import CatalogSent
from tests.files.comfyui.small import text_to_picture
from tests.files.containers import made
from tests.graph.catalog import CATALOG


@pytest.fixture(autouse=True)
def known_nodes(home: Path) -> None:
    write_catalog(places().cache / CATALOG_FILE, CatalogSent(CATALOG))
    keep_stamp(code_stamp(Settings(), places()), places())


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.png"
    path.write_bytes(made.png({"workflow": json.dumps(text_to_picture())}))
    return path


def test_a_picture_of_theirs_becomes_a_file_of_ours_and_theirs_again(
    theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, api = tmp_path / "ours.json", tmp_path / "api.json"
    assert main(["convert", str(theirs), "--out", str(ours)]) == OK
    assert read_workflow(ours).workflow.graph == read_workflow(theirs).workflow.graph
    assert main(["convert", str(ours), "--to", "comfyui-api", "--out", str(api), "--json"]) == OK
    told = capsys.readouterr().out
    assert json.loads(told[told.index("{") :])["out"] == str(api)
    assert json.loads(api.read_bytes())["3"]["inputs"]["steps"] == 25
    assert main(["convert", str(ours), "--out", str(api)]) == BAD_INPUT
    assert main(["convert", str(theirs), "--to", "comfyui-api"]) == OK
    assert '"KSampler"' in capsys.readouterr().out


def test_two_workflows_are_compared_by_what_they_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = Graph({NodeId("blur"): Node("image/Blur", {"radius": 4.0}), NodeId("old"): Node("image/Save")})
    blur = replace(first.nodes[NodeId("blur")], parameters={"radius": 9.0}, position=(5.0, 5.0))
    second = Graph({NodeId("blur"): blur, NodeId("new"): Node("image/Load")})
    paths = []
    for name, graph in (("a", first), ("b", second)):
        paths.append(str(tmp_path / f"{name}.json"))
        write_workflow(Workflow(graph), paths[-1])
    assert main(["diff", *paths, "--json"]) == FAILED
    assert json.loads(capsys.readouterr().out) == [
        {"what": "value", "where": "blur.radius", "before": 4.0, "after": 9.0},
        {"what": "node added", "where": "new", "type": "image/Load"},
        {"what": "node removed", "where": "old", "type": "image/Save"},
    ]
    assert main(["diff", paths[0], paths[0]]) == OK
    assert "do the same" in capsys.readouterr().out


def test_missing_models_of_a_workflow_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.json"
    write_workflow(Workflow(Graph({NodeId("x"): Node("gone/Loader", {"file": "some/where.safetensors"})})), path)
    assert main(["models", "--missing", str(path), "--json"]) == BAD_INPUT
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["some/where.safetensors"]
    write_workflow(Workflow(Graph({NodeId("x"): Node("gone/Loader", {"file": "no model"})})), path)
    assert main(["models", "--missing", str(path)]) == OK


STRIPPED = {
    "a.png": lambda: made.png({"workflow": "secret", "parameters": "secret"}, kind="iTXt"),
    "a.webp": lambda: made.webp(made.exif({0x0110: "prompt:secret"})),
    "a.jpg": lambda: made.jpeg(made.exif({0x0110: "prompt:secret"}), xmp=b"<workflow>secret</workflow>"),
    "a.flac": lambda: made.flac({"workflow": "secret"}),
}


@pytest.mark.parametrize("name", STRIPPED)
def test_a_stripped_file_tells_nothing_and_looks_the_same(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(STRIPPED[name]())
    before = path.read_bytes()
    assert b"secret" in before or name == "a.png"
    assert main(["strip", str(path)]) == OK
    after = path.read_bytes()
    assert b"secret" not in after
    assert len(after) < len(before)
    if name != "a.flac":
        assert (
            Image.open(io.BytesIO(after)).convert("RGB").tobytes()
            == Image.open(io.BytesIO(before)).convert("RGB").tobytes()
        )
    assert strip_texts(after) == after


def test_what_cannot_be_stripped_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    assert main(["strip", str(path)]) == BAD_INPUT
    assert "no whole PNG" in capsys.readouterr().err
