"""The form that ComfyUI's server takes: nodes by id with named inputs, no layout. It says what ran."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from studio.files.comfyui.classes import facts_of
from studio.files.comfyui.layout import lay_out_columns
from studio.files.comfyui.plain import as_dict, as_text, id_text
from studio.files.comfyui.source import Origin, Source, SourceGraph, SourceNode
from studio.graph.graph import Value

_FRONT_END: Final = frozenset({"choose file to upload", "upload", "Random seed after every gen"})


def is_api_form(plain: Mapping[str, Any]) -> bool:
    """Whether data is a workflow in the form that the server takes."""
    return bool(plain) and all(
        isinstance(one, dict) and isinstance(one.get("class_type"), str) for one in plain.values()
    )


def read_api_form(plain: Mapping[str, Any]) -> Source:
    """The workflow in `plain`, laid out in columns from what is made first to what is made last. Never raises."""
    graph = SourceGraph()
    lost = 0
    for id, block in plain.items():
        type = as_text(block.get("class_type"))
        about = as_dict(block.get("_meta"))
        title = as_text(about.get("title"))
        node = SourceNode(
            id,
            type,
            title="" if title == type else title,
            pack=as_text(about.get("cnr_id")) or as_text(about.get("aux_id")),
            pack_version=as_text(about.get("ver")),
            rest={key: value for key, value in block.items() if key not in ("class_type", "inputs", "_meta")},
        )
        node.outputs = list(facts_of(type).outputs)
        for name, value in as_dict(block.get("inputs")).items():
            origin = _link(value)
            if origin is None:
                (node.hidden if name in _FRONT_END else node.values)[name] = _unwrapped(value)
            elif origin[0] in plain:
                node.inputs.append((name, "*"))
                graph.links[id, name] = origin
            else:
                lost += 1
        graph.nodes[id] = node
    lay_out_columns(graph)
    notes = [f"{lost} wires lead to a node that is not there, and were left out."] if lost else []
    return Source(graph, notes=notes)


def values_that_ran(plain: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Value]]]:
    """By node: its class and the values that it had when the workflow ran."""
    found = {}
    for id, block in plain.items():
        named = as_dict(block.get("inputs"))
        values = {name: _unwrapped(value) for name, value in named.items() if _link(value) is None}
        found[id] = (as_text(block.get("class_type")), values)
    return found


def _link(value: Value) -> Origin | None:
    """A list of an id and a number is a link; every other list is wrapped in `__value__`."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], int) and not isinstance(value[1], bool):
        id = id_text(value[0]) if isinstance(value[0], str | int) else ""
        return (id, value[1]) if id and 0 <= value[1] < 10_000 else None
    return None


def _unwrapped(value: Value) -> Value:
    return value["__value__"] if isinstance(value, dict) and set(value) == {"__value__"} else value
