"""The `wirelight` command as a process of its own: from the template to the picture, with and without a display, interrupted."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from studio.files.media import read_workflow_text
from studio.files.workflow_file import from_text
from studio.graph.graph import NodeId
from studio.library.database import library
from studio.library.outputs import Outputs

COMMAND = (sys.executable, "-m", "studio")


def wirelight(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_words_become_a_picture_that_holds_its_workflow(tmp_path: Path) -> None:
    arguments = ["--set", "sampler.steps=4", "--set", "prompt.text=a red circle", "--set", "sampler.seed=3"]
    done = wirelight(
        "run", "text-to-image", *arguments, "--out", str(tmp_path / "out"), "--previews", str(tmp_path), "--json"
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "run_started"
    assert events[-1]["event"] == "run_finished"
    assert events[-1]["state"] == "done"
    steps = [event for event in events if event["event"] == "step"]
    assert [(one["node"], one["step"], one["of"]) for one in steps] == [("sampler", step, 4) for step in (1, 2, 3, 4)]
    assert [one["sigma"] for one in steps] == sorted((one["sigma"] for one in steps), reverse=True)
    assert all(Path(one["preview"]).is_file() for one in steps)
    finished = {event["node"]: event for event in events if event["event"] == "node_finished"}
    assert {"prompt", "negative", "sampler", "decode", "save"} <= finished.keys()
    assert finished["sampler"]["type"] == "sample/Sample"
    (output,) = (event for event in events if event["event"] == "output")
    assert output["node"] == "save"
    with Image.open(output["path"]) as picture:
        red, green, blue = picture.convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
        assert len({red, green, blue}) > 1
    text = read_workflow_text(Path(output["path"]))
    assert text is not None
    graph = from_text(text, "picture").workflow.graph
    assert graph.nodes[NodeId("sampler")].parameters["steps"] == 4
    again = wirelight("run", output["path"], "--out", str(tmp_path / "again"), "--json")
    assert again.returncode == 0, again.stderr
    told = [json.loads(line) for line in again.stdout.splitlines()]
    assert not any(event["event"] == "step" for event in told), "the result of the first run was kept on disk"
    (copy,) = (event for event in told if event["event"] == "output")
    with Image.open(output["path"]) as first, Image.open(copy["path"]) as second:
        assert first.tobytes() == second.tobytes()
    recorded = [str(one.path) for one in Outputs(library()).newest()]
    assert recorded == [copy["path"], output["path"]]


@pytest.mark.slow
def test_a_new_plugin_offers_its_node_once_it_is_enabled(home: Path) -> None:
    assert wirelight("new-plugin", "warm-glow", "--into", str(home / "data" / "plugins")).returncode == 0
    assert wirelight("nodes", "warm-glow/Posterize").returncode == 2
    assert wirelight("plugins", "enable", "warm-glow").returncode == 0
    shown = wirelight("nodes", "warm-glow/Posterize")
    assert shown.returncode == 0, shown.stderr
    assert "from warm-glow" in shown.stdout


def test_doctor_says_what_there_is_and_what_is_broken(home: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "settings.json").write_text("{")
    done = wirelight("doctor", "--json", QT_QPA_PLATFORM="offscreen")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert any("settings.broken.json" in sentence for sentence in told["broken"])
    assert len(told["broken"]) == 1, told["broken"]
    assert told["Versions"]["torch"] != "missing"
    assert told["Window"]["platform"] == "offscreen"
    assert told["Worker"]["nodes"] > 10
    assert "cpu" in told["Worker"]
    assert "text-to-image" in told["Templates"]["names"]


def test_help_is_there_without_anything_heavy() -> None:
    code = (
        "import sys; from studio.cli import main\ntry: main(['--help'])\nexcept SystemExit: print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.splitlines()[-1].split())
    assert "usage: wirelight" in done.stdout
    assert not modules & {
        "torch",
        "numpy",
        "PySide6",
        "pydantic",
        "asyncio",
        "platformdirs",
        "psutil",
        "sqlite3",
        "studio.sdk",
    }


@pytest.mark.parametrize("arguments", [["run"], ["run", "a", "b"], ["explode"], ["run", "--stps"], ["plugins", "burn"]])
def test_what_is_no_command_exits_with_2(arguments: list[str]) -> None:
    done = wirelight(*arguments)
    assert done.returncode == 2
    assert "usage: wirelight" in done.stderr


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there is always a display")
def test_without_a_display_it_says_how_to_work_without_one() -> None:
    done = wirelight(QT_QPA_PLATFORM="", DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == 2
    assert "wirelight run text-to-image" in done.stderr
    assert "Traceback" not in done.stderr


def test_templates_are_listed_with_what_they_are_for() -> None:
    done = wirelight("templates", "--json")
    assert done.returncode == 0
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert "text-to-image" in found
    assert all(one["title"] and one["description"] for one in found.values())


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    process = subprocess.Popen([*COMMAND, "templates"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    words = process.stderr.read()
    process.stderr.close()
    process.wait(30)
    assert words == b""


_TELLING = "import sys; from studio.cli import main; print('here', flush=True); sys.exit(main())"
"""The command, telling when Python has started: what comes before is not ours."""


def test_ctrl_c_at_any_time_ends_without_a_traceback(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4))
    moments = random.Random(seed)
    for latest in (0.05, 0.5, 2.0, 5.0):
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _TELLING,
                "run",
                "text-to-image",
                "--set",
                "sampler.steps=150",
                "--out",
                str(tmp_path),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        time.sleep(moments.uniform(0.0, latest))
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=30)
        assert process.returncode == 130, (seed, words)
        assert "Traceback" not in words, seed
