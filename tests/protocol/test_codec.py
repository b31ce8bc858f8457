"""Messages cross whole; what is no message is refused, never a crash."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.graph.edits import AddNodes
from studio.graph.errors import ProtocolError
from studio.graph.graph import Node, NodeId
from studio.protocol import codec
from studio.protocol.codec import check_version, pack, read_frame, unpack_events, unpack_messages
from studio.protocol.messages import VERSION, Cancel, Configure, GraphChange, Run, RunFinished, RunId, Stepped
from tests.protocol.messages import RECEIVED, SENT, any_of

_quick = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def _body(frame: bytes) -> bytes:
    body = read_frame(io.BytesIO(frame))
    assert body is not None
    return body


@pytest.mark.parametrize("kind", SENT, ids=lambda kind: kind.__name__)
@given(data=st.data())
@_quick
def test_every_message_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    message: Any = data.draw(any_of(kind))
    assert unpack_messages(_body(pack([message]))) == [message]


@pytest.mark.parametrize("kind", RECEIVED, ids=lambda kind: kind.__name__)
@given(data=st.data())
@_quick
def test_every_event_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    event: Any = data.draw(any_of(kind))
    assert unpack_events(_body(pack([event]))) == [event]


def test_many_messages_share_a_frame_and_frames_follow_each_other() -> None:
    stream = io.BytesIO(pack([Cancel(RunId("a")), Cancel(RunId("b"))]) + pack([Cancel(RunId("c"))]))
    frames = list(iter(lambda: read_frame(stream), None))
    assert [[one.run for one in unpack_messages(body)] for body in frames] == [["a", "b"], ["c"]]  # type: ignore[union-attr]


@given(st.binary(max_size=200))
def test_garbage_is_refused(garbage: bytes) -> None:
    try:
        body = read_frame(io.BytesIO(garbage))
    except ProtocolError:
        return
    assert body is None
    assert garbage == b""


@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")))
def test_a_frame_full_of_garbage_is_refused(body: bytes) -> None:
    for unpack in (unpack_messages, unpack_events):
        try:
            found: list[Any] = unpack(body)
        except ProtocolError:
            continue
        assert found == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"is": "Cancel", "run": "a"}',
        b"[1]",
        b"[null]",
        b'[{"is": "Cancel"}]',
        b'[{"is": "Cancel", "run": 1}]',
        b'[{"is": "Cancel", "run": "a", "force": true}]',
        b'[{"is": "Format", "disk": "c"}]',
        b'[{"is": ["Cancel"], "run": "a"}]',
        b'[{"is": "Fetch", "request": NaN, "node": "a", "output": "b"}]',
        b'[{"is": "Fetch", "request": ' + b"9" * 5000 + b', "node": "a", "output": "b"}]',
        b"[" * 100_000,
        b'[{"is": "Run", "run": "a", "graph": {"revision": 1, "edit": {"is": "AddNodes", "nodes": {"a": 3}}}}]',
    ],
)
def test_what_has_not_the_stated_shape_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpack_messages(body)


def test_a_frame_cut_anywhere_is_refused() -> None:
    frame = pack([Cancel(RunId("a"))])
    for length in range(1, len(frame)):
        with pytest.raises(ProtocolError):
            read_frame(io.BytesIO(frame[:length]))


def test_a_frame_that_announces_too_much_is_refused_before_it_is_read() -> None:
    with pytest.raises(ProtocolError, match="4294967295"):
        read_frame(io.BytesIO(b"WLF1\xff\xff\xff\xff"))


def test_a_frame_that_is_too_large_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MOST_BYTES", 50)
    with pytest.raises(ProtocolError):
        pack([Cancel(RunId("a" * 60))])


def test_numbers_that_are_not_finite_are_not_sent() -> None:
    edit = AddNodes({NodeId("a"): Node("math/Add", {"a": float("nan")})})
    with pytest.raises(ProtocolError):
        pack([Run(RunId("a"), GraphChange(1, 0, edit))])
    with pytest.raises(ProtocolError):
        pack([Stepped(RunId("a"), NodeId("a"), 1, 2, float("inf"))])


def test_what_is_not_plain_data_is_not_sent() -> None:
    endless: list[object] = []
    endless.append(endless)
    for value in (object(), {"a": {1, 2}}, endless):
        with pytest.raises(ProtocolError):
            pack([Run(RunId("a"), GraphChange(1, 0, AddNodes({NodeId("a"): Node("math/Add", {"a": value})})))])


def test_messages_are_not_events() -> None:
    with pytest.raises(ProtocolError):
        unpack_events(_body(pack([Cancel(RunId("a"))])))
    with pytest.raises(ProtocolError):
        unpack_messages(_body(pack([RunFinished(RunId("a"), "done", 1.0)])))


def test_another_version_is_refused() -> None:
    check_version(Configure().version)
    with pytest.raises(ProtocolError, match=str(VERSION + 1)):
        check_version(VERSION + 1)
