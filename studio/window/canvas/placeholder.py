"""What stands for a node type that nothing here offers: sockets from file and links, fields from the values; nothing is hidden."""

from __future__ import annotations

from collections.abc import Iterable

from studio.graph.graph import Node
from studio.graph.remembered import remembered_spec
from studio.graph.spec import Input, NodeSpec, Number, Output, TextField, Toggle
from studio.graph.types import ANY, BOOL, FLOAT, INT, TEXT


def placeholder_spec(node: Node, linked: Iterable[str], used: Iterable[str]) -> NodeSpec:
    """A spec for an unknown node: `linked` are inputs that are fed, `used` are outputs that feed something."""
    fields = tuple(_field(name, value) for name, value in node.parameters.items())
    told = remembered_spec(node)
    inputs, outputs = (told.inputs, told.outputs) if told is not None else ((), ())
    named = {one.name for one in fields}
    sockets = tuple(one for one in inputs if one.name not in named)
    named.update(one.name for one in sockets)
    sockets += tuple(Input(name, ANY, optional=True) for name in sorted(set(linked) - named))
    outputs += tuple(Output(name, ANY) for name in sorted(set(used) - {one.name for one in outputs}))
    title = node.title or node.type.rpartition("/")[2]
    origin = node.extra.get("comfyui")
    pack = origin.get("pack") if isinstance(origin, dict) else None
    source = f" It comes from the ComfyUI pack {pack}." if isinstance(pack, str) else ""
    doc = f"Nothing here offers '{node.type}'.{source} Its values and links are kept, and saved again as they are."
    return NodeSpec(node.type, title, doc, sockets + fields, outputs, package="")


def _field(name: str, value: object) -> Input:
    if isinstance(value, bool):
        return Input(name, BOOL, control=Toggle(), default=value)
    if isinstance(value, int):
        return Input(name, INT, control=Number(), default=value)
    if isinstance(value, float):
        return Input(name, FLOAT, control=Number(), default=value)
    return Input(name, TEXT, control=TextField(), default=value)
