"""The whole window on a worker that the test plays: what an artist sees and does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QDropEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QDialog, QFileDialog, QLabel, QTextBrowser, QWidget
from pytestqt.qtbot import QtBot

from studio.app.actions import ACTIONS, Command
from studio.app.settings import Theme as ThemeChoice
from studio.app.settings import load_settings
from studio.files.workflow_file import read_workflow, write_workflow
from studio.graph.check import Kind, Problem
from studio.graph.edits import SetParameter, disconnect
from studio.graph.errors import WorkerLost
from studio.graph.graph import Graph, Mode, Node, NodeId
from studio.graph.spec import Catalog, Migration, NodeSpec
from studio.graph.workflow import Workflow
from studio.library.places import places
from studio.protocol.messages import (
    Cancel,
    CatalogSent,
    Fetch,
    Fetched,
    Heartbeat,
    Log,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    Pause,
    Picture,
    Run,
    RunFinished,
    RunId,
    RunPaused,
    RunRefused,
    RunResumed,
    RunStarted,
    Stepped,
)
from studio.window.actions import method_of
from studio.window.canvas.status import State
from studio.window.picker import Picker
from tests.files.comfyui.small import node as block_of
from tests.files.comfyui.small import text_to_picture
from tests.window.conftest import Room
from tests.window.graphs import end
from tests.window.scenes import assert_shows

SAMPLER = NodeId("sampler")
RED = bytes((200, 30, 40)) * 64


def started_run(room: Room) -> RunId:
    room.desk.commands[Command.RUN].trigger()
    room.until(lambda: any(isinstance(one, Run) for one in room.channel.sent))
    run = next(one for one in reversed(room.channel.sent) if isinstance(one, Run)).run
    room.say(RunStarted(run, 6))
    return run


def picker(room: Room) -> Picker:
    room.until(lambda: isinstance(QApplication.activePopupWidget(), Picker))
    found = QApplication.activePopupWidget()
    assert isinstance(found, Picker)
    return found


def test_every_action_has_a_method_and_every_menu_entry_can_be_found(room: Room) -> None:
    sets = room.desk.command_sets
    for action in ACTIONS:
        assert callable(method_of(action.callback, sets)), action.id
    titles = [entry.text() for menu in room.window.top.menus.actions() for entry in menu.menu().actions()]
    assert {action.title for action in ACTIONS} <= set(titles)


def test_a_run_shows_steps_pictures_seconds_and_what_was_cached(room: Room) -> None:
    run = started_run(room)
    room.channel.pictures[3] = RED
    room.say(
        NodeFinished(run, NodeId("checkpoint"), "model/Load", 0.0, cached=True),
        NodeStarted(run, SAMPLER),
        Stepped(run, SAMPLER, 5, 20, 3.0, 12.0, Picture(3, 1, 8, 8)),
    )
    item = room.scene.nodes[SAMPLER]
    assert item.band_words(short=False) == "step 5 of 20 \u00b7 12 s left"
    assert room.scene.nodes[NodeId("checkpoint")].band_words(short=False) == "cached"
    assert "step 5 of 20" in room.window.top.words.text()
    assert item.layout.preview is not None
    room.window.view.fit(room.scene.content())
    seen = room.window.view.grab().toImage()
    place = room.window.view.viewportTransform().map(
        item.pos() + QPointF(item.layout.width / 2, item.layout.preview.y + 60)
    )
    assert QColor(seen.pixel(place.toPoint())) == QColor(200, 30, 40)
    assert room.desk.viewer.picture.image is not None
    assert QColor(room.desk.viewer.picture.image.pixel(0, 0)) == QColor(200, 30, 40)
    room.say(NodeFinished(run, SAMPLER, "sample/Sample", 4.25), RunFinished(run, "done", 5.0))
    assert item.band_words(short=False) == "4.2 s"
    assert not room.desk.commands[Command.CANCEL].isEnabled()
    assert_shows(room.scene)


def test_an_edit_outdates_what_the_last_run_said(room: Room) -> None:
    run = started_run(room)
    for node in ("checkpoint", "latent", "sampler", "decode"):
        room.say(NodeFinished(run, NodeId(node), room.scene.graph.nodes[NodeId(node)].type, 1.5))
    room.say(NodeFailed(run, NodeId("save"), "image/Save", "No room."), RunFinished(run, "failed", 2.0))
    room.window.view.apply(SetParameter(SAMPLER, "steps", 4))
    words = {id: item.band_words(short=False) for id, item in room.scene.nodes.items()}
    assert words == {"checkpoint": "1.5 s", "latent": "1.5 s", "prompt": "", "sampler": "", "decode": "", "save": ""}


def test_no_command_fails_whatever_is_selected(room: Room) -> None:
    nothing_or_leaving = {Command.QUIT, Command.OPEN_OUTPUTS, Command.FULL_SCREEN}
    for selected in ([], [("node", "sampler")], [("node", "sampler"), ("node", "decode")]):
        for action in ACTIONS:
            if action.id in nothing_or_leaving:
                continue
            room.scene.select(selected)
            room.desk.commands.refresh()
            room.desk.commands[action.id].trigger()
            while (popup := QApplication.activePopupWidget()) is not None:
                popup.close()
            for dialog in room.window.findChildren(QDialog):
                dialog.close()
            room.qtbot.wait(1)
        assert_shows(room.scene)


def test_cancel_pause_and_resume_reach_the_worker(room: Room) -> None:
    run = started_run(room)
    room.say(NodeStarted(run, SAMPLER), Stepped(run, SAMPLER, 3, 20))
    room.window.top.pause.click()
    room.until(lambda: Pause(run) in room.channel.sent)
    room.say(RunPaused(run, SAMPLER, 3))
    assert room.window.top.pause.text() == "Resume"
    assert room.scene.nodes[SAMPLER].band_words(short=False) == "paused at 3 of 20"
    room.window.top.pause.click()
    room.say(RunResumed(run))
    assert room.window.top.pause.text() == "Pause"
    room.window.top.cancel.click()
    room.until(lambda: Cancel(run) in room.channel.sent)
    room.say(RunFinished(run, "cancelled", 1.0))
    assert room.scene.nodes[SAMPLER].status.state is State.IDLE


def test_a_second_run_waits_and_says_so(room: Room) -> None:
    run = started_run(room)
    room.desk.commands[Command.RUN].trigger()
    room.say(Heartbeat(1.0, 2**30))
    assert "1 waiting" in room.window.top.words.text()
    room.say(RunFinished(run, "done", 1.0))
    room.until(lambda: sum(isinstance(one, Run) for one in room.channel.sent) == 2)
    room.desk.commands[Command.CANCEL_ALL].trigger()


def test_an_error_stands_on_its_node_and_in_whole_on_a_click(room: Room, qtbot: QtBot) -> None:
    run = started_run(room)
    what = "The latent has 16 channels, and this VAE decodes 4 channels only, which is not the same at all."
    room.say(
        NodeFailed(
            run, NodeId("decode"), "latent/Decode", what, "vae", "Use the VAE of the same model.", "Traceback: line 3"
        ),
        RunFinished(run, "failed", 1.0),
    )
    item = room.scene.nodes[NodeId("decode")]
    assert item.status.state is State.FAILED
    assert item.layout.error is not None
    assert any(what in text for text in room.window.notices.texts)
    room.scene.select({("node", "decode")})
    room.window.view.error_asked.emit("decode")
    pages = [one for one in room.window.findChildren(QWidget) if one.windowTitle() == "Decode latent failed"]
    texts = " ".join(child.text() for page in pages for child in page.findChildren(type(room.window.top.title)))
    assert "Use the VAE of the same model." in texts
    for page in pages:
        page.close()


def test_a_refused_run_marks_the_node_and_tells_what_to_do(room: Room) -> None:
    run = started_run(room)
    room.say(
        RunRefused(
            run,
            (Problem(Kind.MISSING_INPUT, SAMPLER, "The input 'model' is not connected.", "Connect a Model.", "model"),),
        )
    )
    assert room.scene.nodes[SAMPLER].status.socket == "model"
    assert any("Connect a Model." in text for text in room.window.notices.texts)


def test_the_worker_line_tells_starting_ready_death_and_restart(room: Room) -> None:
    assert "ready" in room.window.bottom.worker.text()
    started_run(room)
    room.channel.node = SAMPLER
    room.channel.answers.append(WorkerLost("It was killed."))
    room.until(lambda: any("sampler" in text and "It was killed." in text for text in room.window.notices.texts))
    assert room.scene.nodes[SAMPLER].status.state is State.FAILED
    room.until(lambda: room.desk.progress is not None and not room.desk.progress.worker.ready)
    assert room.desk.queue is not None
    assert room.desk.queue.current is None
    assert len(room.window.notices.texts) == 1


def test_a_notice_lies_over_the_canvas_and_moves_nothing(room: Room) -> None:
    view, notices = room.window.view, room.window.notices
    before = view.mapTo(room.window, QPoint(0, 0)), view.size()
    notices.tell("word " * 120, topic="long")
    room.qtbot.wait(20)
    assert (view.mapTo(room.window, QPoint(0, 0)), view.size()) == before
    label = notices.findChild(QLabel)
    assert label.height() >= label.heightForWidth(label.width())
    room.window.resize(900, 700)
    room.qtbot.wait(20)
    assert view.rect().contains(notices.geometry())
    notices.withdraw("long")
    assert not notices.isVisible()


def test_log_lines_reach_the_panel(room: Room) -> None:
    room.say(Log("loading weights", node=SAMPLER), Log("out of memory", level="ERROR"))
    assert room.desk.log.text.toPlainText() == "sampler: loading weights\nout of memory"


def test_a_number_shows_a_nodes_result_and_arrives_anew_after_a_run(room: Room) -> None:
    room.scene.select({("node", "decode")})
    room.window.view.setFocus()
    room.qtbot.keyClick(room.window.view, Qt.Key.Key_2)
    room.until(lambda: any(isinstance(one, Fetch) for one in room.channel.sent))
    asked = next(one for one in room.channel.sent if isinstance(one, Fetch))
    assert (asked.node, asked.output) == ("decode", "image")
    room.channel.pictures[1] = RED
    room.say(Fetched(asked.request, asked.node, asked.output, "Image", Picture(1, 1, 8, 8), count=2, width=8, height=8))
    viewer = room.desk.viewer
    assert viewer.shown == 2
    assert viewer.picture.image is not None
    assert "1 of 2" in viewer.words.text()
    run = started_run(room)
    room.say(RunFinished(run, "done", 1.0))
    room.until(lambda: sum(isinstance(one, Fetch) for one in room.channel.sent) == 2)


def test_text_results_are_shown_as_text(room: Room) -> None:
    room.scene.select({("node", "checkpoint")})
    room.window.view.slot_asked.emit(1)
    room.until(lambda: any(isinstance(one, Fetch) for one in room.channel.sent))
    asked = next(one for one in room.channel.sent if isinstance(one, Fetch))
    room.say(Fetched(asked.request, asked.node, asked.output, "Model", text="A model of 3 million numbers."))
    assert room.desk.viewer.picture.text == "A model of 3 million numbers."


def test_search_adds_a_node_and_a_dropped_wire_joins_it(room: Room) -> None:
    room.window.view.setFocus()
    room.desk.commands[Command.ADD_NODE].trigger()
    found = picker(room)
    room.qtbot.keyClicks(found.field, "clip")
    assert found.rows.rows[0].title == "Encode prompt"
    assert found.doc.text() == "Words that steer a model."
    room.qtbot.keyClick(found.field, Qt.Key.Key_Return)
    assert "encode" in room.scene.graph.nodes
    assert room.scene.selected_nodes == ("encode",)
    room.window.view.search_asked.emit(
        QPointF(900, 500), room.window.mapToGlobal(room.window.rect().center()), end("decode", "image"), True
    )
    found = picker(room)
    titles = [row.title for row in found.rows.rows]
    assert "Mix" in titles
    assert "Encode prompt" not in titles
    room.qtbot.keyClicks(found.field, "mix")
    room.qtbot.keyClick(found.field, Qt.Key.Key_Return)
    assert room.scene.graph.links[end("mix", "image")] == end("decode", "image")
    assert_shows(room.scene)


def test_a_refusals_converter_goes_between(room: Room) -> None:
    room.window.view.apply(disconnect(end("save", "image")))
    refusal = room.scene.refusal(end("sampler", "latent"), end("save", "image"))
    assert refusal is not None
    corner = room.window.mapToGlobal(room.window.rect().center())
    room.window.view.refused.emit(refusal, end("sampler", "latent"), end("save", "image"), corner)
    menu = QApplication.activePopupWidget()
    assert menu is not None
    texts = [action.text() for action in menu.actions() if action.text()]
    assert texts[0] == "A latent is not a picture yet: a VAE has to decode it."
    assert texts[1] == "Put 'Decode latent' between"
    next(action for action in menu.actions() if action.text() == texts[1]).trigger()
    menu.close()
    assert room.scene.graph.links[end("save", "image")] == end("decode_2", "image")
    assert room.scene.graph.links[end("decode_2", "latent")] == end("sampler", "latent")


def test_copy_paste_duplicate_delete_bypass_mute_collapse(room: Room) -> None:
    commands, scene = room.desk.commands, room.scene
    before = scene.graph
    scene.select({("node", "decode"), ("node", "save")})
    room.until(lambda: commands[Command.COPY].isEnabled())
    commands[Command.COPY].trigger()
    room.until(lambda: commands[Command.PASTE].isEnabled())
    commands[Command.PASTE].trigger()
    assert {"decode_2", "save_2"} <= set(scene.graph.nodes)
    assert scene.graph.links[end("save_2", "image")] == end("decode_2", "image")
    room.until(lambda: commands[Command.DELETE].isEnabled())
    commands[Command.DELETE].trigger()
    assert scene.graph == before
    scene.select({("node", "sampler")})
    room.until(lambda: commands[Command.BYPASS].isEnabled())
    commands[Command.BYPASS].trigger()
    assert scene.graph.nodes[SAMPLER].mode is Mode.BYPASSED
    assert scene.nodes[SAMPLER].band_words(short=False) == "bypassed"
    commands[Command.MUTE].trigger()
    assert scene.graph.nodes[SAMPLER].mode is Mode.MUTED
    commands[Command.MUTE].trigger()
    assert scene.graph.nodes[SAMPLER].mode is Mode.ACTIVE
    commands[Command.COLLAPSE].trigger()
    assert scene.nodes[SAMPLER].layout.height == 30
    assert_shows(scene)
    commands[Command.DUPLICATE].trigger()
    assert "sampler_2" in scene.graph.nodes
    assert_shows(scene)


def test_undo_and_redo_by_key_and_the_title_tells_that_it_is_edited(room: Room) -> None:
    room.window.view.apply(SetParameter(SAMPLER, "steps", 33))
    room.until(lambda: room.window.top.edited.text() != "")
    room.window.view.setFocus()
    room.desk.commands[Command.UNDO].trigger()
    assert "steps" not in room.scene.graph.nodes[SAMPLER].parameters
    room.until(lambda: room.desk.commands[Command.REDO].isEnabled())
    room.desk.commands[Command.REDO].trigger()
    assert room.scene.graph.nodes[SAMPLER].parameters["steps"] == 33


def test_a_double_click_on_a_wire_bends_it(room: Room) -> None:
    wire = room.scene.wires.wires[end("save", "image")]
    room.window.view.split_asked.emit(end("save", "image"), wire.drawn().pointAtPercent(0.5))
    assert room.scene.graph.links[end("save", "image")] == end("reroute", "value")
    assert str(room.scene.wiring.type_of(NodeId("reroute"), "value", True)) == "Image"
    assert room.scene.wires.wires[end("save", "image")].color == wire.color
    assert_shows(room.scene)


def test_save_as_open_and_a_file_that_another_program_changed(room: Room, tmp_path: Path) -> None:
    path = tmp_path / "boat.json"
    room.desk.commands[Command.SAVE_AS].trigger()
    dialog = room.window.findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit(str(path))
    dialog.close()
    assert read_workflow(path).workflow.graph == room.scene.graph
    assert not room.window.document.dirty
    room.window.view.apply(SetParameter(SAMPLER, "steps", 5))
    path.write_text(path.read_text() + "\n")
    room.desk.commands[Command.SAVE].trigger()
    assert any("boat.json" in text for text in room.window.notices.texts)
    assert read_workflow(path).workflow.graph.nodes[SAMPLER].parameters.get("steps") is None
    assert str(path) in load_settings(places().config).settings.recent_files


def test_a_dropped_file_opens_in_a_tab_and_one_that_is_no_workflow_says_so(room: Room, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    write_workflow(Workflow(Graph({NodeId("a"): Node("latent/Empty")}), title="Good"), good)
    bad.write_text('{"format": "wirelight", "version": 1, "nodes": {')
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(bad)), QUrl.fromLocalFile(str(good))])
    event = QDropEvent(
        QPointF(10, 10), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    room.window.view.dropEvent(event)
    assert room.window.document.title == "Good"
    assert any("bad.json" in text for text in room.window.notices.texts)
    room.until(lambda: room.window.tabs.isVisible())
    titles = [room.window.tabs.tabText(at).rstrip(" \u2022") for at in range(room.window.tabs.count())]
    assert titles[-1] == "Good"
    room.window.tabs.setCurrentIndex(0)
    assert room.window.document.title != "Good"


def test_a_closed_document_comes_back(room: Room) -> None:
    room.window.view.apply(SetParameter(SAMPLER, "steps", 77))
    graph = room.scene.graph
    room.desk.commands[Command.CLOSE].trigger()
    assert room.window.document.graph != graph
    assert any("closed with changes" in text for text in room.window.notices.texts)
    room.until(lambda: room.desk.commands[Command.REOPEN].isEnabled())
    room.desk.commands[Command.REOPEN].trigger()
    assert room.scene.graph == graph
    assert_shows(room.scene)


def test_an_unknown_node_is_a_placeholder_and_is_saved_whole(room: Room, tmp_path: Path) -> None:
    path, again = tmp_path / "odd.json", tmp_path / "again.json"
    graph = Graph(
        {
            NodeId("odd"): Node("magic/Portal", {"strength": 0.5}, (0, 0)),
            NodeId("save"): Node("image/Save", position=(400, 0)),
        },
        {end("save", "image"): end("odd", "vision")},
    )
    write_workflow(Workflow(graph), path)
    room.desk.files.open_paths([str(path)])
    item = room.scene.nodes[NodeId("odd")]
    assert item.spec_missing
    assert item.band_words(short=False) == "not installed"
    assert item.layout.control("strength") is not None
    assert_shows(room.scene)
    room.window.document.save(again)
    assert json.loads(again.read_text())["nodes"] == json.loads(path.read_text())["nodes"]


def test_the_inspector_shows_and_changes_the_selected_node(room: Room) -> None:
    room.scene.select({("node", "sampler")})
    fields = room.desk.inspector._fields
    assert set(fields) == {"seed", "steps", "guidance", "sampler", "tile", "overlap"}
    steps = fields["steps"]
    steps.setText("12*3")
    room.qtbot.keyClick(steps, Qt.Key.Key_Return)
    assert room.scene.graph.nodes[SAMPLER].parameters["steps"] == 36
    assert steps.text() == "36"
    room.window.view.apply(SetParameter(SAMPLER, "steps", 9))
    assert steps.text() == "9"
    fields["tile"].click()
    assert room.scene.graph.nodes[SAMPLER].parameters["tile"] is True


def test_the_palette_finds_a_command_and_does_it(room: Room) -> None:
    room.desk.commands[Command.PALETTE].trigger()
    found = picker(room)
    room.qtbot.keyClicks(found.field, "select all")
    room.qtbot.keyClick(found.field, Qt.Key.Key_Return)
    assert len(room.scene.selected_nodes) == len(room.scene.nodes)


@pytest.mark.parametrize("choice", list(ThemeChoice))
def test_another_theme_is_another_ground_and_is_kept(room: Room, choice: ThemeChoice) -> None:
    room.scene.select({("node", "sampler")})
    room.desk.choose_theme(choice)
    room.window.view.fit(room.scene.content())
    corner = QColor(room.window.view.viewport().grab().toImage().pixel(3, 3))
    theme = room.window.theme
    assert corner in (theme["canvas"], theme["dots"])
    assert load_settings(places().config).settings.theme is choice
    assert room.scene.selected_nodes == ("sampler",)
    assert_shows(room.scene)


def test_everything_that_takes_the_focus_has_a_name(room: Room) -> None:
    room.scene.select({("node", "sampler")})
    for name in ("log", "queue"):
        room.window.docks[name].show()
    room.qtbot.wait(20)
    nameless = []
    for widget in room.window.findChildren(QWidget):
        if (
            not widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            or not widget.isVisible()
            or widget.objectName().startswith("qt_")
        ):
            continue
        text = widget.text() if isinstance(widget, QAbstractButton) else ""
        if not (widget.accessibleName() or any(letter.isalnum() for letter in text)):
            nameless.append((type(widget).__name__, type(widget.parent()).__name__, text))
    assert not nameless


def test_a_number_does_not_show_another_documents_result(room: Room) -> None:
    run = started_run(room)
    room.say(RunFinished(run, "done", 1.0))
    room.desk.commands[Command.NEW].trigger()
    room.scene.select({("node", "decode")})
    room.window.view.slot_asked.emit(1)
    assert not any(isinstance(one, Fetch) for one in room.channel.sent)
    assert "Run the workflow" in room.desk.viewer.picture.text


def test_what_was_open_is_there_at_the_next_start(room: Room, qtbot: QtBot, qapp: QApplication) -> None:
    room.window.view.apply(SetParameter(SAMPLER, "steps", 42))
    graphs = [document.graph for document in room.studio.session.documents]
    room.close()
    second = Room(qtbot, qapp)
    assert [document.graph for document in second.studio.session.documents] == graphs
    assert second.scene.graph == graphs[-1]
    second.close()


def test_a_window_that_cannot_keep_its_settings_still_works(room: Room) -> None:
    folder = places().config
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").mkdir()
    room.desk.choose_theme(ThemeChoice.LIGHT)
    assert room.window.theme.name == "light"
    assert room.window.notices.texts


def test_nodes_of_an_earlier_version_are_brought_forward_and_undo_takes_it_back(room: Room) -> None:
    fade = NodeSpec("my/Fade", "Fade", version=2, migrations=(Migration(to=2, renamed={"amount": "strength"}),))
    node = NodeId("fade")
    room.window.show_document(room.studio.session.new(Workflow(Graph({node: Node("my/Fade", {"amount": 0.25})}))))
    room.say(CatalogSent(Catalog({**room.window.catalog.specs, "my/Fade": fade}, "with the plugin")))
    assert room.scene.graph.nodes[node].parameters == {"strength": 0.25}
    assert any("version 1" in text for text in room.window.notices.texts)
    room.desk.commands[Command.UNDO].trigger()
    assert room.scene.graph.nodes[node].parameters == {"amount": 0.25}


def test_a_comfyui_workflow_opens_with_a_report_and_is_never_written_over(room: Room, tmp_path: Path) -> None:
    path = tmp_path / "theirs.json"
    plain = text_to_picture()
    plain["nodes"].append(
        block_of(20, "FaceMender", [0.5], ins=[["image", "IMAGE", None]], properties={"cnr_id": "face-pack"})
    )
    path.write_text(json.dumps(plain))
    room.desk.files.open_paths([str(path)])
    assert room.window.document.title == "theirs"
    assert room.window.document.path is None
    told = next(text for text in room.window.notices.texts if "ComfyUI" in text)
    assert "7 nodes of 8 came over" in told
    assert "FaceMender (face-pack)" in told
    assert "base.safetensors" in told
    item = room.scene.nodes[NodeId("face_mender")]
    assert item.spec_missing
    assert item.spec is not None
    assert [str(one.type) for one in item.spec.sockets] == ["Image"]
    assert "face-pack" in item.spec.doc
    button = next(one for one in room.window.notices.findChildren(QAbstractButton) if one.text().startswith("Details"))
    button.click()
    page = next(one for one in room.window.findChildren(QDialog) if one.isVisible())
    assert "FaceMender" in page.findChildren(QTextBrowser)[0].toPlainText()
    page.close()
    assert_shows(room.scene)
