"""The File menu."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog

from studio.app.document import Document
from studio.app.settings import with_recent
from studio.graph.errors import ChangedOnDisk, WirelightError
from studio.graph.workflow import Workflow
from studio.window.templates import STANDARD, template

if TYPE_CHECKING:
    from studio.files.import_report import ImportReport
    from studio.window.desk import Desk

_FILTER = (
    "Workflows, pictures, films and sounds (*.json *.png *.webp *.jpg *.jpeg *.avif *.mp4 *.webm *.flac *.mp3 *.latent *.txt);;"
    "All files (*)"
)


class FileCommands:
    """Documents come, are saved, and go."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def new_document(self) -> None:
        self.new_from(STANDARD)

    def new_from(self, name: str) -> None:
        """A document from a template; an empty one where that cannot be read."""
        try:
            workflow = template(name)
        except WirelightError as error:
            self._desk.complain(error)
            workflow = Workflow()
        self._desk.window.show_document(self._desk.session.new(workflow))

    def open_file(self) -> None:
        dialog = QFileDialog(self._desk.window, "Open", self._folder(), _FILTER)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(self.open_paths)
        dialog.open()

    def open_paths(self, paths: Sequence[str]) -> None:
        """Open these files; what is wrong with one does not keep the others closed."""
        for path in paths:
            try:
                document = self._desk.session.open(Path(path))
            except WirelightError as error:
                self._desk.complain(error)
                continue
            self._desk.window.show_document(document)
            for warning in document.warnings:
                self._desk.notices.tell(warning, topic=f"{document.id}:{warning}")
            if document.report is not None:
                self._tell_import(document, document.report)
            if document.path is not None:
                self._remember(document.path)

    def _tell_import(self, document: Document, report: ImportReport) -> None:
        """How another program's workflow came over, with the whole report a click away."""
        from studio.app.import_page import import_page
        from studio.app.missing import missing_models
        from studio.window.dialogs.pages import show_page

        window = self._desk.window
        missing = missing_models(document.graph, window.catalog)
        words = report.summary
        if missing:
            names = ", ".join(one.name for one in missing[:3]) + (
                f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            )
            words += f" Models that are not in the library: {names}."
        page = import_page(report, missing)

        def show() -> None:
            show_page(window, document.title, page)

        self._desk.notices.tell(
            words,
            topic=f"import:{document.id}",
            actions=(("Details\u2026", show),),
        )

    def save(self) -> None:
        document = self._desk.document
        if document.path is None:
            self.save_as()
        else:
            self._save(document, document.path)

    def save_as(self) -> None:
        document = self._desk.document
        name = document.path.name if document.path else f"{document.title}.json"
        dialog = QFileDialog(self._desk.window, "Save as", str(Path(self._folder()) / name), "Workflow (*.json)")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("json")
        dialog.selectFile(name)
        dialog.fileSelected.connect(lambda path: self._save(document, Path(path)))
        dialog.open()

    def _save(self, document: Document, path: Path, *, overwrite: bool = False) -> None:
        self._desk.editing.close()
        self._desk.window.keep_view()
        try:
            document.save(path, overwrite=overwrite)
        except ChangedOnDisk as error:
            self._desk.notices.tell(
                str(error),
                grave=True,
                topic="save",
                actions=(
                    ("Save all the same", lambda: self._save(document, path, overwrite=True)),
                    ("Save as\u2026", self.save_as),
                ),
            )
        except WirelightError as error:
            self._desk.complain(error)
        else:
            self._desk.notices.withdraw("save")
            self._remember(path)
            self._desk.window.refresh_documents()

    def close_document(self) -> None:
        self.close_one(self._desk.document)

    def close_one(self, document: Document) -> None:
        """Its journal is kept, so that even unsaved work comes back."""
        unsaved = document.dirty
        self._desk.editing.close()
        self._desk.window.close_document(document)
        if unsaved:
            self._desk.notices.tell(
                f"'{document.title}' was closed with changes that are not saved. It is kept for a while.",
                actions=(("Bring it back", self.reopen_closed),),
                topic="closed",
                seconds=20,
            )

    def reopen_closed(self) -> None:
        self._desk.notices.withdraw("closed")
        document = self._desk.session.reopen()
        self._desk.note_closed()
        if document is not None:
            self._desk.window.show_document(document)

    def open_outputs(self) -> None:
        folder = Path(self._desk.settings.outputs or self._desk.places.outputs)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._desk.notices.tell(f"The output folder {folder} cannot be made: {error.strerror}.", grave=True)
            return
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def quit(self) -> None:
        self._desk.window.close()

    def _folder(self) -> str:
        path = self._desk.document.path
        recent = self._desk.settings.recent_files
        return str(path.parent if path else Path(recent[0]).parent if recent else Path.home())

    def _remember(self, path: Path) -> None:
        recent = with_recent(self._desk.settings.recent_files, path.absolute())
        self._desk.change_settings(recent_files=recent)
