"""The crash journal: what was done is there again, exactly, whatever happened to the process or to the end of the file."""

from __future__ import annotations

import errno
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.app.document import Document
from studio.app.journal import Journal, Keeper
from studio.app.records import Edited, How, Retitled, Saved, Sealed, Started, from_line, to_line
from studio.app.recovery import read_journal
from studio.app.stamp import Stamp
from studio.files.workflow_file import to_text
from studio.graph.codec import decode
from studio.graph.edits import AddNodes, AnyEdit, MoveNodes, RemoveNodes, SetLinks, SetParameter
from studio.graph.errors import CodecError, FileProblem, WirelightError
from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.graph.workflow import Workflow

NAMES = [NodeId(name) for name in "abcd"]
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)


def an_edit(graph: Graph, data: st.DataObject) -> AnyEdit:
    there, absent = sorted(graph.nodes), [name for name in NAMES if name not in graph.nodes]
    kinds = ["add"] * bool(absent) + ["set", "move", "remove", "link"] * bool(there)
    kind = data.draw(st.sampled_from(kinds))
    if kind == "add":
        return AddNodes({data.draw(st.sampled_from(absent)): Node("test/Node", {"x": data.draw(VALUES)})})
    node = NodeId(data.draw(st.sampled_from(there)))
    if kind == "set":
        return SetParameter(node, data.draw(st.sampled_from(["x", "y"])), data.draw(VALUES))
    if kind == "move":
        place = st.floats(-1e6, 1e6)
        return MoveNodes({node: (data.draw(place), data.draw(place))})
    other = NodeId(data.draw(st.sampled_from(there)))
    if kind == "link" and other != node:
        return SetLinks({Socket(node, "in"): Socket(other, "out")})
    return RemoveNodes((node,))


def journaled(document: Document, folder: Path, keeper: Keeper | None = None) -> Journal:
    problems: list[WirelightError] = []
    journal = Journal(folder / f"{document.id}.journal", document.freeze, keeper or Keeper(), problems.append)
    journal.rebase()
    document.history.sink = journal.write
    return journal


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_editing_comes_back_with_the_undo_steps_since_the_snapshot(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    document = Document()
    keeper = Keeper()
    journal = journaled(document, tmp_path_factory.mktemp("journal"), keeper)
    whole = True
    for _ in range(data.draw(st.integers(0, 12))):
        step = data.draw(st.sampled_from(["edit", "edit", "edit", "merge", "seal", "undo", "redo", "snapshot"]))
        if step in ("edit", "merge"):
            document.apply(an_edit(document.graph, data), merge=step == "merge")
        elif step == "seal":
            document.history.seal()
        elif step == "undo":
            document.history.undo()
        elif step == "redo":
            document.history.redo()
        else:
            journal.rebase()
            journal.build()
            whole = False
    journal.build()
    found = read_journal(journal.path)
    assert found.history.graph == document.graph
    assert not found.damage
    while whole and found.history.undo() is not None:
        document.history.undo()
        assert found.history.graph == document.graph
    journal.close()
    keeper.stop()


@pytest.mark.parametrize(
    "record",
    [
        Started(1, "id", "{}", "/a/b.json", Stamp(3, 4), True),
        Edited(SetParameter(NodeId("a"), "x", "line one\nline two\r\u2028 \x85 \ud800")),
        Edited(MoveNodes({NodeId("a"): (0.1, -3.0)}), How.MERGED),
        Sealed(),
        Retitled("Title", "words"),
        Saved("/a/b.json", Stamp(1, 2)),
    ],
)
def test_a_record_is_one_line_and_comes_back(record: Edited) -> None:
    line = to_line(record)
    assert line.splitlines() == [line[:-1]]
    assert from_line(line) == record


def test_every_damaged_byte_is_noticed() -> None:
    line = to_line(Retitled("A"))
    for at in range(len(line)):
        broken = line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]
        with pytest.raises(CodecError):
            from_line(broken)


def test_a_torn_last_line_costs_only_itself(tmp_path: Path) -> None:
    document = Document()
    journal = journaled(document, tmp_path)
    document.apply(AddNodes({NodeId("a"): Node("test/Node")}))
    before = document.graph
    whole = journal.path.read_bytes()
    document.apply(SetParameter(NodeId("a"), "x", 1))
    torn = journal.path.read_bytes()
    for end in range(len(whole), len(torn)):
        journal.path.write_bytes(torn[:end])
        found = read_journal(journal.path)
        assert (found.history.graph, found.damage, found.size) == (before, "", len(whole))
    journal.close()


def test_a_damaged_line_in_the_middle_is_told(tmp_path: Path) -> None:
    document = Document()
    journal = journaled(document, tmp_path)
    for number in range(5):
        document.apply(AddNodes({NodeId(f"n{number}"): Node("test/Node")}))
    journal.close()
    lines = journal.path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"n2", b"n9")
    journal.path.write_bytes(b"".join(lines))
    found = read_journal(journal.path)
    assert set(found.history.graph.nodes) == {"n0", "n1"}
    assert "Line 4" in found.damage


@pytest.mark.parametrize("content", [b"", b"no journal\n", to_line(Sealed()), to_line(Started(99, "id", "{}"))])
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.journal"
    path.write_bytes(content)
    with pytest.raises(FileProblem) as caught:
        read_journal(path)
    assert caught.value.path == path


def test_a_value_that_no_file_can_hold_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    document = Document(Workflow(Graph({NodeId("a"): Node("test/Node")})))
    journal = journaled(document, tmp_path)
    before = document.graph
    with pytest.raises(CodecError):
        document.apply(SetParameter(NodeId("a"), "x", math.nan))
    with pytest.raises(CodecError):
        document.apply(SetParameter(NodeId("a"), "x", object()))
    assert document.graph is before
    assert not document.history.can_undo
    document.apply(SetParameter(NodeId("a"), "x", 2))
    journal.close()
    assert read_journal(journal.path).history.graph == document.graph


def test_the_journal_is_written_before_others_hear_of_the_edit(tmp_path: Path) -> None:
    document = Document()
    journal = journaled(document, tmp_path)
    seen = []
    document.listen_to(lambda graph, edit: seen.append(read_journal(journal.path).history.graph == graph))
    document.apply(AddNodes({NodeId("a"): Node("test/Node")}))
    document.history.undo()
    assert seen == [True, True]
    journal.close()


def test_many_edits_are_folded_into_a_new_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.app.journal._COMPACT_ABOVE", 20_000)
    document = Document(Workflow(Graph({NodeId("a"): Node("test/Node")})))
    journal = journaled(document, tmp_path)
    sizes = []
    for number in range(2_000):
        document.apply(SetParameter(NodeId("a"), "x", number))
        journal.build()
        sizes.append(journal.path.stat().st_size)
    assert max(sizes) < 21_000
    found = read_journal(journal.path)
    assert found.history.graph == document.graph
    journal.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Document, Journal, list[WirelightError]]]:
    """A document whose journal's thread and problems are watched."""
    document = Document(Workflow(Graph({NodeId("a"): Node("test/Node")})))
    problems: list[WirelightError] = []
    keeper = Keeper()
    journal = Journal(tmp_path / "x.journal", document.freeze, keeper, problems.append)
    journal.rebase()
    document.history.sink = journal.write
    document.apply(SetParameter(NodeId("a"), "x", 1))
    yield document, journal, problems
    journal.close()
    keeper.stop()


def full(file: int, data: bytes, write: Callable[[int, bytes], int] = os.write) -> int:
    """What a full disk does: it takes a little, and refuses the rest."""
    write(file, data[:7])
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_once_and_editing_goes_on(
    watched: tuple[Document, Journal, list[WirelightError]], monkeypatch: pytest.MonkeyPatch
) -> None:
    document, journal, problems = watched
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        patch.setattr(os, "fsync", lambda file: full(file, b""))
        for value in (2, 3, 4):
            document.apply(SetParameter(NodeId("a"), "x", value))
    assert len(problems) == 1
    assert "no space" in problems[0].what
    assert document.graph.nodes[NodeId("a")].parameters == {"x": 4}
    assert read_journal(journal.path).history.graph.nodes[NodeId("a")].parameters == {"x": 1}


def test_once_there_is_room_again_everything_is_written_without_another_edit(
    watched: tuple[Document, Journal, list[WirelightError]], monkeypatch: pytest.MonkeyPatch
) -> None:
    document, journal, problems = watched
    monkeypatch.setattr("studio.app.journal._RETRY_AFTER", 0.05)
    monkeypatch.setattr("studio.app.journal._SYNC_AFTER", 0.02)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        patch.setattr(os, "fsync", lambda file: full(file, b""))
        document.apply(SetParameter(NodeId("a"), "x", 2))
        document.apply(SetParameter(NodeId("a"), "x", 3))
    deadline = time.monotonic() + 10
    while read_journal(journal.path).history.graph != document.graph:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    document.apply(SetParameter(NodeId("a"), "x", 4))
    assert read_journal(journal.path).history.graph == document.graph
    assert len(problems) == 1


def test_a_snapshot_is_the_workflow_as_its_file(tmp_path: Path) -> None:
    workflow = Workflow(Graph({NodeId("a"): Node("test/Node", {"x": 1.5})}), "Title")
    document = Document(workflow)
    journal = journaled(document, tmp_path)
    journal.close()
    first = from_line(journal.path.read_bytes().splitlines(keepends=True)[0])
    assert isinstance(first, Started)
    assert first.workflow == to_text(workflow)
    assert decode(Stamp, {"size": 1, "modified": 2}) == Stamp(1, 2)
