"""The File menu."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog

from studio.app.document import Document
from studio.app.settings import change_settings, with_recent
from studio.files.workflow_file import read_workflow
from studio.graph.errors import ChangedOnDisk, WirelightError
from studio.graph.workflow import Workflow
from studio.resources import resource

if TYPE_CHECKING:
    from studio.window.main_window import MainWindow

STANDARD = "text-to-image"
_FILTER = "Workflows and pictures (*.json *.png *.webp *.jpg *.jpeg);;All files (*)"


class FileCommands:
    """Documents come, are saved, and go."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window

    def new_document(self) -> None:
        self.new_from(STANDARD)

    def new_from(self, name: str) -> None:
        """A document from a template; an empty one where that cannot be read."""
        try:
            workflow = template(name)
        except WirelightError as error:
            self._window.complain(error)
            workflow = Workflow()
        self._window.show_document(self._window.session.new(workflow))

    def open_file(self) -> None:
        dialog = QFileDialog(self._window, "Open", self._folder(), _FILTER)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(self.open_paths)
        dialog.open()

    def open_paths(self, paths: Sequence[str]) -> None:
        """Open these files; what is wrong with one does not keep the others closed."""
        for path in paths:
            try:
                document = self._window.session.open(Path(path))
            except WirelightError as error:
                self._window.complain(error)
                continue
            self._window.show_document(document)
            for warning in document.warnings:
                self._window.notices.tell(warning, topic=f"{document.id}:{warning}")
            if document.path is not None:
                self._remember(document.path)

    def save(self) -> None:
        document = self._window.document
        if document.path is None:
            self.save_as()
        else:
            self._save(document, document.path)

    def save_as(self) -> None:
        document = self._window.document
        name = document.path.name if document.path else f"{document.title}.json"
        dialog = QFileDialog(self._window, "Save as", str(Path(self._folder()) / name), "Workflow (*.json)")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("json")
        dialog.selectFile(name)
        dialog.fileSelected.connect(lambda path: self._save(document, Path(path)))
        dialog.open()

    def _save(self, document: Document, path: Path, *, overwrite: bool = False) -> None:
        self._window.editing.close()
        self._window.keep_view()
        try:
            document.save(path, overwrite=overwrite)
        except ChangedOnDisk as error:
            self._window.notices.tell(
                str(error),
                grave=True,
                topic="save",
                actions=(
                    ("Save all the same", lambda: self._save(document, path, overwrite=True)),
                    ("Save as\u2026", self.save_as),
                ),
            )
        except WirelightError as error:
            self._window.complain(error)
        else:
            self._window.notices.withdraw("save")
            self._remember(path)
            self._window.refresh_documents()

    def close_document(self) -> None:
        self.close_one(self._window.document)

    def close_one(self, document: Document) -> None:
        """Its journal is kept, so that even unsaved work comes back."""
        unsaved = document.dirty
        self._window.close_scene(document)
        if unsaved:
            self._window.notices.tell(
                f"'{document.title}' was closed with changes that are not saved. It is kept for a while.",
                actions=(("Bring it back", self.reopen_closed),),
                topic="closed",
                seconds=20,
            )

    def reopen_closed(self) -> None:
        self._window.notices.withdraw("closed")
        document = self._window.session.reopen()
        self._window.note_closed()
        if document is not None:
            self._window.show_document(document)

    def open_outputs(self) -> None:
        folder = Path(self._window.settings.outputs or self._window.places.outputs)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._window.notices.tell(f"The output folder {folder} cannot be made: {error.strerror}.", grave=True)
            return
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def quit(self) -> None:
        self._window.close()

    def _folder(self) -> str:
        path = self._window.document.path if self._window.has_document else None
        recent = self._window.settings.recent_files
        return str(path.parent if path else Path(recent[0]).parent if recent else Path.home())

    def _remember(self, path: Path) -> None:
        recent = with_recent(self._window.settings.recent_files, path.absolute())
        try:
            self._window.settings = change_settings(self._window.places.config, recent_files=recent)
        except WirelightError as error:
            self._window.complain(error)


def template(name: str) -> Workflow:
    """A template's workflow, to be seen whole. Raises `WorkflowUnreadable`."""
    return replace(read_workflow(resource("templates", f"{name}.json")).workflow, view=None)


def templates() -> list[str]:
    """Names of the templates that ship with the program."""
    return sorted(path.stem for path in resource("templates").glob("*.json"))
