"""InvokeAI's workflows (formats 1.0.0 to 4.0.0): nodes with named values, edges between named sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from studio.files.comfyui.plain import as_dict, as_list, as_text, point
from studio.files.comfyui.source import Source, SourceGraph, SourceNode
from studio.files.comfyui.to_workflow import to_workflow
from studio.files.import_report import ImportReport
from studio.graph.workflow import Workflow

_OUTPUTS: Final = {
    "main_model_loader": ("unet", "clip", "vae"),
    "compel": ("conditioning",),
    "l2i": ("image",),
    "i2l": ("latents",),
}
"""Outputs of nodes in the order of the table of counterparts; of all others, `value` and what the edges name."""
_ROOT_KEYS: Final = frozenset({"nodes", "edges", "name"})


def is_invokeai(plain: Mapping[str, Any]) -> bool:
    """Whether data is a workflow of InvokeAI's editor."""
    return isinstance(plain.get("nodes"), list) and isinstance(plain.get("edges"), list) and "meta" in plain


def read_invokeai_workflow(plain: Mapping[str, Any], title: str = "") -> tuple[Workflow, ImportReport]:
    """The workflow in `plain`, and what became of its nodes. Never raises."""
    graph = SourceGraph()
    handles: dict[str, list[str]] = {}
    lost = 0
    for held in as_list(plain.get("nodes")):
        block = as_dict(held)
        id = as_text(block.get("id"))
        if id and id not in graph.nodes:
            graph.nodes[id] = _node(id, block)
            handles[id] = list(_OUTPUTS.get(graph.nodes[id].type, ()))
        else:
            lost += 1
    for held in as_list(plain.get("edges")):
        edge = as_dict(held)
        source, target = as_text(edge.get("source")), as_text(edge.get("target"))
        handle, name = as_text(edge.get("sourceHandle")), as_text(edge.get("targetHandle"))
        if edge.get("type") == "collapsed":
            continue
        if source not in graph.nodes or target not in graph.nodes or not handle or not name:
            lost += 1
            continue
        if handle not in handles[source]:
            handles[source].append(handle)
        graph.links[target, name] = (source, handles[source].index(handle))
        if all(one != name for one, _ in graph.nodes[target].inputs):
            graph.nodes[target].inputs.append((name, "*"))
    for id, node in graph.nodes.items():
        node.outputs = [(name, "*") for name in handles[id]]
        _drop_linked(node, graph)
    notes = [f"{lost} nodes or wires could not be read, and were left out."] if lost else []
    rest = {key: value for key, value in plain.items() if key not in _ROOT_KEYS}
    source_whole = Source(graph, rest=rest, notes=notes, program="InvokeAI", key="invokeai")
    return to_workflow(source_whole, as_text(plain.get("name")) or title)


def _node(id: str, block: Mapping[str, Any]) -> SourceNode:
    data = as_dict(block.get("data"))
    if block.get("type") == "notes":
        text = as_text(data.get("notes"))
        return SourceNode(
            id, "Note", as_text(data.get("label")), point(_position(block)) or (0.0, 0.0), values={"text": text}
        )
    node = SourceNode(
        id,
        as_text(data.get("type")) or as_text(block.get("type")),
        title=as_text(data.get("label")),
        position=point(_position(block)) or (0.0, 0.0),
        collapsed=data.get("isOpen") is False,
        pack=as_text(data.get("nodePack")),
        pack_version=as_text(data.get("version")),
        rest={
            key: value
            for key, value in data.items()
            if key not in ("id", "type", "label", "inputs", "isOpen", "nodePack", "version")
        },
    )
    for name, held in as_dict(data.get("inputs")).items():
        if "value" in as_dict(held) and held["value"] is not None:
            node.values[name] = held["value"]
    return node


def _position(block: Mapping[str, Any]) -> list[Any]:
    place = as_dict(block.get("position"))
    return [place.get("x"), place.get("y")]


def _drop_linked(node: SourceNode, graph: SourceGraph) -> None:
    """A linked input keeps an old value, which a wire would hide; it moves aside."""
    for name, _ in node.inputs:
        if (node.id, name) in graph.links and isinstance(node.values.get(name), dict):
            node.hidden[name] = node.values.pop(name)
