"""A file of ComfyUI, in whichever form and wrapping, as a workflow of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from studio.files.comfyui.api_form import is_api_form, read_api_form, values_that_ran
from studio.files.comfyui.source import Source, SourceGraph
from studio.files.comfyui.to_workflow import to_workflow
from studio.files.comfyui.ui_form import is_ui_form, read_ui_form
from studio.files.import_report import ImportReport
from studio.files.json_text import parse
from studio.graph.graph import Value
from studio.graph.workflow import Workflow

_WRAPPERS: Final = ("workflow", "prompt", "extra_data", "extra_pnginfo", "output", "data", "api")
"""Keys under which other programs put a workflow, in the order in which they are tried."""
_TEMPLATE: Final = ("%%_COMFYFIXME", "${")
_MOST_WRAPPED: Final = 4


def find_forms(plain: object, depth: int = 0) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The front end's form and the server's form in `plain`, however it is wrapped; None for one that is not there."""
    if isinstance(plain, str) and plain.lstrip()[:1] == "{":
        try:
            plain = parse(plain)
        except (ValueError, RecursionError):
            return None, None
    if not isinstance(plain, dict) or depth > _MOST_WRAPPED:
        return None, None
    if is_ui_form(plain):
        return plain, None
    if is_api_form(plain):
        return None, plain
    layout, ran = None, None
    for key in _WRAPPERS:
        if key in plain:
            found_layout, found_ran = find_forms(plain[key], depth + 1)
            layout, ran = layout or found_layout, ran or found_ran
    return layout, ran


def read_comfyui(
    layout: Mapping[str, Any] | None, ran: Mapping[str, Any] | None, title: str = ""
) -> tuple[Workflow, ImportReport]:
    """The workflow of a file that holds one or both forms: layout from the one, the values that ran from the other."""
    if layout is None:
        return to_workflow(read_api_form(ran or {}), title)
    source = read_ui_form(layout)
    notes = _take_values(source, ran) if ran is not None and not _is_template(ran) else []
    workflow, report = to_workflow(source, title)
    return workflow, replace(report, notes=(*report.notes, *notes))


def _is_template(ran: Mapping[str, Any]) -> bool:
    """Whether another program (SwarmUI) put marks of its own in the place of values: then nothing of it ever ran."""
    values = (value for _, held in values_that_ran(ran).values() for value in held.values())
    return any(isinstance(value, str) and value.startswith(_TEMPLATE) for value in values)


def _take_values(source: Source, ran: Mapping[str, Any]) -> list[str]:
    """Put the values that ran into the nodes. Returns what to tell of it."""
    changed: list[str] = []
    graphs = _by_path(source)
    for id, (type, values) in values_that_ran(ran).items():
        path, _, own = id.rpartition(":")
        graph = graphs.get(path)
        node = graph.nodes.get(own) if graph is not None else None
        if graph is None or node is None or node.type != type:
            continue
        for name, value in values.items():
            if (id, name) not in graph.links and node.values.get(name) != value:
                if name in node.values:
                    changed.append(
                        f"{node.title or type} ({id}) {name}: {_short(node.values[name])} -> {_short(value)}"
                    )
                node.values[name] = value
        node.defaulted = [name for name in node.defaulted if name not in values]
        if node.clashing and set(node.clashing) <= set(values):
            node.clashing = []
    if not changed:
        return []
    more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
    return [
        f"The picture was made with other values than its layout holds; those that ran were taken: {'; '.join(changed[:5])}{more}."
    ]


def _by_path(source: Source) -> dict[str, SourceGraph]:
    """The graphs whose values can be taken: the outermost, and definitions of one instance alone, by the instance's path."""
    instances: dict[str, list[str]] = {}
    waiting = [("", source.graph)]
    found = {"": source.graph}
    while waiting and len(found) < 1000:
        path, graph = waiting.pop()
        for node in graph.nodes.values():
            if node.type in source.subgraphs:
                inner = f"{path}:{node.id}" if path else node.id
                instances.setdefault(node.type, []).append(inner)
                if len(instances[node.type]) == 1:
                    waiting.append((inner, source.subgraphs[node.type].graph))
    found.update((paths[0], source.subgraphs[type].graph) for type, paths in instances.items() if len(paths) == 1)
    return found


def _short(value: Value) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:21]}..."
