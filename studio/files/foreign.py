"""Workflows of other programs: told apart by their shape, and read into ours with a report of what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from studio.files import generation
from studio.files.a1111 import is_parameters, read_parameters
from studio.files.comfyui.reading import find_forms, read_comfyui
from studio.files.import_report import ImportReport
from studio.files.invokeai import is_invokeai, read_invokeai_workflow
from studio.files.json_text import MOST_NESTED, MOST_VALUES, NotFinite, count_values, parse
from studio.files.other_metadata import read_settings
from studio.graph.errors import CodecError
from studio.graph.graph import Value
from studio.graph.workflow import Workflow

_SETTINGS: Final = ("invokeai_metadata", "sd-metadata", "parameters", "Comment", "comment")
"""Keys under which programs write how a picture was made, the most telling first."""


def read_foreign(plain: Mapping[str, Any], name: Path | str = "") -> tuple[Workflow, ImportReport] | None:
    """The workflow that another program wrote into `plain`; None where it is none that we know. `name` gives the title.

    Raises `CodecError` for data that is nested too deeply.
    """
    if is_invokeai(plain):
        return read_invokeai_workflow(_cleaned(plain), _title(name))
    layout, ran = find_forms(plain)
    if layout is None and ran is None:
        return None
    return read_comfyui(_cleaned(layout), _cleaned(ran), _title(name))


def read_foreign_text(text: str, name: Path | str = "") -> tuple[Workflow, ImportReport] | None:
    """The workflow of a text that is no JSON: a list of settings."""
    return generation.to_workflow(read_parameters(text), _title(name)) if is_parameters(text) else None


def read_foreign_texts(texts: Mapping[str, str], name: Path | str = "") -> tuple[Workflow, ImportReport] | None:
    """The workflow in the texts of a picture, film, sound or model file; None where there is none that we know.

    A workflow comes before the values of a run, and these before a list of settings. Raises `CodecError` as `read_foreign` does.
    """
    small: dict[str, str] = {}
    for key, text in texts.items():
        small.setdefault(key.lower(), text)
    held: dict[str, Any] = {key: _parsed(small[key]) for key in ("workflow", "prompt") if key in small}
    for key in ("comment", "description", "extra", "generation_data"):
        if key in small and isinstance(found := _parsed(small[key]), dict):
            held = {**found, **{one: value for one, value in held.items() if value is not None}}
    read = read_foreign(held, name)
    if read is None and isinstance(invoke := _parsed(small.get("invokeai_workflow", "")), dict):
        read = read_foreign(invoke, name)
    if read is not None:
        return read
    for key in _SETTINGS:
        if key not in texts:
            continue
        text = texts[key]
        settings = _parsed(text)
        made = read_settings(key, _cleaned(settings), texts) if isinstance(settings, dict) else None
        if made is None and is_parameters(text):
            made = read_parameters(text)
        if made is not None:
            return generation.to_workflow(made, _title(name))
    return None


def _parsed(text: str) -> Value:
    """The data of a JSON text, which may be a text of JSON itself, or None."""
    for _ in range(3):
        if text.lstrip()[:1] not in ("{", '"') or count_values(text) > MOST_VALUES:
            return None
        try:
            plain = parse(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(plain, str):
            return plain
        text = plain
    return None


def _title(name: Path | str) -> str:
    return Path(name).stem if name else ""


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
