"""Runs in a real worker, seen from the window's side."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from studio.app.supervisor import Report, State
from studio.graph.edits import SetParameter
from studio.graph.graph import NodeId
from studio.protocol.catalog_file import read_catalog
from studio.protocol.messages import (
    CatalogSent,
    Fetched,
    Heartbeat,
    Log,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    Progressed,
    Ready,
    RunFinished,
    RunPaused,
    RunRefused,
    RunResumed,
    RunStarted,
    Stepped,
)
from tests.worker.conftest import Room, chain

N0, N1, N2 = NodeId("n0"), NodeId("n1"), NodeId("n2")


def fetched(room: Room, node: NodeId, output: str, index: int = 0) -> Fetched:
    request = room.supervisor.fetch(node, output, index)
    room.until(lambda: any(one.request == request for one in room.of(Fetched)))
    answer: Fetched = next(one for one in room.of(Fetched) if one.request == request)
    return answer


def test_a_run_is_told_in_order_and_the_second_time_it_is_there(room: Room) -> None:
    graph = chain("test/Add", "test/Add", "test/Grey", n0_a=11.0)
    run = room.go(graph)
    told = [one for one in room.told if not isinstance(one, Heartbeat)]
    assert [type(one) for one in told] == [RunStarted, *[NodeStarted, NodeFinished] * 3, RunFinished]
    assert [one.node for one in room.of(NodeFinished, run)] == [N0, N1, N2]
    assert not any(one.cached for one in room.of(NodeFinished, run))
    again = room.go(graph)
    assert room.of(RunStarted, again) == [RunStarted(again, 0, (N2,))]
    assert [one.cached for one in room.of(NodeFinished, again)] == [True]


@pytest.mark.parametrize(
    ("own", "turns"), [({}, "2000.0"), ({"GOMP_SPINCOUNT": "7"}, "7.0"), ({"OMP_WAIT_POLICY": "active"}, "-1.0")]
)
def test_threads_of_torch_do_not_wait_long_for_a_core_unless_the_user_says_so(
    own: dict[str, str], turns: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    room = Room(tmp_path).start()
    try:
        room.go(chain("test/Environment"))
        assert fetched(room, N0, "number").text == turns
    finally:
        room.supervisor.stop()


def test_a_changed_parameter_changes_what_depends_on_it(room: Room) -> None:
    graph = chain("test/Add", "test/Add", "test/Add", n0_a=1.5)
    room.go(graph)
    assert fetched(room, N2, "number").text == "1.5"
    changed, _ = SetParameter(N1, "b", 2.0).apply(graph)
    run = room.go(changed)
    assert [one.node for one in room.of(NodeFinished, run) if not one.cached] == [N1, N2]
    assert fetched(room, N2, "number").text == "3.5"
    room.go(graph)
    assert fetched(room, N2, "number").text == "1.5"


def test_only_the_wanted_nodes_run(room: Room) -> None:
    run = room.go(chain("test/Add", "test/Add", "test/Add", n0_a=21.0), wanted=[N1])
    assert [one.node for one in room.of(NodeFinished, run)] == [N0, N1]


def test_every_step_shows_its_picture_where_that_is_asked_for(room: Room) -> None:
    seen: dict[int, bytes | None] = {}

    def look(report: Report) -> None:
        if isinstance(report, Stepped) and report.preview is not None:
            seen[report.index] = room.supervisor.picture(report.preview)

    room.on_event = look
    run = room.go(chain("test/Steps", n0_steps=60, n0_seconds=0.0), every_preview=True)
    steps = room.of(Stepped, run)
    assert [(one.index, one.of) for one in steps] == [(index, 60) for index in range(1, 61)]
    assert steps[14].sigma == pytest.approx(0.75)
    assert seen == {index: bytes([index]) * (32 * 32 * 3) for index in range(1, 61)}


def test_who_does_not_look_at_pictures_gets_few_and_holds_nothing_up(room: Room) -> None:
    run = room.go(chain("test/Steps", n0_steps=50, n0_seconds=0.001))
    steps = room.of(Stepped, run)
    assert len(steps) == 50
    assert 1 <= len([one for one in steps if one.preview is not None]) <= 5


def test_a_run_without_previews_has_none(room: Room) -> None:
    run = room.go(chain("test/Steps", "test/Grey", n0_steps=3, n0_value=1.0), previews=False)
    assert all(one.preview is None for one in room.of(Stepped, run))
    assert all(one.shown is None for one in room.of(NodeFinished, run))


def test_a_node_shows_its_picture(room: Room) -> None:
    run = room.go(chain("test/Grey", n0_width=600, n0_height=300))
    (finished,) = room.of(NodeFinished, run)
    assert (finished.shown.width, finished.shown.height) == (200, 100)
    assert room.supervisor.picture(finished.shown) == bytes([128]) * (200 * 100 * 3)


def test_a_node_tells_the_numbers_of_its_schedule(room: Room) -> None:
    run = room.go(chain("test/Levels"))
    assert [one.plot for one in room.of(NodeFinished, run)] == [(3.0, 2.0, 1.0, 0.0)]
    run = room.go(chain("test/Levels", n0_value=1.0), previews=False)
    assert [one.plot for one in room.of(NodeFinished, run)] == [()]


def test_any_result_can_be_looked_at(room: Room) -> None:
    room.go(chain("test/Add", "test/Grey", n1_batch=3, n1_brightness=1.0))
    picture = fetched(room, N1, "image", 2)
    assert (picture.type, picture.count, picture.width, picture.height) == ("Image", 3, 64, 48)
    assert picture.picture is not None
    assert room.supervisor.picture(picture.picture) == b"\xff" * (64 * 48 * 3)
    number = fetched(room, N0, "number")
    assert (number.type, number.text, number.picture) == ("Float", "0.0", None)
    small = room.supervisor.fetch(N1, "image", 0, 16)
    room.until(lambda: any(one.request == small for one in room.of(Fetched)))
    answer = room.of(Fetched)[-1]
    assert (answer.width, answer.picture.width, answer.picture.height) == (64, 16, 12)
    assert "nobody" in fetched(room, NodeId("nobody"), "image").text
    assert "colour" in fetched(room, N1, "colour").text


def test_a_failure_names_node_and_cause_and_spares_the_rest(room: Room) -> None:
    graph = chain("test/Fails", "test/Add")
    beside = chain("test/Add", n0_a=31.0).nodes[N0]
    run = room.supervisor.run(replace(graph, nodes={**graph.nodes, NodeId("beside"): beside}))
    assert room.end_of(run) == "failed"
    (failed,) = room.of(NodeFailed, run)
    assert (failed.node, failed.type) == (N0, "test/Fails")
    assert "0.0 is not to my taste" in failed.what
    assert "trivial_nodes.py" in failed.trace
    assert [one.node for one in room.of(NodeFinished, run)] == ["beside"]


def test_a_graph_that_cannot_run_is_refused_and_the_next_one_runs(room: Room) -> None:
    run = room.supervisor.run(chain("test/Add", "nobody/Knows"))
    assert room.end_of(run) == "refused"
    (refused,) = room.of(RunRefused, run)
    assert [problem.node for problem in refused.problems] == [N1]
    room.go(chain("test/Add", n0_a=41.0))


def test_a_number_that_is_not_finite_is_refused_before_it_crosses(room: Room) -> None:
    run = room.supervisor.run(chain("test/Add", n0_a=float("nan")))
    assert room.end_of(run) == "refused"
    room.go(chain("test/Add", n0_a=42.0))


def test_cancel_ends_a_run_at_its_next_step(room: Room) -> None:
    run = room.supervisor.run(chain("test/Steps", n0_steps=10_000))
    waiting = room.supervisor.run(chain("test/Add", n0_a=51.0))
    room.until(lambda: room.of(Stepped, run))
    room.supervisor.cancel(waiting)
    assert room.end_of(waiting) == "cancelled"
    assert not room.of(RunFinished, run)
    room.supervisor.cancel(run)
    assert room.end_of(run, 1.5) == "cancelled"
    assert not room.of(NodeStarted, waiting)


def test_a_paused_run_holds_and_goes_on(room: Room) -> None:
    run = room.supervisor.run(chain("test/Steps", n0_steps=30, n0_value=7.0))
    room.until(lambda: room.of(Stepped, run))
    room.supervisor.pause(run)
    room.until(lambda: room.of(RunPaused, run))
    assert room.supervisor.state is State.PAUSED
    reached = len(room.of(Stepped, run))
    assert room.of(RunPaused, run)[0].step == reached
    time.sleep(0.1)
    assert len(room.of(Stepped, run)) == reached
    room.supervisor.resume(run)
    assert room.end_of(run) == "done"
    assert room.of(RunResumed, run)
    assert len(room.of(Stepped, run)) == 30


def test_prints_of_every_kind_are_log_lines_of_their_node(room: Room) -> None:
    room.go(chain("test/Prints", "test/Prints", n0_words="one", n1_words="two"))
    ways = ("from Python", "from the system", "from C", "to stderr", "from a child", "without an end")
    expected = [(f"{words} {way}", node) for words, node in (("one", N0), ("two", N1)) for way in ways]
    assert sorted((one.text, one.node) for one in room.of(Log)) == sorted(expected)


def test_records_of_logging_keep_their_level(room: Room) -> None:
    room.go(chain("test/Logs"))
    assert Log("careful with this", "WARNING", N0) in room.told
    assert any("and this" in one.text and one.level == "WARNING" for one in room.of(Log))


def test_odd_numbers_do_not_break_the_line(room: Room) -> None:
    run = room.go(chain("test/Odd"))
    assert room.of(Stepped, run) == [Stepped(run, N0, 1, 2, 0.0)]
    assert room.of(Progressed, run) == [Progressed(run, N0, 0.5, 0.0)]


def test_a_flood_of_prints_from_native_code_blocks_nothing(room: Room) -> None:
    run = room.go(chain("test/Floods"))
    assert room.of(NodeFinished, run)
    lines = [one for one in room.of(Log) if "x" * 150 in one.text]
    assert sum(len(one.text) for one in lines) > 2_000_000


def test_a_node_that_never_stops_printing_does_not_drown_the_window(own_room: Room) -> None:
    run = own_room.supervisor.run(chain("test/Babel"))
    own_room.until(lambda: len(own_room.of(Log)) > 20_000)
    told = len(own_room.of(Log))
    time.sleep(0.5)
    assert len(own_room.of(Log)) - told < 4_000
    own_room.supervisor.cancel(run)
    assert own_room.end_of(run) == "cancelled"
    assert any("lines were left out" in one.text for one in own_room.of(Log))


def test_the_worker_says_what_it_is(own_room: Room) -> None:
    (ready,) = own_room.of(Ready)
    (sent,) = own_room.of(CatalogSent)
    assert ready.pid == own_room.pid
    assert ready.catalog == sent.catalog.fingerprint
    assert [device.name for device in ready.devices] == ["cpu"]
    assert "test/Steps" in sent.catalog.specs


def test_the_catalog_is_there_for_the_next_start(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "catalog.json"
    room = Room(tmp_path, catalog=str(file)).start()
    room.supervisor.stop()
    assert read_catalog(file) == room.of(CatalogSent)[0]


def test_nobody_else_can_connect(room: Room) -> None:
    room.go(chain("test/Add", n0_a=61.0))
    for process in (psutil.Process(room.pid), psutil.Process()):
        assert [one for one in process.net_connections("all") if one.status == psutil.CONN_LISTEN] == []
    assert psutil.Process(room.pid).net_connections("all") == []
    shared = [
        Path(f"/proc/{room.pid}/fd", name).stat()
        for name in os.listdir(f"/proc/{room.pid}/fd")  # noqa: PTH208
        if "wirelight-pictures" in os.readlink(f"/proc/{room.pid}/fd/{name}")  # noqa: PTH115
    ]
    assert shared
    assert all(one.st_nlink == 0 and stat.S_IMODE(one.st_mode) == 0o600 for one in shared)


def test_the_worker_of_trivial_nodes_has_no_torch_and_ours_none_at_all(room: Room) -> None:
    maps = Path(f"/proc/{room.pid}/maps").read_text()
    assert "libtorch" not in maps
    assert "PySide" not in maps


def test_enabled_plugins_are_there_and_broken_ones_are_told_of(tmp_path: Path) -> None:
    loud = tmp_path / "plugins" / "loud"
    loud.mkdir(parents=True)
    (loud / "plugin.toml").write_text('[plugin]\nname = "loud"\nversion = "1.0"\nmodules = ["cries"]\n')
    (loud / "cries.py").write_text("print('I am imported')\nraise OSError('no horn')\n")
    folders = (str(loud.parent), str(Path(__file__).parents[2] / "plugins"))
    room = Room(tmp_path, plugins=("print-shop", "loud", "absent"), plugin_folders=folders).start()
    (sent,) = room.of(CatalogSent)
    assert {name for name, _ in sent.broken} == {"loud", "absent"}
    assert any("no horn" in why for _, why in sent.broken)
    assert "print-shop" in {spec.package for spec in sent.catalog.specs.values()}
    room.until(lambda: any(one.text == "I am imported" for one in room.of(Log)))
    room.supervisor.stop()
