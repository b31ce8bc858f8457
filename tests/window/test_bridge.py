"""Reports come over in order, at most once a frame, and nothing stale with them."""

from __future__ import annotations

import threading

from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from studio.app.supervisor import Report
from studio.graph.graph import NodeId
from studio.protocol.messages import Heartbeat, Log, NodeStarted, Picture, RunId, Stepped
from studio.window.bridge import Bridge, image_of, without_stale

RUN, NODE = RunId("r"), NodeId("sampler")


def test_reports_of_another_thread_arrive_on_this_one_in_order(qtbot: QtBot) -> None:
    bridge = Bridge()
    arrived: list[Report] = []
    threads: set[int] = set()

    def take(reports: list[Report]) -> None:
        arrived.extend(reports)
        threads.add(threading.get_ident())

    bridge.arrived.connect(take)
    lines: list[Report] = [Log(str(at)) for at in range(500)]
    sender = threading.Thread(target=lambda: [bridge.post(line) for line in lines])
    sender.start()
    qtbot.waitUntil(lambda: len(arrived) == 500)
    sender.join()
    assert arrived == lines
    assert threads == {threading.get_ident()}
    bridge.close()


def test_a_burst_is_told_a_few_times_only_and_nothing_after_the_end(qtbot: QtBot) -> None:
    bridge = Bridge()
    turns: list[list[Report]] = []
    bridge.arrived.connect(turns.append)
    for at in range(1, 201):
        bridge.post(Stepped(RUN, NODE, at, 200))
    qtbot.waitUntil(lambda: bool(turns))
    assert turns == [[Stepped(RUN, NODE, 200, 200)]]
    bridge.close()
    bridge.post(Log("too late"))
    qtbot.wait(50)
    assert len(turns) == 1


def test_the_last_picture_is_kept_though_a_later_step_has_none() -> None:
    picture = Picture(0, 1, 8, 8)
    early, shown, late = Stepped(RUN, NODE, 1, 9), Stepped(RUN, NODE, 2, 9, preview=picture), Stepped(RUN, NODE, 3, 9)
    started = NodeStarted(RUN, NODE)
    beats = [Heartbeat(1.0, 1), Heartbeat(2.0, 1)]
    assert without_stale([beats[0], started, early, shown, late, beats[1]]) == [started, shown, late, beats[1]]
    assert without_stale([shown, Stepped(RUN, NodeId("other"), 1, 9)]) == [shown, Stepped(RUN, NodeId("other"), 1, 9)]


def test_pixels_become_a_picture_and_torn_ones_nothing() -> None:
    green = image_of(Picture(0, 1, 2, 1), lambda picture: bytes((0, 255, 0, 0, 0, 255)))
    assert green is not None
    assert [QColor(green.pixel(x, 0)) for x in (0, 1)] == [QColor(0, 255, 0), QColor(0, 0, 255)]
    odd = image_of(Picture(0, 1, 3, 2), lambda picture: bytes(range(18)))
    assert odd is not None
    assert QColor(odd.pixel(2, 1)) == QColor(15, 16, 17)
    assert image_of(Picture(0, 1, 2, 1), lambda picture: None) is None
    assert image_of(Picture(0, 1, 2, 1), lambda picture: b"\0") is None
    assert image_of(None, lambda picture: b"") is None
