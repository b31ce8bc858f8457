"""The workflow file: `read_workflow` and `write_workflow`. Its layout is in `resources/workflow.schema.json`.

Workflows of other programs are read as well, with a report of what became of them.
"""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from studio import __version__
from studio.files import media
from studio.files.atomic import write_atomically
from studio.files.format_versions import VERSION, migrate
from studio.files.json_text import MOST_BYTES, MOST_VALUES, NotFinite, count_values, lay_out, no_collection, parse
from studio.files.workflow_from_plain import workflow_from_plain
from studio.files.workflow_to_plain import workflow_to_plain
from studio.graph.errors import CodecError, WorkflowUnreadable, WriteFailed
from studio.graph.workflow import Workflow

if TYPE_CHECKING:
    from studio.files.import_report import ImportReport

FORMAT: Final = "wirelight"
_EARLIER_COPY: Final = "Open an earlier copy of it."


@dataclass(frozen=True, slots=True)
class Opened:
    """A workflow as a file told it.

    `warnings`: a sentence with its place for everything that did not fit. `version`: of the file's format.
    """

    workflow: Workflow
    warnings: tuple[str, ...] = ()
    version: int = VERSION
    program: str = ""
    """Version of the program that wrote it, empty where the file does not say."""
    report: ImportReport | None = None
    """What became of the nodes, where another program wrote the file."""


def to_text(workflow: Workflow) -> str:
    """The text of a workflow file: equal for equal workflows but for the order of keys inside a parameter's value.

    Raises `CodecError` for what no file can hold: numbers that are not finite, values that are no plain data, an extra key that is a
    field of the format.
    """
    return lay_out({"format": FORMAT, "version": VERSION, "program": __version__, **workflow_to_plain(workflow)})


def write_workflow(workflow: Workflow, path: Path | str) -> None:
    """Write a workflow file, whole or not at all. Raises `WriteFailed`, and `CodecError` as `to_text` does."""
    text = to_text(workflow)
    data = text.encode()
    if (what := _too_large(len(data), count_values(text))) is not None:
        raise WriteFailed(
            path, f"{what} It could not be opened again.", mend="Take large lists and texts out of its parameters."
        )
    write_atomically(path, data)


def read_workflow(path: Path | str) -> Opened:
    """Open a workflow file, or a picture, film, sound or model file that carries one, ours or another program's.

    Raises `WorkflowUnreadable`.
    """
    path = Path(path)
    _refuse_what_is_no_file(path)
    from studio.files.containers.reading import read_texts
    from studio.files.foreign import read_foreign_text

    text = media.read_workflow_text(path) if media.is_png(path) else None
    if text is not None:
        return from_text(text, path)
    texts = read_texts(path)
    if texts is not None:
        return _from_texts(texts, path)
    text = _decoded(_content(path), path)
    if (
        text.removeprefix("\ufeff").lstrip()[:1] not in ("{", "[")
        and (read := read_foreign_text(text, path)) is not None
    ):
        return Opened(read[0], report=read[1])
    return from_text(text, path)


def from_text(text: str, name: Path | str) -> Opened:
    """The workflow that a text describes. `name` stands for the file in errors. Raises `WorkflowUnreadable`."""
    if (what := _too_large(len(text), count_values(text))) is not None:
        raise WorkflowUnreadable(name, what, mend="Choose a workflow file.")
    plain = _parsed(text, name)
    if plain.get("format") != FORMAT:
        return _foreign(plain, name)
    version, program = _header(plain, name)
    try:
        with no_collection():
            workflow, warnings = workflow_from_plain(migrate(plain, version))
    except CodecError as error:
        raise WorkflowUnreadable(name, error.what, field=error.where, mend=error.mend or _EARLIER_COPY) from error
    return Opened(workflow, warnings, version, program)


def _from_texts(texts: Mapping[str, str], path: Path) -> Opened:
    """The workflow among the texts inside a file."""
    from studio.files.foreign import read_foreign_texts

    if media.KEY in texts:
        return from_text(texts[media.KEY], path)
    try:
        with no_collection():
            read = read_foreign_texts(texts, path)
    except CodecError as error:
        raise WorkflowUnreadable(path, error.what, mend="Use another copy of the file.") from error
    if read is None:
        what = "picture" if media.is_png(path) else "file"
        raise WorkflowUnreadable(
            path, f"This {what} carries no workflow.", mend="Open one that Wirelight or another generator saved."
        )
    return Opened(read[0], report=read[1])


def _foreign(plain: Mapping[str, Any], name: Path | str) -> Opened:
    """A workflow that another program wrote."""
    from studio.files.foreign import read_foreign

    try:
        with no_collection():
            read = read_foreign(plain, name)
    except CodecError as error:
        raise WorkflowUnreadable(name, error.what, mend=_EARLIER_COPY) from error
    if read is None:
        raise WorkflowUnreadable(
            name, "This is no workflow of a kind that Wirelight knows.", field="format", mend="Choose a workflow file."
        )
    workflow, report = read
    return Opened(workflow, report=report)


def _refuse_what_is_no_file(path: Path) -> None:
    try:
        kind = path.stat().st_mode
    except OSError as error:
        raise _cannot_read(path, error) from error
    if stat.S_ISDIR(kind):
        raise WorkflowUnreadable(path, "This is a folder.", mend="Choose a workflow file in it.")
    if not stat.S_ISREG(kind):
        raise WorkflowUnreadable(path, "This is not a file.", mend="Choose a workflow file.")
    try:
        path.open("rb").close()
    except OSError as error:
        raise _cannot_read(path, error) from error


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _cannot_read(path, error) from error
    if (what := _too_large(len(data), 0)) is not None:
        raise WorkflowUnreadable(path, what, mend="Choose a workflow file.")
    return data


def _too_large(size: int, values: int) -> str | None:
    if size > MOST_BYTES:
        return f"This is larger than the {MOST_BYTES // 2**20} MB that a workflow may have."
    if values > MOST_VALUES:
        return f"This holds more than the {MOST_VALUES:,} values that a workflow may have."
    return None


def _cannot_read(path: Path, error: OSError) -> WorkflowUnreadable:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return WorkflowUnreadable(path, "There is no such file.", mend="Look at its name and folder.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return WorkflowUnreadable(path, "Reading it is not permitted.", mend="Change its permissions, or copy it.")
    return WorkflowUnreadable(path, f"The file cannot be read: {error.strerror or error}.")


def _decoded(data: bytes, path: Path) -> str:
    if not data:
        raise WorkflowUnreadable(path, "The file is empty.", mend=_EARLIER_COPY)
    if not data.strip(b"\0"):
        raise WorkflowUnreadable(path, "The file holds nothing but zeros: its content was lost.", mend=_EARLIER_COPY)
    try:
        return data.decode(json.detect_encoding(data))
    except UnicodeDecodeError:
        raise WorkflowUnreadable(path, "The file is no text.", mend="Choose a workflow file.") from None


def _parsed(text: str, name: Path | str) -> dict[str, Any]:
    try:
        plain = parse(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        ends = error.pos >= len(text.rstrip()) - 1
        what = (
            "The file ends in the middle: it was not written to its end."
            if ends
            else f"The file is damaged: {error.msg}."
        )
        place = f"line {error.lineno}, column {error.colno}"
        raise WorkflowUnreadable(name, what, field=place, mend=_EARLIER_COPY) from None
    except RecursionError:
        raise WorkflowUnreadable(name, "The data is nested too deeply for a workflow.", mend=_EARLIER_COPY) from None
    except ValueError as error:
        raise WorkflowUnreadable(
            name, f"The file holds a number that cannot be: {error}.", mend=_EARLIER_COPY
        ) from None
    if not isinstance(plain, dict):
        raise WorkflowUnreadable(
            name, "This is no workflow: it does not hold an object.", mend="Choose a workflow file."
        )
    return plain


def _header(plain: Mapping[str, Any], name: Path | str) -> tuple[int, str]:
    """Version of the format and of the program that wrote the file."""
    version = plain.get("version")
    program = plain.get("program", "")
    program = program if isinstance(program, str) and not isinstance(program, NotFinite) else ""
    if type(version) is not int or version < 0:
        raise WorkflowUnreadable(
            name,
            "The version of the format is missing or no whole number.",
            field="version",
            mend=f"Write {VERSION} there.",
        )
    if version > VERSION:
        writer = f"Wirelight {program}" if program else "a later Wirelight"
        raise WorkflowUnreadable(
            name,
            f"{writer} wrote this in version {version} of the format; Wirelight {__version__} reads versions up to {VERSION}.",
            field="version",
            mend=f"Update Wirelight to {program} or later." if program else "Update Wirelight.",
        )
    return version, program
