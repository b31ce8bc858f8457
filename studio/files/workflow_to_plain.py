"""A workflow as plain data, in the layout of format version 1. Keys stand in the order in which they are written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from studio.files.json_text import naturally
from studio.files.workflow_from_plain import (
    FRAME_FIELDS,
    HEADER,
    NODE_FIELDS,
    NOTE_FIELDS,
    PORT_FIELDS,
    SUBGRAPH_FIELDS,
    VIEW_FIELDS,
    WORKFLOW_FIELDS,
)
from studio.graph.errors import CodecError
from studio.graph.graph import (
    Frame,
    FrameId,
    Graph,
    Mode,
    Node,
    NodeId,
    Note,
    NoteId,
    Point,
    Port,
    Subgraph,
    SubgraphId,
    Value,
)
from studio.graph.workflow import Workflow

_Plain: TypeAlias = dict[str, Any]


def workflow_to_plain(workflow: Workflow) -> _Plain:
    """The body of a workflow file, without its header. Keys stand in the order in which they are written."""
    plain: _Plain = {}
    if workflow.title:
        plain["title"] = workflow.title
    if workflow.description:
        plain["description"] = workflow.description
    if workflow.view is not None:
        view = {"center": _point_to_plain(workflow.view.center), "zoom": _short(workflow.view.zoom)}
        plain["view"] = _with_extra(view, workflow.view.extra, VIEW_FIELDS)
    plain.update(_graph_to_plain(workflow.graph))
    if workflow.graph.subgraphs:
        subgraphs = workflow.graph.subgraphs
        plain["subgraphs"] = {id: _subgraph_to_plain(subgraphs[SubgraphId(id)]) for id in naturally(subgraphs)}
    return _with_extra(plain, workflow.extra, (*HEADER, *WORKFLOW_FIELDS))


def _graph_to_plain(graph: Graph) -> _Plain:
    feeds: dict[str, dict[str, str]] = {}
    for input, output in graph.links.items():
        feeds.setdefault(input.node, {})[input.name] = output.to_plain()
    plain: _Plain = {
        "nodes": {id: _node_to_plain(graph.nodes[NodeId(id)], feeds.get(id, {})) for id in naturally(graph.nodes)}
    }
    if graph.frames:
        plain["frames"] = {id: _frame_to_plain(graph.frames[FrameId(id)]) for id in naturally(graph.frames)}
    if graph.notes:
        plain["notes"] = {id: _note_to_plain(graph.notes[NoteId(id)]) for id in naturally(graph.notes)}
    if graph.extra:
        plain["extra"] = _in_order(graph.extra)
    return plain


def _node_to_plain(node: Node, inputs: Mapping[str, str]) -> _Plain:
    plain: _Plain = {"type": node.type, "version": node.version}
    if node.title:
        plain["title"] = node.title
    plain["position"] = _point_to_plain(node.position)
    if node.size is not None:
        plain["size"] = _point_to_plain(node.size)
    if node.color:
        plain["color"] = node.color
    if node.collapsed:
        plain["collapsed"] = True
    if node.pinned:
        plain["pinned"] = True
    if node.mode is not Mode.ACTIVE:
        plain["mode"] = node.mode.value
    if node.locked:
        plain["locked"] = node.locked
    if inputs:
        plain["inputs"] = _in_order(inputs)
    if node.parameters:
        plain["parameters"] = _in_order(node.parameters)
    return _with_extra(plain, node.extra, NODE_FIELDS)


def _frame_to_plain(frame: Frame) -> _Plain:
    plain: _Plain = {"title": frame.title} if frame.title else {}
    plain["position"] = _point_to_plain(frame.position)
    plain["size"] = _point_to_plain(frame.size)
    if frame.color:
        plain["color"] = frame.color
    return _with_extra(plain, frame.extra, FRAME_FIELDS)


def _note_to_plain(note: Note) -> _Plain:
    plain: _Plain = {
        "text": note.text,
        "position": _point_to_plain(note.position),
        "size": _point_to_plain(note.size),
    }
    if note.color:
        plain["color"] = note.color
    return _with_extra(plain, note.extra, NOTE_FIELDS)


def _subgraph_to_plain(subgraph: Subgraph) -> _Plain:
    plain: _Plain = {"title": subgraph.title}
    if subgraph.doc:
        plain["doc"] = subgraph.doc
    if subgraph.inputs:
        plain["inputs"] = [_port_to_plain(port) for port in subgraph.inputs]
    if subgraph.outputs:
        plain["outputs"] = [_port_to_plain(port) for port in subgraph.outputs]
    plain.update(_graph_to_plain(subgraph.graph))
    return _with_extra(plain, subgraph.extra, SUBGRAPH_FIELDS)


def _port_to_plain(port: Port) -> _Plain:
    return _with_extra({"name": port.name, "inner": [end.to_plain() for end in port.inner]}, port.extra, PORT_FIELDS)


def _in_order(held: Mapping[str, Any]) -> _Plain:
    return {name: held[name] for name in naturally(held)} if len(held) > 1 else dict(held)


def _with_extra(plain: _Plain, extra: Mapping[str, Value], known: Collection[str]) -> _Plain:
    for name in naturally(extra) if extra else ():
        if name in plain or name in known:
            raise CodecError(f"'{name}' is a field of the format, and cannot be an extra key.", where=name)
        plain[name] = extra[name]
    return plain


def _short(number: float) -> float:
    """A whole number without its `.0`, where a float holds whole numbers exactly."""
    return int(number) if abs(number) < 2**53 and number == int(number) else number


def _point_to_plain(point: Point) -> list[float]:
    return [_short(point[0]), _short(point[1])]
