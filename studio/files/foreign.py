"""Workflows of other programs: told apart by their shape, and read into ours with a report of what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio.files.comfyui.reading import find_forms, read_comfyui
from studio.files.comfyui.report import ImportReport
from studio.files.json_text import MOST_NESTED, NotFinite
from studio.graph.errors import CodecError
from studio.graph.graph import Value
from studio.graph.workflow import Workflow


def read_foreign(plain: Mapping[str, Any], name: Path | str = "") -> tuple[Workflow, ImportReport] | None:
    """The workflow that another program wrote into `plain`; None where it is none that we know. `name` gives the title.

    Raises `CodecError` for data that is nested too deeply.
    """
    title = Path(name).stem if name else ""
    layout, ran = find_forms(plain)
    if layout is None and ran is None:
        return None
    return read_comfyui(_cleaned(layout), _cleaned(ran), title)


def _cleaned(held: Value, depth: int = 0) -> Value:
    """Plain data as our own files hold it: what is not finite is null; of a key that stands there several times, the last."""
    if type(held) in (str, int, float, bool) or held is None:
        return held
    if depth > MOST_NESTED - 20:
        raise CodecError("The data is nested too deeply for a workflow.")
    if isinstance(held, NotFinite):
        return None
    if isinstance(held, list):
        return [_cleaned(one, depth + 1) for one in held]
    return {key: _cleaned(one, depth + 1) for key, one in held.items()}
