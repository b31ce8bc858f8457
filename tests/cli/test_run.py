"""`wirelight run` with a real worker of trivial nodes: events, exit status, bad input, Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from studio.cli import BAD_INPUT, FAILED, INTERRUPTED, OK, main
from studio.cli import worker as cli_worker
from studio.files.workflow_file import write_workflow
from studio.graph.graph import Graph
from studio.graph.workflow import Workflow
from studio.protocol.messages import Configure
from studio.protocol.process import ProcessChannel
from tests.worker.conftest import NODES, chain


@pytest.fixture(autouse=True)
def trivial(monkeypatch: pytest.MonkeyPatch) -> list[ProcessChannel]:
    """Workers with trivial nodes, which start without torch; all that were started."""
    opened: list[ProcessChannel] = []

    def open_channel(configuration: Configure) -> ProcessChannel:
        opened.append(ProcessChannel(configuration, [NODES]))
        return opened[-1]

    monkeypatch.setattr(cli_worker, "ProcessChannel", open_channel)
    return opened


def written(folder: Path, graph: Graph, name: str = "work.json") -> str:
    path = folder / name
    write_workflow(Workflow(graph, "Work"), path)
    return str(path)


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def is_gone(channel: ProcessChannel) -> bool:
    try:
        os.kill(channel.pid, 0)
    except ProcessLookupError:
        return True
    return False


def in_the_background(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_json_has_one_event_a_line_with_the_promised_fields(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trivial: list[ProcessChannel]
) -> None:
    path = written(tmp_path, chain("test/Add", "test/Steps", n0_a=1.0, n1_seconds=0.001))
    previews = tmp_path / "previews"
    assert main(["run", path, "--set", "n1.steps=3", "--previews", str(previews), "--json"]) == OK
    told = events(capsys.readouterr().out)
    assert [one["event"] for one in told] == [
        "run_started", "node_started", "node_finished", "node_started", "step", "step", "step", "node_finished", "run_finished",
    ]  # fmt: skip
    steps = [one for one in told if one["event"] == "step"]
    assert [(one["node"], one["step"], one["of"]) for one in steps] == [("n1", 1, 3), ("n1", 2, 3), ("n1", 3, 3)]
    assert [one["sigma"] for one in steps] == pytest.approx([2 / 3, 1 / 3, 0])
    for one in steps:
        with Image.open(one["preview"]) as picture:
            assert picture.convert("RGB").getpixel((0, 0)) == (one["step"],) * 3
    finished = [one for one in told if one["event"] == "node_finished"]
    assert [(one["node"], one["type"], one["cached"]) for one in finished] == [
        ("n0", "test/Add", False),
        ("n1", "test/Steps", False),
    ]
    assert all(one["seconds"] >= 0 for one in finished)
    assert told[-1]["state"] == "done"
    assert is_gone(trivial[0])


def test_without_previews_no_picture_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", written(tmp_path, chain("test/Steps", n0_seconds=0.0)), "--json"]) == OK
    assert not any("preview" in one for one in events(capsys.readouterr().out))


def test_only_runs_the_wanted_nodes_and_what_they_need(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, chain("test/Add", "test/Add", "test/Fails"))
    assert main(["run", path, "--only", "n1", "--json"]) == OK
    told = events(capsys.readouterr().out)
    assert [one["node"] for one in told if one["event"] == "node_finished"] == ["n0", "n1"]


def test_a_failed_node_fails_the_run_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, chain("test/Add", "test/Fails"))
    assert main(["run", path, "--json"]) == FAILED
    told = events(capsys.readouterr().out)
    failed = next(one for one in told if one["event"] == "node_failed")
    assert (failed["node"], failed["type"]) == ("n1", "test/Fails")
    assert "not to my taste" in failed["what"]
    assert told[-1] == {"event": "run_finished", "state": "failed", "seconds": told[-1]["seconds"]}
    assert main(["run", path]) == FAILED
    assert "n1 (test/Fails)" in capsys.readouterr().err


def test_a_node_that_kills_its_worker_fails_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", written(tmp_path, chain("test/Add", "test/Dies")), "--json"]) == FAILED
    told = events(capsys.readouterr().out)
    assert next(one for one in told if one["event"] == "node_failed")["node"] == "n1"


def test_what_nodes_print_goes_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", written(tmp_path, chain("test/Prints")), "--json"]) == OK
    out, err = capsys.readouterr()
    events(out)
    assert "n0: hello from Python" in err
    assert "n0: hello from C" in err


def test_people_see_plain_lines_where_there_is_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", written(tmp_path, chain("test/Steps", n0_seconds=0.0))]) == OK
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"1 nodes? to run\.\nn0: \d+\.\d\d s\nDone in \d+\.\d s\.\n", err)


def test_a_terminal_shows_a_bar_with_steps_and_the_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    seen: list[bytes] = []

    def read() -> None:
        # Linux says with an error that the other end is closed, macOS with an empty read.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 4096):
                seen.append(part)

    thread = in_the_background(read)
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert main(["run", written(tmp_path, chain("test/Steps", n0_steps=4, n0_seconds=0.01))]) == OK
    thread.join()
    os.close(ours)
    shown = b"".join(seen).decode().replace("\r\n", "\n").split("\r\x1b[K")
    bars = [line for line in shown if "█" in line or "░" in line]
    assert re.fullmatch(r"n0 █{6}░{18} 1/4  0:00 left", bars[0])
    assert re.fullmatch(r"n0 █{24} 4/4  0:00 left", bars[-1])
    assert shown[-1].startswith("n0: 0.")
    assert "Done in" in shown[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "n0.stepz=3"], "'steps'"),
        (["--set", "n9.steps=3"], "n0"),
        (["--set", "n0.steps=three"], "whole number"),
        (["--only", "n7"], "n0"),
        (["--device", "cuda:zero"], "--device"),
        (["--out", "/proc/none"], "/proc/none"),
        (["--out", "/dev/null"], "/dev/null"),
        (["--previews", "/dev/null/below"], "/dev/null/below"),
    ],
)
def test_bad_options_end_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    path = written(tmp_path, chain("test/Steps"))
    assert main(["run", path, *arguments]) == BAD_INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.startswith("wirelight: ")
    assert len(err.splitlines()) == 1


def test_a_graph_that_cannot_run_is_refused_with_every_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, chain("test/Add", "gone/Node", "test/Steps", n2_steps="many"))
    assert main(["run", path]) == BAD_INPUT
    _, err = capsys.readouterr()
    assert [line.partition(path)[2].split(":")[1].strip() for line in err.splitlines()] == ["n1", "n2.steps"]


@pytest.mark.parametrize("type", ["test/Steps", "test/Sleeps"])
def test_ctrl_c_in_a_run_ends_it_and_the_worker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trivial: list[ProcessChannel], type: str
) -> None:
    path = written(tmp_path, chain(type, n0_steps=10_000) if type == "test/Steps" else chain(type))

    def interrupt() -> None:
        while not trivial or trivial[0].node_now() is None:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        if type == "test/Sleeps":
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)

    thread = in_the_background(interrupt)
    began = time.monotonic()
    assert main(["run", path, "--json"]) == INTERRUPTED
    thread.join()
    assert time.monotonic() - began < 10
    assert is_gone(trivial[0])
    out, err = capsys.readouterr()
    if type == "test/Steps":
        assert events(out)[-1]["state"] == "cancelled"
    assert "Traceback" not in err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_while_the_worker_starts_ends_at_once(tmp_path: Path, trivial: list[ProcessChannel]) -> None:
    path = written(tmp_path, chain("test/Add"))

    def interrupt() -> None:
        while not trivial:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    thread = in_the_background(interrupt)
    assert main(["run", path]) == INTERRUPTED
    thread.join()
    assert is_gone(trivial[0])
