"""Whatever happens to a worker: the window's process lives, names the node, and the next run is right."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from studio.app.supervisor import State, WorkerDied, WorkerSilent
from studio.graph.errors import WorkerLost
from studio.graph.graph import NodeId
from studio.protocol.messages import (
    Configure,
    Event,
    Fetched,
    Log,
    NodeFailed,
    NodeStarted,
    RunFinished,
    Stepped,
)
from studio.protocol.process import ProcessChannel
from tests.worker.conftest import NODES, Room, chain

N0, N1 = NodeId("n0"), NodeId("n1")


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_killed_at_twenty_random_moments_of_a_run(own_room: Room) -> None:
    dice = random.Random(2)
    for turn in range(20):
        graph = chain("test/Steps", "test/Add", "test/Steps", n0_steps=8, n0_value=float(turn), n2_steps=8)
        run = own_room.supervisor.run(graph)
        time.sleep(dice.uniform(0.0, 0.2))
        os.kill(own_room.pid, signal.SIGKILL)
        end = own_room.end_of(run)
        failed = own_room.of(NodeFailed, run)
        if end == "failed":
            (failure,) = failed
            started = [one.node for one in own_room.of(NodeStarted, run)]
            assert failure.node in {*started[-1:], *["n0", "n1", "n2"][len(started) : len(started) + 1]}
            assert failure.type == graph.nodes[failure.node].type
            assert "SIGKILL" in failure.what
            (died,) = [one for one in own_room.of(WorkerDied) if one.run == run]
            assert died.node == failure.node
        else:
            assert failed == []
        own_room.go(graph)
        request = own_room.supervisor.fetch(NodeId("n2"), "number")
        own_room.until(lambda request=request: [one for one in own_room.of(Fetched) if one.request == request])
        assert own_room.of(Fetched)[-1].text == str(float(turn) + 2)
    assert len(own_room.of(WorkerDied)) == 20
    assert sum(one.node is not None for one in own_room.of(WorkerDied)) > 5


@pytest.mark.parametrize(("number", "name"), [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGABRT, "SIGABRT")])
def test_a_crash_leaves_its_last_words(own_room: Room, number: int, name: str) -> None:
    run = own_room.supervisor.run(chain("test/Add", "test/Dies", n1_number=int(number)))
    assert own_room.end_of(run) == "failed"
    (failed,) = own_room.of(NodeFailed, run)
    assert (failed.node, failed.type) == (N1, "test/Dies")
    assert name in failed.what
    words = "\n".join(one.text for one in own_room.of(Log) if one.level == "ERROR")
    assert "Fatal Python error" in words
    assert "trivial_nodes.py" in words
    own_room.go(chain("test/Add"))


def test_a_stopped_worker_is_told_from_a_dead_one(own_room: Room) -> None:
    run = own_room.supervisor.run(chain("test/Steps", n0_steps=150))
    own_room.until(lambda: own_room.of(Stepped, run))
    os.kill(own_room.pid, signal.SIGSTOP)
    own_room.until(lambda: own_room.supervisor.state is State.HUNG)
    own_room.until(lambda: own_room.of(WorkerSilent))
    assert own_room.of(WorkerSilent)[0].node == N0
    os.kill(own_room.pid, signal.SIGCONT)
    own_room.until(lambda: own_room.supervisor.state is State.WORKING)
    assert own_room.end_of(run) == "done"
    assert own_room.of(WorkerDied) == []


@pytest.mark.parametrize("type", ["test/Waits", "test/Sleeps"])
def test_a_node_that_heeds_no_cancel_is_interrupted(own_room: Room, type: str) -> None:
    run = own_room.supervisor.run(chain("test/Add", type))
    own_room.until(lambda: NodeStarted(run, N1) in own_room.told)
    own_room.supervisor.cancel(run)
    assert own_room.end_of(run) == "cancelled"
    assert own_room.of(WorkerDied) == []
    own_room.go(chain("test/Add", "test/Add"))


@pytest.mark.parametrize("type", ["test/Loops", "test/Hangs"])
def test_a_node_that_cannot_be_interrupted_is_ended(own_room: Room, type: str) -> None:
    run = own_room.supervisor.run(chain("test/Add", type))
    # Events may never come: the thread that sends them does not run either.
    own_room.until(lambda: (busy := own_room.supervisor.busy_with) is not None and busy.node == N1)
    own_room.supervisor.cancel(run)
    assert own_room.end_of(run) == "cancelled"
    (died,) = own_room.of(WorkerDied)
    assert died.node == N1
    own_room.go(chain("test/Add"))


def test_children_of_a_dead_worker_go_with_it(own_room: Room) -> None:
    group = own_room.pid
    run = own_room.supervisor.run(chain("test/Orphans"))
    assert own_room.end_of(run) == "failed"
    own_room.until(lambda: all(gone(one.pid) for one in psutil.process_iter() if _group(one.pid) == group))


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def test_garbage_from_a_worker_ends_it(own_room: Room) -> None:
    run = own_room.supervisor.run(chain("test/Babbles"))
    assert own_room.end_of(run) == "failed"
    (died,) = own_room.of(WorkerDied)
    assert died.node == N0
    assert "Something else than our messages" in died.what
    own_room.go(chain("test/Add"))


def test_garbage_to_a_worker_ends_it(own_room: Room) -> None:
    pipe = own_room.channels[0]._process.stdin
    assert pipe is not None
    pipe.write(b"GET / HTTP/1.1\r\n\r\n")
    pipe.flush()
    own_room.until(lambda: own_room.of(WorkerDied))
    assert "Something else than our messages" in own_room.of(WorkerDied)[0].what
    own_room.go(chain("test/Add"))


def _last_of(channel: ProcessChannel) -> tuple[str, list[Event]]:
    events: list[Event] = []
    deadline = time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            event = channel.receive(0.1)
            if event is not None:
                events.append(event)
    except WorkerLost as error:
        return str(error), events
    finally:
        channel.close()
    raise AssertionError(events)


def test_a_worker_of_another_version_says_so() -> None:
    why, _ = _last_of(ProcessChannel(Configure(version=99), [NODES]))
    assert "version 99" in why


def test_a_setting_that_cannot_be_is_said() -> None:
    why, _ = _last_of(ProcessChannel(Configure(memory=-1), [NODES]))
    assert "-1 bytes" in why


def test_a_worker_that_cannot_import_says_what() -> None:
    why, _ = _last_of(ProcessChannel(Configure(), ["--nodes=tests.worker.no_such_nodes"]))
    assert "No module named 'tests.worker.no_such_nodes'" in why


_WINDOW = """
    import sys, time
    from pathlib import Path
    from tests.worker.conftest import Room, chain
    from studio.protocol.messages import NodeStarted
    room = Room(Path(sys.argv[1])).start()
    run = room.supervisor.run(chain(sys.argv[2]))
    room.until(lambda: room.of(NodeStarted, run))
    print(room.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("type", ["test/Loops", "test/Sleeps"])
def test_no_worker_outlives_its_window(tmp_path: Path, type: str) -> None:
    window = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_WINDOW), str(tmp_path), type], stdout=subprocess.PIPE, text=True
    )
    assert window.stdout is not None
    worker = int(window.stdout.readline())
    window.kill()
    window.wait()
    window.stdout.close()
    deadline = time.monotonic() + 2.0
    while not gone(worker):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_windows_do_not_disturb_each_other(room: Room, own_room: Room) -> None:
    mine = room.supervisor.run(chain("test/Steps", n0_steps=100, n0_value=99.0))
    other = own_room.supervisor.run(chain("test/Steps", n0_steps=10_000))
    room.until(lambda: room.of(Stepped, mine))
    own_room.until(lambda: own_room.of(Stepped, other))
    os.kill(own_room.pid, signal.SIGKILL)
    assert own_room.end_of(other) == "failed"
    assert room.end_of(mine) == "done"
    assert len(room.of(Stepped, mine)) == 100
    assert room.of(WorkerDied) == []


def test_stop_ends_a_busy_worker(own_room: Room) -> None:
    run = own_room.supervisor.run(chain("test/Steps", n0_steps=10_000))
    own_room.until(lambda: own_room.of(Stepped, run))
    pid = own_room.pid
    own_room.supervisor.stop()
    assert gone(pid)
    assert not own_room.of(RunFinished, run) or own_room.of(RunFinished, run)[0].state == "cancelled"
