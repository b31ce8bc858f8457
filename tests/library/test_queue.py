from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.graph.errors import Misuse
from studio.library.database import Database
from studio.library.queue import QueuedRun, RunQueue, RunState


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "library.db")
    yield made
    made.close()


@pytest.fixture
def queue(database: Database) -> Iterator[RunQueue]:
    made = RunQueue(database)
    yield made
    made.close()


def titles(runs: tuple[QueuedRun, ...]) -> list[str]:
    return [run.title for run in runs]


def taken(queue: RunQueue) -> QueuedRun:
    run = queue.next()
    assert run is not None
    return run


def test_runs_are_taken_in_order_and_only_once(queue: RunQueue) -> None:
    assert queue.next() is None
    first = queue.put('{"a": "é"}', ("sampler", "save"), "one")
    second = queue.put("{}", title="two")
    run = taken(queue)
    assert (run.id, run.graph, run.wanted, run.title) == (first, '{"a": "é"}', ("sampler", "save"), "one")
    assert run.state is RunState.RUNNING
    assert run.started is not None
    assert run.started >= run.created
    assert titles(queue.running()) == ["one"]
    assert taken(queue).id == second
    assert queue.next() is None


def test_a_run_that_is_over_is_listed_with_how_it_ended(queue: RunQueue) -> None:
    for name in ("one", "two", "three"):
        queue.put("{}", title=name)
    queue.finish(taken(queue).id, RunState.FINISHED)
    queue.finish(taken(queue).id, RunState.FAILED, "no memory")
    assert titles(queue.list()) == ["three"]
    over = queue.list((RunState.FINISHED, RunState.FAILED, RunState.CANCELLED))
    assert [(run.title, run.state, run.message) for run in over] == [
        ("one", RunState.FINISHED, ""),
        ("two", RunState.FAILED, "no memory"),
    ]


def test_old_runs_are_forgotten_in_the_end(queue: RunQueue) -> None:
    for at in range(205):
        queue.put("{}", title=str(at))
        queue.finish(taken(queue).id, RunState.FINISHED)
    kept = titles(queue.list((RunState.FINISHED,)))
    assert kept == [str(at) for at in range(5, 205)]


def test_only_what_runs_can_end(queue: RunQueue) -> None:
    waiting = queue.put("{}")
    for id in (waiting, 999):
        with pytest.raises(Misuse, match=f"Run {id} is not running here"):
            queue.finish(id, RunState.FINISHED)
    run = taken(queue)
    with pytest.raises(Misuse, match="does not end a run"):
        queue.finish(run.id, RunState.WAITING)
    assert not queue.remove(run.id)
    queue.finish(run.id, RunState.CANCELLED)
    with pytest.raises(Misuse):
        queue.finish(run.id, RunState.FINISHED)
    assert queue.remove(run.id)
    assert not queue.remove(run.id)


def test_a_run_that_is_put_back_comes_first(queue: RunQueue) -> None:
    for name in ("one", "two"):
        queue.put("{}", title=name)
    run = taken(queue)
    queue.put_back(run.id)
    assert titles(queue.list()) == ["one", "two"]
    with pytest.raises(Misuse):
        queue.put_back(run.id)


def test_clear_leaves_what_runs(queue: RunQueue) -> None:
    for name in ("one", "two", "three"):
        queue.put("{}", title=name)
    taken(queue)
    assert queue.clear() == 2
    assert titles(queue.list()) == ["one"]


@settings(max_examples=20)
@given(st.data())
def test_reordering_moves_one_and_leaves_the_others_in_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    database = Database(tmp_path_factory.getbasetemp() / "reordering" / "library.db")
    queue, other = RunQueue(database), RunQueue(database)
    try:
        order = []
        for _ in range(5):
            order.append(queue.put("{}"))
            other.put("{}")
        others = [run.id for run in other.list()]
        for _ in range(3):
            moved = data.draw(st.sampled_from(order))
            before = data.draw(st.sampled_from([None, *order]))
            queue.reorder(moved, before)
            if moved != before:
                order.remove(moved)
                order.insert(len(order) if before is None else order.index(before), moved)
            assert [run.id for run in queue.list()] == order
        assert [run.id for run in other.list()] == others
        with pytest.raises(Misuse, match="does not wait here"):
            queue.reorder(order[0], others[0])
    finally:
        queue.clear()
        other.clear()
        queue.close()
        other.close()
        database.close()


def test_two_windows_do_not_take_each_others_runs(tmp_path: Path, database: Database, queue: RunQueue) -> None:
    second_database = Database(tmp_path / "library.db")
    second = RunQueue(second_database)
    queue.put("{}", title="mine")
    second.put("{}", title="yours")
    assert (queue.adopt(), second.adopt()) == (0, 0)
    assert titles(second.list()) == ["yours"]
    assert taken(second).title == "yours"
    assert second.next() is None
    assert queue.clear() == 1
    second.close()
    second_database.close()


def test_what_a_closed_window_left_waits_in_the_next_one(database: Database) -> None:
    first = RunQueue(database)
    for name in ("one", "two", "three"):
        first.put("{}", title=name)
    first.finish(taken(first).id, RunState.FINISHED)
    taken(first)
    first.close()
    second = RunQueue(database)
    assert second.adopted == 2
    assert [(run.title, run.state) for run in second.list()] == [("two", RunState.WAITING), ("three", RunState.WAITING)]
    assert titles(second.list((RunState.FINISHED,))) == ["one"]
    second.close()


WINDOW = """
import sys, time
from pathlib import Path
from studio.library.database import Database
from studio.library.queue import RunQueue
queue = RunQueue(Database(Path(sys.argv[1])))
for name in ("one", "two"):
    queue.put("{}", title=name)
queue.next()
print("running", flush=True)
time.sleep(60)
"""


def test_a_killed_window_loses_no_run(tmp_path: Path, database: Database) -> None:
    window = subprocess.Popen(
        [sys.executable, "-c", WINDOW, tmp_path / "library.db"], stdout=subprocess.PIPE, text=True
    )
    assert window.stdout is not None
    assert window.stdout.readline() == "running\n"
    meanwhile = RunQueue(database)
    assert (meanwhile.adopted, meanwhile.next()) == (0, None)
    window.kill()
    window.wait()
    window.stdout.close()
    assert meanwhile.adopt() == 2
    assert titles(meanwhile.list()) == ["one", "two"]
    assert taken(meanwhile).title == "one"
    assert os.listdir(tmp_path / "owners") == [meanwhile._alive.path.name]  # noqa: PTH208
    meanwhile.close()


TAKING = """
import sys
from pathlib import Path
from studio.library.database import Database
from studio.library.queue import RunQueue, RunState
sys.stdin.readline()
queue = RunQueue(Database(Path(sys.argv[1])))
done = []
while (run := queue.next()) is not None:
    done.append(run.title)
    queue.finish(run.id, RunState.FINISHED)
print(*done)
"""


def test_of_windows_that_start_together_one_takes_over_a_run(tmp_path: Path, database: Database) -> None:
    left = RunQueue(database)
    for at in range(6):
        left.put("{}", title=str(at))
    left.close()
    windows = [
        subprocess.Popen(
            [sys.executable, "-c", TAKING, tmp_path / "library.db"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    done = []
    for window in windows:
        assert window.stdin is not None
        window.stdin.write("\n")
        window.stdin.flush()
    for window in windows:
        done += window.communicate()[0].split()
    assert sorted(done) == [str(at) for at in range(6)]
