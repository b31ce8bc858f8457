"""`wirelight check`, `nodes` and `templates`; whatever file comes, one clear sentence and exit status 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.app.catalog import CATALOG_FILE, code_stamp, keep_stamp
from studio.app.settings import Settings, change_settings
from studio.cli import BAD_INPUT, OK, main
from studio.files.workflow_file import to_text, write_workflow
from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.graph.workflow import Workflow
from studio.library.places import places
from studio.protocol.catalog_file import write_catalog
from studio.protocol.messages import CatalogSent
from tests.graph.catalog import CATALOG, graph_of

GOOD = graph_of(
    {"load": "image/Load", "blur": "image/Blur", "save": "image/Save"},
    blur__image="load.image",
    save__image="blur.image",
)


@pytest.fixture(autouse=True)
def known_nodes(home: Path) -> None:
    """Node types that an earlier worker told, so that no worker is needed."""
    write_catalog(places().cache / CATALOG_FILE, CatalogSent(CATALOG))
    keep_stamp(code_stamp(Settings(), places()), places())


def written(folder: Path, graph: Graph) -> Path:
    path = folder / "work.json"
    write_workflow(Workflow(graph), path)
    return path


def edited(change: dict[str, Any], *, node: str = "") -> str:
    """The good workflow's text with some fields changed by hand."""
    plain = json.loads(to_text(Workflow(GOOD)))
    (plain["nodes"][node] if node else plain).update(change)
    return json.dumps(plain)


def test_a_good_workflow_is_ready_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, GOOD)
    assert main(["check", str(path)]) == OK
    assert capsys.readouterr().out == f"{path}: 3 nodes, ready to run.\n"
    assert main(["check", str(path), "--json"]) == OK
    assert json.loads(capsys.readouterr().out) == {
        "file": str(path),
        "ok": True,
        "nodes": 3,
        "warnings": [],
        "notes": [],
        "problems": [],
        "missing_models": [],
        "import": None,
    }


def test_a_comfyui_workflow_is_checked_with_a_report_and_its_missing_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "theirs.json"
    path.write_text(
        json.dumps(
            {
                "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
                "2": {"class_type": "FaceMender", "inputs": {"image": ["1", 0], "weights": "faces\\mend.pth"}},
                "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
            }
        )
    )
    assert main(["check", str(path), "--json"]) == BAD_INPUT
    plain = json.loads(capsys.readouterr().out)
    assert (plain["import"]["nodes"], plain["import"]["exact"], plain["import"]["unmapped"]) == (3, 2, 1)
    assert plain["import"]["placeholders"][0]["type"] == "FaceMender"
    assert [one["name"] for one in plain["missing_models"]] == ["faces\\mend.pth"]
    assert {one["kind"] for one in plain["problems"]} >= {"unknown_node"}
    assert main(["check", str(path)]) == BAD_INPUT
    words = capsys.readouterr().out
    assert "From ComfyUI: 2 nodes of 3 came over. Kept as placeholders: FaceMender." in words
    assert "mend.pth" in words


CIRCLE = Graph(
    {NodeId(name): Node("image/Blur") for name in "ab"},
    {Socket(NodeId(one), "image"): Socket(NodeId(other), "image") for one, other in ("ab", "ba")},
)


@pytest.mark.parametrize(
    ("graph", "kind", "node", "socket"),
    [
        (graph_of({"save": "image/Save"}), "missing_input", "save", "image"),
        (graph_of({"x": "gone/Node"}), "unknown_node", "x", ""),
        (Graph({NodeId("e"): Node("image/Load", {"pth": ""})}), "unknown_parameter", "e", "pth"),
        (CIRCLE, "cycle", "b", ""),
        (
            graph_of({"e": "latent/Empty", "save": "image/Save"}, save__image="e.latent"),
            "type_mismatch",
            "save",
            "image",
        ),
    ],
)
def test_every_problem_has_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], graph: Graph, kind: str, node: str, socket: str
) -> None:
    path = written(tmp_path, graph)
    assert main(["check", str(path), "--json"]) == BAD_INPUT
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [(one["kind"], one["node"], one.get("socket", "")) for one in problems] == [(kind, node, socket)]
    assert problems[0]["what"]
    assert main(["check", str(path)]) == BAD_INPUT
    assert capsys.readouterr().out.startswith(f"{path}: {node}{'.' + socket if socket else ''}: ")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe\xfa",
        b"hello",
        b"[]",
        b"{}",
        b'{"format": "other"}',
        to_text(Workflow(GOOD))[:200].encode(),
        edited({"version": 999}).encode(),
        edited({"version": "one"}).encode(),
        edited({"nodes": 3}).encode(),
        edited({"nodes": {"a": {"type": 5}}}).encode(),
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        to_text(Workflow(GOOD)).replace('"image/Blur"', "NaN").encode(),
        b'{"format": "wirelight", "version": 1}',
    ],
    ids=lambda content: content[:12].decode(errors="replace") + f"~{len(content)}",
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_every_sentence_about_an_unreadable_file_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, command: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    status = main([command, str(path)])
    out, err = capsys.readouterr()
    assert status == BAD_INPUT
    lines = (out + err).splitlines()
    assert lines
    assert all(str(path) in line for line in lines)


def test_a_huge_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.write(b'{"format": "wirelight", "version": 1, "x": "')
        file.truncate(10 * 2**30)
    assert main(["run", str(path)]) == BAD_INPUT
    err = capsys.readouterr().err
    assert err.startswith(f"wirelight: {path}: ")
    assert len(err.splitlines()) == 1


def test_a_number_that_is_none_is_named_with_node_and_parameter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nan.json"
    path.write_text(edited({"parameters": {"radius": "@"}}, node="blur").replace('"@"', "NaN"))
    assert main(["check", str(path)]) == BAD_INPUT
    out, err = capsys.readouterr()
    assert "blur" in out + err
    assert "radius" in out + err


@pytest.mark.parametrize("name", ["absent.json", "folder/absent.json", "absent", "."])
def test_a_missing_file_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", name]) == BAD_INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"wirelight: {name}: ")
    assert main(["check", name, "--json"]) == BAD_INPUT
    assert json.loads(capsys.readouterr().out)["problems"][0]["kind"] == "unreadable"


def test_nodes_are_listed_found_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nodes"]) == OK
    assert "  image/Blur" in capsys.readouterr().out
    assert main(["nodes", "blur"]) == OK
    assert "radius Float = 4.0 (0..128)" in " ".join(capsys.readouterr().out.split())
    assert main(["nodes", "image/Blur", "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["type"] == "image/Blur"
    assert main(["nodes", "--json"]) == OK
    assert len(json.loads(capsys.readouterr().out)) == len(CATALOG.specs)
    assert main(["nodes", "nothing of the kind"]) == BAD_INPUT


def test_a_changed_choice_of_plugins_makes_the_kept_catalog_stale() -> None:
    before = code_stamp(Settings(), places())
    assert before == code_stamp(Settings(), places())
    assert before != code_stamp(Settings(enabled_plugins=("colours",)), places())
    change_settings(places().config, enabled_plugins=("colours",))
    folder = places().plugins / "colours"
    folder.mkdir(parents=True)
    enabled = Settings(enabled_plugins=("colours",))
    empty = code_stamp(enabled, places())
    (folder / "nodes.py").write_text("x = 1\n")
    assert code_stamp(enabled, places()) != empty
