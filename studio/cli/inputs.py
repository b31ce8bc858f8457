"""The workflow that a command line names: a file, a picture that carries one, or a template."""

from __future__ import annotations

from pathlib import Path

from studio.cli.values import near
from studio.files.workflow_file import Opened, read_workflow
from studio.graph.errors import Misuse
from studio.resources import resource


def open_named(name: str) -> tuple[Opened, str]:
    """The workflow and what to call it in messages. Raises `WorkflowUnreadable`, `Misuse` where there is none of that name."""
    path = Path(name).expanduser()
    if path.exists():
        return read_workflow(path), str(path)
    if path.name == name and not path.suffix:
        template = resource("templates", f"{name}.json")
        if template.is_file():
            return read_workflow(template), name
    known = [template.stem for template in templates()]
    mend = near(name, known, "The templates are") if path.name == name else "Check the path."
    raise Misuse("There is no such file or template.", where=name, mend=mend)


def templates() -> list[Path]:
    """The workflow files that come with the program, by name."""
    return sorted(resource("templates").glob("*.json"))
