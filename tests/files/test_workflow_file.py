from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from studio.files import workflow_file
from studio.files.json_text import MOST_BYTES
from studio.files.media import write_workflow_into
from studio.files.workflow_file import from_text, read_workflow, to_text, write_workflow
from studio.graph.edits import MoveNodes, SetParameter
from studio.graph.errors import CodecError, WorkflowUnreadable, WriteFailed
from studio.graph.graph import Frame, FrameId, Graph, Mode, Node, NodeId, Port, Socket, Subgraph, SubgraphId
from studio.graph.workflow import View, Workflow
from studio.resources import resource
from tests.files.pictures import png
from tests.strategies import workflows

SAMPLER = NodeId("sampler")
SMALL = Workflow(
    Graph(
        nodes={
            SAMPLER: Node(
                "sample/Sample", {"steps": 20, "guidance": 7.5, "sampler": "euler"}, (640.0, -12.5), mode=Mode.MUTED
            ),
            NodeId("latent_10"): Node("latent/Empty"),
            NodeId("latent_2"): Node("latent/Empty", {"sizes": [[64, 64], [128, 128]]}, title="Größe"),
        },
        links={Socket(SAMPLER, "latent"): Socket(NodeId("latent_2"), "latent")},
        frames={FrameId("all"): Frame("All", size=(800.0, 300.0))},
        subgraphs={
            SubgraphId("soft"): Subgraph(
                "Soft",
                Graph(nodes={NodeId("blur"): Node("image/Blur")}),
                inputs=(Port("radius", (Socket(NodeId("blur"), "radius"),)),),
            )
        },
    ),
    title="Small",
    view=View((0.0, 10.5), 2.0),
)
TEXT = """{
  "format": "wirelight",
  "version": 1,
  "program": "0.1.0",
  "title": "Small",
  "view": {
    "center": [0, 10.5],
    "zoom": 2
  },
  "nodes": {
    "latent_2": {
      "type": "latent/Empty",
      "version": 1,
      "title": "Größe",
      "position": [0, 0],
      "parameters": {
        "sizes": [[64, 64], [128, 128]]
      }
    },
    "latent_10": {
      "type": "latent/Empty",
      "version": 1,
      "position": [0, 0]
    },
    "sampler": {
      "type": "sample/Sample",
      "version": 1,
      "position": [640, -12.5],
      "mode": "muted",
      "inputs": {
        "latent": "latent_2.latent"
      },
      "parameters": {
        "guidance": 7.5,
        "sampler": "euler",
        "steps": 20
      }
    }
  },
  "frames": {
    "all": {
      "title": "All",
      "position": [0, 0],
      "size": [800, 300]
    }
  },
  "subgraphs": {
    "soft": {
      "title": "Soft",
      "inputs": [{"name": "radius", "inner": ["blur.radius"]}],
      "nodes": {
        "blur": {
          "type": "image/Blur",
          "version": 1,
          "position": [0, 0]
        }
      }
    }
  }
}
"""


def file_of(**keys: Any) -> str:  # noqa: ANN401 - any JSON
    return json.dumps({"format": "wirelight", "version": 1, **keys})


@given(workflows())
def test_a_file_gives_back_what_was_written(workflow: Workflow) -> None:
    text = to_text(workflow)
    opened = from_text(text, "file")
    assert opened.workflow == workflow
    assert opened.warnings == ()
    assert to_text(opened.workflow) == text


SCHEMA = jsonschema.Draft202012Validator(json.loads(resource("workflow.schema.json").read_bytes()))


@given(workflows())
def test_what_we_write_fits_the_published_schema(workflow: Workflow) -> None:
    SCHEMA.validate(json.loads(to_text(workflow)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "other"},
        {"version": 2},
        {"nodes": []},
        {"nodes": {"a.b": {"type": "x"}}},
        {"nodes": {"a": {}}},
        {"nodes": {"a": {"type": "x", "position": [1]}}},
        {"nodes": {"a": {"type": "x", "inputs": {"i": "nowhere"}}}},
        {"subgraphs": {"s": {"inputs": [{"name": "radius"}]}}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_is_wrong(wrong: dict[str, Any]) -> None:
    assert not SCHEMA.is_valid({"format": "wirelight", "version": 1, "nodes": {}, **wrong})


def test_a_file_reads_well() -> None:
    assert to_text(SMALL) == TEXT


def test_the_order_of_edits_does_not_show() -> None:
    shuffled = replace(SMALL, graph=replace(SMALL.graph, nodes=dict(reversed(SMALL.graph.nodes.items()))))
    assert to_text(shuffled) == TEXT


@pytest.mark.parametrize(
    "edit",
    [
        SetParameter(SAMPLER, "steps", 21),
        SetParameter(SAMPLER, "sampler", "a much longer name\nof two lines"),
        MoveNodes({SAMPLER: (0.1, 3.0)}),
    ],
    ids=["number", "text", "position"],
)
def test_one_change_is_one_line(edit: SetParameter | MoveNodes) -> None:
    changed, _ = edit.apply(SMALL.graph)
    lines = to_text(replace(SMALL, graph=changed)).splitlines()
    assert sum(new != old for new, old in zip(lines, TEXT.splitlines(), strict=True)) == 1


def test_unknown_keys_are_kept_at_every_level() -> None:
    text = file_of(
        mood=["dim"],
        view={"center": [0, 0], "zoom": 1, "tilt": 3},
        nodes={"a": {"type": "far/Away", "parameters": {"x": {"deep": [1, {"k": None}]}}, "glow": 1.0}},
        frames={"f": {"mood": 1}},
        notes={"n": {"mood": 2}},
        subgraphs={
            "s": {
                "author": "me",
                "nodes": {"b": {"type": "x", "glow": 2}},
                "inputs": [{"name": "p", "inner": ["b.x"], "was": "q"}],
            }
        },
    )
    opened = from_text(text, "file")
    assert opened.warnings == ()
    again = json.loads(to_text(opened.workflow))
    plain = json.loads(text)
    assert again["mood"] == plain["mood"]
    assert again["view"] == plain["view"]
    for kind in ("nodes", "frames", "notes"):
        for name, block in plain[kind].items():
            assert block.items() <= again[kind][name].items()
    inner = again["subgraphs"]["s"]
    assert (inner["author"], inner["nodes"]["b"]["glow"], inner["inputs"][0]["was"]) == ("me", 2, "q")


def test_whole_numbers_and_fractions_stay_what_they_are() -> None:
    values = {"a": 1, "b": 1.0, "c": True, "d": 2**70, "e": 5e-324, "f": -0.0, "g": None}
    opened = from_text(to_text(Workflow(Graph(nodes={SAMPLER: Node("x", values)}))), "file")
    read = opened.workflow.graph.nodes[SAMPLER].parameters
    assert {name: repr(value) for name, value in read.items()} == {name: repr(value) for name, value in values.items()}


def test_half_of_a_surrogate_pair_can_be_saved(tmp_path: Path) -> None:
    workflow = Workflow(Graph(nodes={SAMPLER: Node("x", {"text": "torn \ud83d emoji é"})}))
    write_workflow(workflow, tmp_path / "w.json")
    assert read_workflow(tmp_path / "w.json").workflow == workflow


@pytest.mark.parametrize(
    ("workflow", "place"),
    [
        (Workflow(Graph(nodes={SAMPLER: Node("x", {"steps": float("nan")})})), "nodes.sampler.parameters.steps"),
        (
            Workflow(Graph(nodes={SAMPLER: Node("x", {"list": [1, float("inf")]})})),
            r"nodes.sampler.parameters.list\[1\]",
        ),
        (Workflow(Graph(nodes={SAMPLER: Node("x", position=(0.0, float("nan")))})), r"nodes.sampler.position\[1\]"),
        (Workflow(Graph(nodes={SAMPLER: Node("x", {"it": {1: 2}})})), "nodes.sampler.parameters.it"),
        (Workflow(Graph(nodes={SAMPLER: Node("x", {"it": object()})})), "nodes.sampler.parameters.it"),
        (Workflow(Graph(nodes={SAMPLER: Node("x", {"it": 10**5000})})), "nodes.sampler.parameters.it"),
        (Workflow(Graph(nodes={SAMPLER: Node("x", extra={"title": "t"})})), "title"),
        (Workflow(extra={"format": "other"}), "format"),
    ],
    ids=["nan", "infinity", "position", "key", "object", "digits", "node field", "workflow field"],
)
def test_what_no_file_can_hold_is_refused_before_writing(tmp_path: Path, workflow: Workflow, place: str) -> None:
    path = tmp_path / "w.json"
    with pytest.raises(CodecError, match=place):
        write_workflow(workflow, path)
    assert not path.exists()


# Files that are not as they should be, but can be opened


def opened_with(text: str) -> tuple[Workflow, str]:
    opened = from_text(text, "file")
    again = from_text(to_text(opened.workflow), "file")
    assert again.workflow == opened.workflow
    assert again.warnings == ()
    return opened.workflow, "\n".join(opened.warnings)


def test_a_link_from_a_node_that_is_not_there_is_left_out_and_kept_aside() -> None:
    workflow, warnings = opened_with(file_of(nodes={"a": {"type": "x", "inputs": {"image": "gone.image"}}}))
    assert workflow.graph.links == {}
    assert "nodes.a.inputs.image: The link comes from 'gone', which is not there." in warnings
    assert workflow.extra["left_out"] == {"nodes.a.inputs.image": "gone.image"}


def test_what_was_left_out_earlier_stays_beside_what_is_left_out_now() -> None:
    text = file_of(left_out={"nodes.a.title": 1}, nodes={"a": {"type": "x", "title": 2}})
    workflow, _ = opened_with(text)
    assert workflow.extra["left_out"] == {"nodes.a.title": 1, "nodes.a.title (2)": 2}


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"type": "x", "position": "left"}, "nodes.a.position: Expected two finite numbers, found 'left'"),
        ({"type": "x", "position": [1, 10**400]}, "nodes.a.position: Expected a finite number"),
        ({"type": "x", "version": 0}, "nodes.a.version: Expected a whole number from 1 on, found 0"),
        ({"type": "x", "version": True}, "nodes.a.version: Expected a whole number from 1 on, found true"),
        ({"type": "x", "mode": "asleep"}, "nodes.a.mode: Expected one of active, bypassed, muted, found 'asleep'"),
        ({"type": "x", "collapsed": "yes"}, "nodes.a.collapsed: Expected true or false"),
        ({"type": "x", "parameters": [1]}, "nodes.a.parameters: Expected an object, found a list"),
        ({"type": "x", "inputs": {"i": 3}}, "nodes.a.inputs.i: Expected node.output, found 3"),
        ({"type": "x", "inputs": {"i": "a.o"}}, "nodes.a.inputs.i: The link comes from the node itself"),
        ({"title": "lost"}, "nodes.a: The node has no type"),
        ("words", "nodes.a: Expected an object, found 'words'"),
    ],
    ids=lambda one: one[:30] if isinstance(one, str) else "",
)
def test_a_field_of_the_wrong_type_is_named_and_the_rest_opens(block: object, words: str) -> None:
    workflow, warnings = opened_with(file_of(nodes={"a": block, "b": {"type": "fine"}}))
    assert words in warnings
    assert workflow.graph.nodes[NodeId("b")] == Node("fine")


def test_a_number_that_is_not_finite_becomes_a_text_that_no_run_accepts() -> None:
    text = file_of(nodes={"a": {"type": "x", "parameters": {"p": 1, "q": [2, 3]}}})
    workflow, warnings = opened_with(text.replace("1}", "NaN}").replace('"p": 1', '"p": NaN').replace("3]", "1e999]"))
    assert workflow.graph.nodes[NodeId("a")].parameters == {"p": "NaN", "q": [2, "1e999"]}
    assert "nodes.a.parameters.p: NaN is not a number" in warnings
    assert "nodes.a.parameters.q[1]: 1e999 is not a number" in warnings


def test_of_a_repeated_key_the_last_holds_and_the_others_are_kept_aside() -> None:
    text = '{"format": "wirelight", "version": 1, "title": "one", "nodes": {"a": {"type": "x"}, "a": {"type": "y"}}, "title": "two"}'
    workflow, warnings = opened_with(text)
    assert workflow.title == "two"
    assert workflow.graph.nodes == {NodeId("a"): Node("y")}
    assert workflow.extra["left_out"] == {"nodes.a": {"type": "x"}, "title": "one"}
    assert "nodes.a: This key stands there more than once" in warnings


def test_names_that_cannot_be_are_changed_and_links_follow() -> None:
    workflow, warnings = opened_with(
        file_of(
            nodes={
                "a.b": {"type": "x"},
                "a b": {"type": "y"},
                "c": {"type": "z", "inputs": {"one": "a.b.image", "two": "a b.image"}},
            }
        )
    )
    made = {output.node: workflow.graph.nodes[output.node].type for output in workflow.graph.links.values()}
    assert sorted(made.values()) == ["x", "y"]
    assert "nodes.a.b: This cannot be a name." in warnings


def test_a_port_that_leads_nowhere_is_left_out() -> None:
    ports = [{"name": "p", "inner": ["gone.x"]}, {"name": "q", "inner": ["b.x"]}, {"name": "q", "inner": ["b.y"]}, 7]
    workflow, warnings = opened_with(
        file_of(nodes={}, subgraphs={"s": {"nodes": {"b": {"type": "x"}}, "inputs": ports}})
    )
    assert [port.name for port in workflow.graph.subgraphs[SubgraphId("s")].inputs] == ["q"]
    for at in (0, 2, 3):
        assert f"subgraphs.s.inputs[{at}]" in warnings


def test_thousands_of_oddities_are_counted_not_listed() -> None:
    opened = from_text(file_of(nodes={f"n{at}": 1 for at in range(1000)}), "file")
    assert opened.warnings[-1] == "And 800 more of this kind."
    assert len(opened.warnings) == 201


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32-le"])
def test_other_encodings_and_byte_order_marks_open(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "w.json").write_bytes(TEXT.encode(encoding))
    assert read_workflow(tmp_path / "w.json").workflow == SMALL


def test_windows_line_ends_open(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_bytes(TEXT.replace("\n", "\r\n").encode())
    assert read_workflow(tmp_path / "w.json").workflow == SMALL


def test_a_picture_opens_the_workflow_inside(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(png())
    with pytest.raises(WorkflowUnreadable, match="carries no workflow"):
        read_workflow(path)
    write_workflow_into(path, TEXT)
    assert read_workflow(path).workflow == SMALL


# Files that cannot be opened


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _holding(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path, "There is no such file"),
    "folder": (_folder, "This is a folder"),
    "pipe": (_pipe, "This is not a file"),
    "empty": (_holding(b""), "The file is empty"),
    "zeros": (_holding(b"\0" * 4096), "nothing but zeros"),
    "binary": (_holding(bytes(range(1, 256))), "The file is no text"),
    "half": (_holding(TEXT[: len(TEXT) // 2].encode()), r"line \d+, column \d+: The file ends in the middle"),
    "damaged": (_holding(TEXT.replace('"view": {', '"view" {').encode()), "line 6, column 10: The file is damaged"),
    "a list": (_holding(b"[1, 2]"), "does not hold an object"),
    "other": (_holding(b'{"nodes": {}}'), "format: This is no workflow of a kind"),
    "later": (
        _holding(b'{"format": "wirelight", "version": 2, "program": "3.1.4", "nodes": {}}'),
        "version: Wirelight 3.1.4 wrote this .* Update Wirelight to 3.1.4 or later",
    ),
    "version text": (
        _holding(b'{"format": "wirelight", "version": "1"}'),
        "version: The version of the format is missing",
    ),
    "no version": (_holding(b'{"format": "wirelight"}'), "version: The version of the format is missing"),
    "nodes list": (
        _holding(b'{"format": "wirelight", "version": 1, "nodes": [1]}'),
        "nodes: Expected an object, found a list",
    ),
    "deep": (_holding(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "nested too deeply"),
    "deep lists": (
        _holding(file_of(deep=[]).replace("[]", "[" * 100_000 + "]" * 100_000).encode()),
        "nested too deeply",
    ),
    "deep value": (
        _holding(
            file_of(nodes={"a": {"type": "x", "parameters": {"p": 0}}}).replace("0", "[" * 300 + "]" * 300).encode()
        ),
        "nodes.a.parameters.p.*nested more than 200 levels",
    ),
    "digits": (_holding(file_of(nodes={}, n=0).replace("0", "9" * 5000).encode()), "a number that cannot be"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_cannot_be_opened_says_which_and_why(tmp_path: Path, case: str) -> None:
    make, words = UNREADABLE[case]
    path = tmp_path / "some workflow.json"
    make(path)
    with pytest.raises(WorkflowUnreadable, match=words) as caught:
        read_workflow(path)
    assert str(path) in str(caught.value)


def test_a_file_larger_than_any_workflow_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES * 20)
    with pytest.raises(WorkflowUnreadable, match="larger than the 64 MB"):
        read_workflow(path)


def test_more_values_than_any_workflow_has_are_refused_at_once() -> None:
    with pytest.raises(WorkflowUnreadable, match="more than the 1,000,000 values"):
        from_text(file_of(x=[]).replace("[]", f"[{'[],' * 500_001}0]"), "file")


def test_a_great_many_oddities_are_read_in_one_go() -> None:
    """Each of these took minutes where names are made unique one by one."""
    count = 50_000
    same = '"a": {"type": "x"},' * count
    blank = "".join(f'"{" " * (at % 100)}{at % 7}!{"?" * (at % 977)}": {{}},' for at in range(count // 5))
    gone = "".join(f'"i{at}": "gone.x",' for at in range(count))
    text = f'{{"format": "wirelight", "version": 1, "nodes": {{{same}{blank}"b": {{"type": "x", "inputs": {{{gone}"i": 0}}}}}}}}'
    opened = from_text(text, "file")
    assert len(opened.workflow.extra["left_out"]) > count * 2 - 10
    assert opened.warnings[-1].endswith("more of this kind.")


def test_no_file_is_written_that_could_not_be_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow_file, "MOST_BYTES", 2**20)
    path = tmp_path / "w.json"
    workflow = Workflow(Graph(nodes={SAMPLER: Node("x", {"text": "a" * 2**20})}))
    with pytest.raises(WriteFailed, match="could not be opened again"):
        write_workflow(workflow, path)
    assert not path.exists()


def test_without_permission_the_error_says_so(tmp_path: Path) -> None:
    """As another user where this one may read everything."""
    path = tmp_path / "w.json"
    write_workflow(SMALL, path)
    path.chmod(0)
    code = (
        "import os, sys, pathlib\n"
        "from studio.files.workflow_file import read_workflow\n"
        "os.chdir(os.path.dirname(sys.argv[1]))\n"
        "os.geteuid() or os.setuid(65534)\n"
        "try: read_workflow(pathlib.Path(os.path.basename(sys.argv[1])))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    if sys.platform == "win32":
        pytest.skip("permissions are not kept in modes there")
    tmp_path.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert "WorkflowUnreadable w.json: Reading it is not permitted." in done.stdout


def test_the_pre_release_form_opens() -> None:
    opened = read_workflow(Path(__file__).parent / "old" / "version-0.json")
    graph = opened.workflow.graph
    assert (opened.version, opened.warnings) == (0, ())
    assert list(graph.nodes) == ["load", "blur", "save"]
    assert graph.nodes[NodeId("blur")] == Node(
        "image/Blur", {"radius": 4.0, "passes": 2}, (320.0, 40.5), extra={"hint": "soft"}
    )
    assert graph.links == {
        Socket(NodeId("blur"), "image"): Socket(NodeId("load"), "image"),
        Socket(NodeId("save"), "image"): Socket(NodeId("blur"), "image"),
    }
    assert opened.workflow.extra == {"palette": "dusk"}
    assert opened.workflow.graph.frames[FrameId("all")].title == "All of it"


def test_odd_parts_of_the_pre_release_form_are_kept() -> None:
    nodes = [{"id": "a", "type": "x"}, {"id": "a", "type": "y"}]
    opened = from_text(
        json.dumps({"format": "wirelight", "version": 0, "nodes": nodes, "links": [["a.o", "gone.i"], 3]}), "file"
    )
    assert [node.type for node in opened.workflow.graph.nodes.values()] == ["x", "y"]
    assert opened.workflow.extra["links"] == [["a.o", "gone.i"], 3]
