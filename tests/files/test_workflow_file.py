from __future__ import annotations

from hypothesis import given

from studio.files.workflow_file import from_text, to_text
from studio.graph.workflow import Workflow
from tests.strategies import workflows


@given(workflows())
def test_a_file_gives_back_what_was_written(workflow: Workflow) -> None:
    text = to_text(workflow)
    opened = from_text(text, "file")
    assert opened.workflow == workflow
    assert opened.warnings == ()
    assert to_text(opened.workflow) == text
