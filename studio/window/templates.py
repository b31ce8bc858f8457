"""The workflows that ship with the program."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from studio.files.workflow_file import read_workflow
from studio.graph.workflow import Workflow
from studio.resources import resource

STANDARD: Final = "text-to-image"


def template(name: str) -> Workflow:
    """A template's workflow, to be seen whole. Raises `WorkflowUnreadable`."""
    return replace(read_workflow(resource("templates", f"{name}.json")).workflow, view=None)


def templates() -> list[str]:
    """Their names, the standard one first."""
    names = sorted(path.stem for path in resource("templates").glob("*.json"))
    return sorted(names, key=lambda name: name != STANDARD)
