"""The fake keeps to the same rules as a worker's line."""

from __future__ import annotations

import inspect

import pytest

from studio.graph.errors import WorkerLost
from studio.protocol import fake
from studio.protocol.channel import Channel
from studio.protocol.fake import FakeChannel
from studio.protocol.messages import Cancel, Log, Picture, RunId


def test_it_answers_as_told_and_keeps_what_was_sent() -> None:
    channel: Channel = FakeChannel(Log("hello"), WorkerLost("gone"))
    channel.send(Cancel(RunId("a")))
    assert channel.receive(0) == Log("hello")
    with pytest.raises(WorkerLost):
        channel.receive(0)
    assert channel.receive(0) is None
    assert channel.picture(Picture(0, 1, 1, 1)) is None
    channel.close()
    assert isinstance(channel, FakeChannel)
    assert channel.sent == [Cancel(RunId("a"))]
    assert channel.closed


def test_it_stays_small() -> None:
    assert len(inspect.getsource(fake).splitlines()) < 50
