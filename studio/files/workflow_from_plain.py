"""A workflow from plain data in the layout of format version 1. Reading keeps going: what does not fit becomes a warning."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from studio.files.json_text import MOST_NESTED, NotFinite, Numbering, Repeated
from studio.graph.errors import CodecError, DocumentError
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
    Socket,
    Subgraph,
    SubgraphId,
    Value,
    check_id,
    empty,
)
from studio.graph.workflow import View, Workflow

HEADER: Final = ("format", "version", "program")
LEFT_OUT: Final = "left_out"
"""Key of a workflow's `extra` under which a reader keeps what it could not use, by its place in the file."""
_MOST_WARNINGS: Final = 200
_MOST_DOTS: Final = 8
"""In the name of a node that should have none."""

_Plain: TypeAlias = dict[str, Any]
_Reading: TypeAlias = Callable[[object], Any]
"""Gives the value of a field, or raises `_Expected`."""


class _Expected(ValueError):
    """A field does not hold what its text says."""


def _text(held: object) -> str:
    if not isinstance(held, str) or isinstance(held, NotFinite):
        raise _Expected("a text")
    return held


def _flag(held: object) -> bool:
    if not isinstance(held, bool):
        raise _Expected("true or false")
    return held


def _number(held: object) -> float:
    if not isinstance(held, (int, float)) or isinstance(held, bool):
        raise _Expected("a finite number")
    try:
        return float(held)
    except OverflowError:
        raise _Expected("a finite number") from None


def _point(held: object) -> Point:
    if not isinstance(held, list) or len(held) != 2:
        raise _Expected("two finite numbers")
    return (_number(held[0]), _number(held[1]))


def _zoom(held: object) -> float:
    if (zoom := _number(held)) <= 0:
        raise _Expected("a number above 0")
    return zoom


def _count(held: object) -> int:
    if not isinstance(held, int) or isinstance(held, bool) or held < 1:
        raise _Expected("a whole number from 1 on")
    return held


def _mode(held: object) -> Mode:
    try:
        return Mode(_text(held))
    except ValueError:
        raise _Expected(f"one of {', '.join(Mode)}") from None


def _object(held: object) -> Mapping[str, Any]:
    if not isinstance(held, dict):
        raise _Expected("an object")
    return held


def _list(held: object) -> list[Any]:
    if not isinstance(held, list):
        raise _Expected("a list")
    return held


NODE_FIELDS: Final[Mapping[str, _Reading]] = {
    "type": _text,
    "version": _count,
    "title": _text,
    "position": _point,
    "size": _point,
    "color": _text,
    "collapsed": _flag,
    "pinned": _flag,
    "mode": _mode,
    "locked": _text,
    "inputs": _object,
    "parameters": _object,
}
FRAME_FIELDS: Final[Mapping[str, _Reading]] = {"title": _text, "position": _point, "size": _point, "color": _text}
NOTE_FIELDS: Final[Mapping[str, _Reading]] = {"text": _text, "position": _point, "size": _point, "color": _text}
VIEW_FIELDS: Final[Mapping[str, _Reading]] = {"center": _point, "zoom": _zoom}
PORT_FIELDS: Final[Mapping[str, _Reading]] = {"name": _text, "inner": _list}
GRAPH_FIELDS: Final[Mapping[str, _Reading]] = {"nodes": _object, "frames": _object, "notes": _object, "extra": _object}
SUBGRAPH_FIELDS: Final[Mapping[str, _Reading]] = {
    "title": _text,
    "doc": _text,
    "inputs": _list,
    "outputs": _list,
    **GRAPH_FIELDS,
}
WORKFLOW_FIELDS: Final[Mapping[str, _Reading]] = {
    "title": _text, "description": _text, "view": _object, "subgraphs": _object, **GRAPH_FIELDS
}  # fmt: skip
_UNFIT: Final = re.compile(r"[^\w\-:]+")


def workflow_from_plain(plain: Mapping[str, Any]) -> tuple[Workflow, tuple[str, ...]]:
    """The workflow of a file's data in the layout of version 1, and a sentence for everything that did not fit.

    What could not be used is kept in `Workflow.extra` under `left_out`. Raises `CodecError` for values nested deeper than
    `MOST_NESTED`, and where `nodes` or `subgraphs` is no object.
    """
    for name in ("nodes", "subgraphs"):
        if not isinstance(plain.get(name, {}), dict):
            raise CodecError(f"Expected an object, found {_describe(plain[name])}.", where=name)
    reader = _Reader()
    fields, extra = reader.fields(plain, "", WORKFLOW_FIELDS)
    extra = {name: value for name, value in extra.items() if name not in HEADER}
    subgraphs = {
        SubgraphId(id): reader.subgraph(block, where)
        for _, id, block, where in reader.blocks(fields.get("subgraphs", {}), "subgraphs")
    }
    graph, _ = reader.graph(fields, "", subgraphs)
    view = reader.view(fields["view"]) if "view" in fields else None
    kept = reader.kept(extra) or empty()
    return Workflow(graph, fields.get("title", ""), fields.get("description", ""), view, kept), reader.sentences()


class _Reader:
    """Collects what a file says, and what could not be used of it."""

    def __init__(self) -> None:
        self._warnings: list[str] = []
        self._more = 0
        self._left_out: _Plain = {}
        self._places = Numbering("{name} ({count})")

    def sentences(self) -> tuple[str, ...]:
        return (*self._warnings, f"And {self._more} more of this kind.") if self._more else tuple(self._warnings)

    def kept(self, extra: Mapping[str, Value]) -> Mapping[str, Value]:
        """Unknown keys together with what was left out now and in earlier readings."""
        if not self._left_out:
            return extra
        earlier = extra.get(LEFT_OUT)
        left_out = dict(earlier) if isinstance(earlier, dict) else {} if earlier is None else {LEFT_OUT: earlier}
        numbering = Numbering("{name} ({count})")
        for place, value in self._left_out.items():
            left_out[numbering.free(place, left_out)] = value
        return {**extra, LEFT_OUT: left_out}

    def _warn(self, place: str, what: str) -> None:
        if len(self._warnings) < _MOST_WARNINGS:
            self._warnings.append(f"{place}: {what}" if place else what)
        else:
            self._more += 1

    def _leave_out(self, place: str, held: object, what: str) -> None:
        self._warn(place, f"{what} It was left out.")
        self._keep(place, held)

    def _keep(self, place: str, held: object) -> None:
        self._left_out[self._places.free(place, self._left_out)] = self.value(held, place)

    def value(self, held: Value, place: str, depth: int = 0) -> Value:
        """Plain data: what is not finite as its text, of repeated keys the last."""
        if type(held) in (str, int, float, bool) or held is None:
            return held
        if depth > MOST_NESTED:
            raise CodecError(f"The data is nested more than {MOST_NESTED} levels deep.", where=place[:200])
        if isinstance(held, NotFinite):
            self._warn(place, f"{held} is not a number to work with. It was kept as a text.")
            return str(held)
        if isinstance(held, list):
            return [self.value(one, f"{place}[{at}]", depth + 1) for at, one in enumerate(held)]
        members = self._once(held, place)
        return {name: self.value(one, f"{place}.{name}", depth + 1) for name, one in members}

    def _once(self, held: Mapping[str, Any], place: str) -> list[tuple[str, Any]]:
        """The keys of an object; values that a later one of the same key replaced are kept aside."""
        if isinstance(held, Repeated):
            for name, earlier in held.earlier:
                where = f"{place}.{name}" if place else name
                self._warn(where, "This key stands there more than once. The last one is used.")
                self._keep(where, earlier)
        return list(held.items())

    def fields(self, plain: Mapping[str, Any], place: str, readings: Mapping[str, _Reading]) -> tuple[_Plain, _Plain]:
        """The known fields that could be read, and the unknown keys as they are."""
        known: _Plain = {}
        extra: _Plain = {}
        for name, held in self._once(plain, place):
            reading = readings.get(name)
            if reading is None:
                extra[name] = self.value(held, f"{place}.{name}" if place else name)
                continue
            try:
                known[name] = reading(held)
            except _Expected as error:
                where = f"{place}.{name}" if place else name
                self._leave_out(where, held, f"Expected {error}, found {_describe(held)}.")
        return known, extra

    def blocks(self, plain: Mapping[str, Any], place: str) -> Iterator[tuple[str, str, _Plain, str]]:
        """Named blocks: name in the file, id, block, and place. A name that cannot be an id is changed to one that can."""
        taken = set(plain)
        numbering = Numbering("{name}_{count}")
        for name, held in self._once(plain, place):
            where = f"{place}.{name}"
            if not isinstance(held, dict):
                self._leave_out(where, held, f"Expected an object, found {_describe(held)}.")
                continue
            id = name
            if not _is_id(name):
                id = numbering.free(_UNFIT.sub("_", name[:1000])[:150].strip("_") or "unnamed", taken)
                taken.add(id)
                self._warn(where[:1000], f"This cannot be a name. It is called '{id}' now.")
            yield name, id, held, where

    def view(self, plain: Mapping[str, Any]) -> View:
        fields, extra = self.fields(plain, "view", VIEW_FIELDS)
        return View(**fields, extra=extra or empty())

    def graph(
        self, fields: _Plain, place: str, subgraphs: Mapping[SubgraphId, Subgraph]
    ) -> tuple[Graph, Mapping[str, NodeId]]:
        """A graph from the fields of the block that holds it, and ids by the names that the file uses."""
        inside = f"{place}." if place else ""
        nodes: dict[NodeId, Node] = {}
        feeds: dict[NodeId, Mapping[str, Any]] = {}
        names: dict[str, NodeId] = {}
        for name, id, block, where in self.blocks(fields.get("nodes", {}), f"{inside}nodes"):
            names[name] = NodeId(id)
            nodes[NodeId(id)], feeds[NodeId(id)] = self._node(block, where)
        graph = Graph(
            nodes=nodes,
            links=self._links(feeds, names, f"{inside}nodes"),
            frames={
                FrameId(id): self._frame(block, where)
                for _, id, block, where in self.blocks(fields.get("frames", {}), f"{inside}frames")
            },
            notes={
                NoteId(id): self._note(block, where)
                for _, id, block, where in self.blocks(fields.get("notes", {}), f"{inside}notes")
            },
            subgraphs=subgraphs,
            extra=self.value(fields["extra"], f"{inside}extra") if fields.get("extra") else empty(),
        )
        return graph, names

    def _node(self, block: _Plain, place: str) -> tuple[Node, Mapping[str, Any]]:
        fields, extra = self.fields(block, place, NODE_FIELDS)
        if "type" not in fields:
            self._warn(place, "The node has no type. It stays, with everything that is said about it, but cannot run.")
        feeds = fields.pop("inputs", {})
        parameters = fields.pop("parameters", {})
        type = fields.pop("type", "")
        held = self.value(parameters, f"{place}.parameters") if parameters else empty()
        return Node(type, held, extra=extra or empty(), **fields), feeds

    def _links(
        self, feeds: Mapping[NodeId, Mapping[str, Any]], names: Mapping[str, NodeId], place: str
    ) -> dict[Socket, Socket]:
        """`feeds`: what each node's block names for its inputs. `names`: ids by the names that the file uses."""
        links: dict[Socket, Socket] = {}
        for id, inputs in feeds.items():
            for name, text in self._once(inputs, f"{place}.{id}.inputs") if inputs else ():
                where = f"{place}.{id}.inputs.{name}"
                output = _output(text, names)
                if output is None or not name:
                    self._leave_out(where, text, f"Expected node.output, found {_describe(text)}.")
                elif output.node not in feeds:
                    self._leave_out(where, text, f"The link comes from '{output.node}', which is not there.")
                elif output.node == id:
                    self._leave_out(where, text, "The link comes from the node itself.")
                else:
                    links[Socket(id, name)] = output
        return links

    def _frame(self, block: _Plain, place: str) -> Frame:
        fields, extra = self.fields(block, place, FRAME_FIELDS)
        return Frame(**fields, extra=extra or empty())

    def _note(self, block: _Plain, place: str) -> Note:
        fields, extra = self.fields(block, place, NOTE_FIELDS)
        return Note(**fields, extra=extra or empty())

    def subgraph(self, block: _Plain, place: str) -> Subgraph:
        """The definition that a block holds."""
        fields, extra = self.fields(block, place, SUBGRAPH_FIELDS)
        graph, names = self.graph(fields, place, {})
        return Subgraph(
            title=fields.get("title", ""),
            graph=graph,
            inputs=self._ports(fields.get("inputs", []), f"{place}.inputs", names),
            outputs=self._ports(fields.get("outputs", []), f"{place}.outputs", names),
            doc=fields.get("doc", ""),
            extra=extra or empty(),
        )

    def _ports(self, plain: list[Any], place: str, names: Mapping[str, NodeId]) -> tuple[Port, ...]:
        ports: dict[str, Port] = {}
        there = set(names.values())
        for at, held in enumerate(plain):
            where = f"{place}[{at}]"
            fields, extra = self.fields(held, where, PORT_FIELDS) if isinstance(held, dict) else ({}, {})
            name, ends = fields.get("name", ""), fields.get("inner", [])
            sockets = [_output(text, names) for text in ends]
            inner = tuple(end for end in sockets if end is not None and end.node in there)
            if not name or not inner:
                self._leave_out(where, held, "This port has no name, or leads to nothing that is there.")
            elif name in ports:
                self._leave_out(where, held, f"There is a port '{name}' already.")
            else:
                if len(inner) < len(ends):
                    self._leave_out(f"{where}.inner", ends, "Some of these sockets are not there.")
                ports[name] = Port(name, inner, extra or empty())
        return tuple(ports.values())


def _is_id(name: str) -> bool:
    try:
        check_id(name)
    except DocumentError:
        return False
    return True


def _output(text: object, names: Mapping[str, NodeId]) -> Socket | None:
    """The socket that a text names, by the ids that belong to the names in the file. These may hold dots; the longest one counts."""
    if not isinstance(text, str):
        return None
    parts = text.split(".", _MOST_DOTS)
    for count in range(len(parts) - 1, 0, -1):
        node, output = ".".join(parts[:count]), ".".join(parts[count:])
        if node in names and output:
            return Socket(names[node], output)
    node, _, output = text.partition(".")
    return Socket(NodeId(node), output) if node and output else None


def _describe(held: object) -> str:
    if held is None:
        return "null"
    if isinstance(held, bool):
        return "true" if held else "false"
    if isinstance(held, dict):
        return "an object"
    if isinstance(held, list):
        return "a list"
    shown = str(held) if not isinstance(held, str) or isinstance(held, NotFinite) else f"'{held}'"
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
