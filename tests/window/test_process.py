"""The window as a process of its own: what it imports, how it ends, and that neither a kill nor a neighbour costs an edit."""

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

from studio.app.session import Session
from studio.graph.graph import NodeId
from studio.library.places import places

HEAVY = ("torch", "diffusers", "transformers", "cv2", "nodes", "numpy", "pydantic", "asyncio", "PIL")

PROGRAM = """
import json, os, sys, threading, time
from PySide6.QtCore import QTimer
import studio.window.application as application
from studio.graph.edits import SetParameter
from studio.graph.graph import NodeId
from studio.protocol.fake import FakeChannel
from studio.protocol.messages import VERSION, Ready

def say(**what):
    print(json.dumps(what), flush=True)

def loaded():
    return sorted(set(sys.modules) & set(%(heavy)r))

studio = None
real = application.Studio
def keep(*arguments):
    global studio
    studio = real(*arguments)
    return studio
application.Studio = keep

class Quiet(FakeChannel):
    def receive(self, timeout):
        if not self.answers:
            time.sleep(timeout)
        return super().receive(timeout)

def painted():
    say(event="first frame", loaded=loaded())
    QTimer.singleShot(0, later)

def later():
    if %(edits)d:
        edit(0)
    else:
        QTimer.singleShot(300, lambda: (say(event="later", loaded=loaded()), studio.window.close()))

def edit(number):
    studio.window.view.apply(SetParameter(NodeId("sampler"), "seed", number))
    say(event="edit", number=number)
    if number < %(edits)d:
        QTimer.singleShot(0, lambda: edit(number + 1))

status = application.run_application([], painted, lambda: Quiet(Ready(VERSION, 1, "x")))
threads = [one.name for one in threading.enumerate() if one is not threading.main_thread() and not one.daemon]
say(event="end", status=status, threads=threads)
"""


def start(home: Path, edits: int = 0) -> subprocess.Popen[str]:
    program = PROGRAM % {"heavy": HEAVY, "edits": edits}
    environment = {**os.environ, "WIRELIGHT_HOME": str(home), "QT_QPA_PLATFORM": "offscreen"}
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)


def listen(process: subprocess.Popen[str], until: str) -> list[dict[str, object]]:
    assert process.stdout is not None
    heard: list[dict[str, object]] = []
    for line in process.stdout:
        heard.append(json.loads(line))
        if heard[-1]["event"] == until:
            break
    return heard


def test_nothing_heavy_is_imported_and_the_end_is_clean(home: Path) -> None:
    with start(home) as process:
        heard = {str(one["event"]): one for one in listen(process, "end")}
        assert process.wait(20) == 0
    assert heard["first frame"]["loaded"] == []
    assert heard["later"]["loaded"] == []
    assert heard["end"] == {"event": "end", "status": 0, "threads": []}


def test_a_polite_kill_ends_it_like_its_own_button(home: Path) -> None:
    with start(home, edits=1) as process:
        listen(process, "edit")
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert listen(process, "end")[-1]["status"] == 0
    session = Session.start(places().data / "sessions")
    assert session.notices == []
    session.end()


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_in_the_midst_of_editing_costs_nothing(home: Path, seed: int) -> None:
    with start(home, edits=100_000) as process:
        listen(process, "first frame")
        listen(process, "edit")
        time.sleep(random.Random(seed).uniform(0.05, 0.6))
        process.kill()
        assert process.stdout is not None
        told = [json.loads(line)["number"] for line in process.stdout if line.endswith("\n") and "edit" in line]
    session = Session.start(places().data / "sessions")
    document = session.documents[0]
    assert document.graph.nodes[NodeId("sampler")].parameters["seed"] >= max(told, default=0)
    assert "did not end properly" in session.notices[0].text
    assert document.history.can_undo
    session.end()


def test_two_windows_at_once_keep_their_own_documents(home: Path) -> None:
    with start(home, edits=30) as one, start(home, edits=60) as other:
        for process, last in ((one, 30), (other, 60)):
            while listen(process, "edit")[-1]["number"] != last:
                pass
        one.kill()
        other.kill()
    session = Session.start(places().data / "sessions")
    seeds = sorted(document.graph.nodes[NodeId("sampler")].parameters["seed"] for document in session.documents)
    assert seeds == [30, 60]
    session.end()
