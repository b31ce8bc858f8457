"""What a window had open comes back, after a clean end and after a kill, and two windows leave each other alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studio.app.document import Document
from studio.app.session import Session
from studio.files.workflow_file import read_workflow, write_workflow
from studio.graph.edits import AddNodes, SetParameter
from studio.graph.errors import ChangedOnDisk, WirelightError, WorkflowUnreadable
from studio.graph.graph import Graph, Node, NodeId
from studio.graph.workflow import View, Workflow

A = NodeId("a")


def workflow(x: int = 0) -> Workflow:
    return Workflow(Graph({A: Node("test/Node", {"x": x})}), "Work")


def die(session: Session) -> None:
    """What the operating system does when a process is killed: it closes its files, and nothing else happens."""
    session._keeper.stop()
    session._lock.release()


def parameters(document: Document) -> object:
    return document.graph.nodes[A].parameters


def test_everything_comes_back_after_a_clean_end(tmp_path: Path) -> None:
    session = Session.start(tmp_path)
    first, second = session.new(workflow()), session.new(workflow(1))
    second.apply(SetParameter(A, "x", 2))
    first.view = View((10.0, 20.0), 0.5)
    session.activate(first)
    session.end()
    again = Session.start(tmp_path)
    assert [one.id for one in again.documents] == [first.id, second.id]
    assert again.active is again.documents[0]
    assert again.documents[0].view == View((10.0, 20.0), 0.5)
    assert parameters(again.documents[1]) == {"x": 2}
    assert again.notices == []
    assert again.documents[1].history.undo() is not None
    assert parameters(again.documents[1]) == {"x": 1}


def test_after_a_kill_it_says_that_everything_is_back(tmp_path: Path) -> None:
    session = Session.start(tmp_path)
    document = session.new(workflow())
    document.apply(SetParameter(A, "x", 5))
    document.retitle("Renamed")
    die(session)
    again = Session.start(tmp_path)
    assert parameters(again.documents[0]) == {"x": 5}
    assert again.documents[0].title == "Renamed"
    assert again.documents[0].dirty
    assert "did not end properly" in again.notices[0].text
    die(again)
    assert parameters(Session.start(tmp_path).documents[0]) == {"x": 5}


def test_a_window_beside_a_running_one_starts_with_nothing_of_it(tmp_path: Path) -> None:
    first = Session.start(tmp_path)
    document = first.new(workflow())
    second = Session.start(tmp_path)
    assert second.documents == ()
    other = second.new(workflow(7))
    document.apply(SetParameter(A, "x", 1))
    other.apply(SetParameter(A, "x", 8))
    die(first)
    die(second)
    third = Session.start(tmp_path)
    assert sorted(str(parameters(one)) for one in third.documents) == ["{'x': 1}", "{'x': 8}"]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [third.folder.name]


def test_without_restore_what_was_left_stays_for_another_start(tmp_path: Path) -> None:
    session = Session.start(tmp_path)
    session.new(workflow(3))
    session.end()
    plain = Session.start(tmp_path, restore=False)
    assert plain.documents == ()
    plain.end()
    assert len(Session.start(tmp_path).documents) == 1


def test_a_closed_document_can_be_reopened_with_unsaved_changes(tmp_path: Path) -> None:
    session = Session.start(tmp_path)
    kept, closed = session.new(workflow()), session.new(workflow())
    closed.apply(SetParameter(A, "x", 9))
    session.close(closed)
    assert session.active is kept
    assert session.documents == (kept,)
    back = session.reopen()
    assert back is not None
    assert back.id == closed.id
    assert parameters(back) == {"x": 9}
    assert session.active is back
    assert session.reopen() is None


def test_opening_a_file_twice_gives_one_document(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    write_workflow(workflow(), path)
    session = Session.start(tmp_path / "sessions")
    first = session.open(path)
    session.new()
    assert session.open(path) is first
    assert session.active is first
    assert not first.dirty
    with pytest.raises(WorkflowUnreadable):
        session.open(tmp_path / "absent.json")
    assert len(session.documents) == 2


def test_saving_and_undoing_decide_whether_a_document_is_dirty(tmp_path: Path) -> None:
    document = Document(workflow())
    assert not document.dirty
    document.apply(SetParameter(A, "x", 1))
    assert document.dirty
    document.save(tmp_path / "work.json")
    assert not document.dirty
    document.apply(SetParameter(A, "x", 2))
    document.history.undo()
    assert not document.dirty
    document.history.undo()
    assert document.dirty
    assert read_workflow(tmp_path / "work.json").workflow.graph.nodes[A].parameters == {"x": 1}


def test_a_file_that_somebody_else_changed_is_not_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    document = Document(workflow())
    document.save(path)
    write_workflow(workflow(77), path)
    document.apply(SetParameter(A, "x", 1))
    with pytest.raises(ChangedOnDisk):
        document.save()
    assert read_workflow(path).workflow.graph.nodes[A].parameters == {"x": 77}
    document.save(overwrite=True)
    assert read_workflow(path).workflow.graph.nodes[A].parameters == {"x": 1}


def test_an_unchanged_document_takes_what_its_file_says_now(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    session = Session.start(tmp_path / "sessions")
    session.new(workflow()).save(path)
    session.end()
    write_workflow(workflow(42), path)
    document = Session.start(tmp_path / "sessions").documents[0]
    assert parameters(document) == {"x": 42}
    assert not document.dirty
    document.history.undo()
    assert parameters(document) == {"x": 0}


def test_a_changed_document_keeps_its_changes_and_tells(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    session = Session.start(tmp_path / "sessions")
    document = session.new(workflow())
    document.save(path)
    document.apply(SetParameter(A, "x", 1))
    session.end()
    write_workflow(workflow(42), path)
    again = Session.start(tmp_path / "sessions")
    assert parameters(again.documents[0]) == {"x": 1}
    assert "another program" in again.notices[0].text
    with pytest.raises(ChangedOnDisk):
        again.documents[0].save()


def test_a_file_that_is_gone_is_told_and_the_document_is_there(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    session = Session.start(tmp_path / "sessions")
    session.new(workflow(4)).save(path)
    session.end()
    path.unlink()
    again = Session.start(tmp_path / "sessions")
    assert parameters(again.documents[0]) == {"x": 4}
    assert again.documents[0].dirty
    assert "is gone" in again.notices[0].text
    again.documents[0].save()
    assert path.exists()


def test_a_kill_between_saving_and_noting_it_leaves_a_clean_document(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    session = Session.start(tmp_path / "sessions")
    document = session.new(workflow())
    document.save(path)
    document.apply(SetParameter(A, "x", 1))
    write_workflow(document.workflow, path)
    die(session)
    again = Session.start(tmp_path / "sessions")
    assert not again.documents[0].dirty
    again.documents[0].apply(SetParameter(A, "x", 2))
    again.documents[0].save()


def test_a_journal_without_a_snapshot_is_set_aside_and_the_rest_opens(tmp_path: Path) -> None:
    session = Session.start(tmp_path)
    session.new(workflow(1))
    broken = session.new(workflow(2))
    session.end()
    (session.folder / f"{broken.id}.journal").write_bytes(b"\0\0\0\0")
    again = Session.start(tmp_path)
    assert [parameters(one) for one in again.documents] == [{"x": 1}]
    assert "kept as" in again.notices[0].text
    assert (tmp_path / "damaged" / f"{broken.id}.journal").read_bytes() == b"\0\0\0\0"


def test_a_damaged_session_file_costs_no_document(tmp_path: Path) -> None:
    session = Session.start(tmp_path)
    session.new(workflow(1))
    session.new(workflow(2))
    session.end()
    (session.folder / "session.json").write_text("{")
    assert len(Session.start(tmp_path).documents) == 2


def test_a_file_that_was_only_opened_is_open_again_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    write_workflow(workflow(6), path)
    session = Session.start(tmp_path / "sessions")
    document = session.open(path)
    session._state_file.sync()
    die(session)
    assert not (session.folder / f"{document.id}.journal").exists()
    again = Session.start(tmp_path / "sessions")
    assert [one.path for one in again.documents] == [path]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(WirelightError, match="WIRELIGHT_HOME"):
        Session.start(tmp_path / "sessions")


def test_an_edit_right_after_opening_is_in_the_journal_at_once(tmp_path: Path) -> None:
    session = Session.start(tmp_path)
    document = session.new(Workflow(Graph()))
    document.apply(AddNodes({NodeId(f"n{number}"): Node("test/Node") for number in range(3_000)}))
    die(session)
    assert Session.start(tmp_path).documents[0].graph == document.graph
