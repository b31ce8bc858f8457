"""A program that edits and saves until it is killed, for `test_kill`. It says what it has done after each thing that it did.

    editing.py SESSIONS FILE

Lines on standard output: `ready`, `edited N`, `saved N`.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from studio.app.session import Session
from studio.graph.edits import AddNodes, SetParameter
from studio.graph.graph import Graph, Node, NodeId
from studio.graph.workflow import Workflow

COUNTER = NodeId("counter")


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def main(sessions: Path, file: Path) -> None:
    session = Session.start(sessions, restore=False)
    document = session.new(Workflow(Graph({COUNTER: Node("test/Counter", {"n": 0})})))
    say("ready")
    n = 0
    while True:
        n += 1
        what = random.random()
        if what < 0.1:
            document.apply(AddNodes({NodeId(f"node{n}"): Node("test/Node", {"text": "x" * 500})}))
        document.apply(SetParameter(COUNTER, "n", n), merge=what > 0.5)
        say(f"edited {n}")
        if what < 0.2:
            document.save(file)
            say(f"saved {n}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
