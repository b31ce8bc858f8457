"""What became of another program's workflow, as a page to read."""

from __future__ import annotations

from collections.abc import Sequence

from studio.app.missing import MissingModel
from studio.files.import_report import ImportReport


def import_page(report: ImportReport, missing: Sequence[MissingModel]) -> str:
    """The report in Markdown: counts first, then what an artist can do something about."""
    lines = [
        f"**{report.nodes} nodes from {report.program}**",
        "",
        f"- {report.exact} came over exactly",
        f"- {report.defaulted} lacked some values, which have {report.program}'s defaults",
        f"- {report.unmapped} are placeholders: nothing here does what they do. They keep every value, wire and title, and are saved whole",
    ]
    if missing:
        lines += ["", "### Models that are not in the library", ""]
        lines += [f"- {_plain(one.name)}{f' ({one.kind})' if one.kind else ''}. {one.mend}".rstrip() for one in missing]
    if report.placeholders:
        lines += ["", "### Placeholders", ""]
        for kind in report.placeholders:
            pack = f", from {kind.pack}" if kind.pack else ""
            why = f": {kind.why}" if kind.why else ""
            lines.append(f"- {kind.count} x {_plain(kind.type)}{pack}{why}")
    if report.notes:
        lines += ["", "### Notes", "", *(f"- {_plain(note)}" for note in report.notes)]
    if report.details:
        lines += ["", "### Values that the file does not tell", "", *(f"- {_plain(one)}" for one in report.details)]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """A stranger's text, so that it is nothing but text in Markdown."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#|" else letter for letter in " ".join(text.split()))
