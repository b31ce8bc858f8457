"""The form that ComfyUI's front end saves: layout, groups and notes, values by position. Versions 0.4 and 1.0, mixed as they occur.

Nothing in such a file can be relied on: links name slots that are not there, ids are numbers or texts, positions lists or objects. What
cannot be used is kept in `rest`, and told in the notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from studio.files.comfyui.classes import UNKNOWN, facts_of
from studio.files.comfyui.group_nodes import group_node_definition
from studio.files.comfyui.plain import as_dict, as_list, as_text, id_text, point, whole
from studio.files.comfyui.source import Source, SourceGraph, SourceGroup, SourceNode, SourcePort, SourceSubgraph
from studio.files.comfyui.widgets import Values, read_values
from studio.files.json_text import Numbering
from studio.graph.graph import Mode
from studio.graph.workflow import View

_INPUT_NODE: Final = "-10"
_OUTPUT_NODE: Final = "-20"
_MOST_DEFINITIONS: Final = 10_000
_MOST_NESTED: Final = 32
_HEX: Final = re.compile(r"#[0-9a-fA-F]{6}")
_SHORT_HEX: Final = re.compile(r"#[0-9a-fA-F]{3}")
_NODE_KEYS: Final = frozenset(
    {
        "id",
        "type",
        "pos",
        "size",
        "mode",
        "title",
        "color",
        "inputs",
        "outputs",
        "widgets_values",
        "widgets_values_named",
        "order",
    }
)
_ROOT_KEYS: Final = frozenset({"nodes", "links", "groups", "definitions", "last_node_id", "last_link_id"})
_GROUP_KEYS: Final = frozenset({"title", "bounding", "color"})
_PREVIEW: Final = "$$"
_WINDOW: Final = (1600.0, 900.0)
"""Size of the window that a view is taken to have been seen in: the file tells the corner, ours the centre."""


def is_ui_form(plain: Mapping[str, Any]) -> bool:
    """Whether data is a workflow as the front end saves it."""
    return isinstance(plain.get("nodes"), list) and isinstance(plain.get("links"), list)


def read_ui_form(plain: Mapping[str, Any]) -> Source:
    """The workflow in `plain`. Never raises: what does not fit is told in its notes."""
    reader = _Reader(plain)
    source = Source(SourceGraph())
    reader.definitions(plain, source, 0)
    source.graph, _ = reader.graph(plain, source)
    source.view = _view(as_dict(as_dict(plain.get("extra")).get("ds")))
    source.rest = {key: value for key, value in plain.items() if key not in _ROOT_KEYS}
    source.notes = reader.notes
    return source


class _Reader:
    """Reads one file. Definitions of subgraphs are told apart by their ids."""

    def __init__(self, plain: Mapping[str, Any]) -> None:
        self.notes: list[str] = []
        self._definitions: set[str] = set()
        self._group_nodes = as_dict(as_dict(plain.get("extra")).get("groupNodes"))
        self._counts: dict[str, int] = {}

    def definitions(self, plain: Mapping[str, Any], source: Source, depth: int) -> None:
        """Read the subgraphs that a graph's block defines, and those defined within them."""
        blocks = [as_dict(one) for one in as_list(as_dict(plain.get("definitions")).get("subgraphs"))]
        for block in blocks:
            self._definitions.add(as_text(block.get("id")))
        for block in blocks:
            id = as_text(block.get("id"))
            if not id or id in source.subgraphs:
                self._tell("Subgraphs without an id of their own were left out")
            elif depth > _MOST_NESTED or len(source.subgraphs) >= _MOST_DEFINITIONS:
                self._tell("Subgraphs are nested too deeply, or there are too many")
            else:
                source.subgraphs[id] = self._definition(id, block, source)
                self.definitions(block, source, depth + 1)

    def _definition(self, id: str, block: Mapping[str, Any], source: Source) -> SourceSubgraph:
        graph, borders = self.graph(block, source)
        definition = SourceSubgraph(id, as_text(block.get("name")), graph)
        for key, ports in (("inputs", definition.inputs), ("outputs", definition.outputs)):
            names = Numbering("{name}_{count}")
            taken: set[str] = set()
            for at, one in enumerate(as_list(block.get(key))):
                held = as_dict(one)
                name = names.free(as_text(held.get("name")) or f"{key[:-1]}_{at + 1}", taken)
                taken.add(name)
                ports.append(SourcePort(name, _type(held.get("type"))))
        for origin, origin_slot, target, target_slot, target_name in borders:
            self._join_border(definition, (origin, origin_slot), (target, target_slot, target_name))
        known = {"id", "name", "nodes", "links", "groups", "inputs", "outputs", "definitions"}
        definition.rest = {key: value for key, value in block.items() if key not in known}
        return definition

    def _join_border(self, definition: SourceSubgraph, origin: tuple[str, int], target: tuple[str, int, str]) -> None:
        inside, slot, name = target
        if origin[0] == _INPUT_NODE:
            if not 0 <= origin[1] < len(definition.inputs):
                self._tell("Wires of subgraphs begin at a socket that is not there")
            elif inside == _OUTPUT_NODE:
                if 0 <= slot < len(definition.outputs):
                    definition.outputs[slot].through = origin[1]
            elif inside in definition.graph.nodes:
                definition.inputs[origin[1]].targets.append((inside, name))
        elif 0 <= slot < len(definition.outputs) and origin[0] in definition.graph.nodes:
            definition.outputs[slot].origin = origin
        else:
            self._tell("Wires of subgraphs lead to a socket that is not there")

    def graph(
        self, plain: Mapping[str, Any], source: Source
    ) -> tuple[SourceGraph, list[tuple[str, int, str, int, str]]]:
        """A graph's nodes, links and groups, and those links that cross the border of the subgraph."""
        graph = SourceGraph()
        blocks: dict[str, Mapping[str, Any]] = {}
        ids = Numbering("{name}:{count}")
        for held in as_list(plain.get("nodes")):
            if not isinstance(held, dict):
                self._tell("Something among the nodes is no node")
                continue
            id = ids.free(id_text(held.get("id")) or "node", graph.nodes)
            graph.nodes[id] = self._node(id, held, source)
            blocks[id] = held
        borders = self._links(plain, graph, blocks)
        graph.groups = [_group(as_dict(one)) for one in as_list(plain.get("groups")) if isinstance(one, dict)]
        return graph, borders

    def _node(self, id: str, block: Mapping[str, Any], source: Source) -> SourceNode:
        properties = as_dict(block.get("properties"))
        type = self._class(block, properties)
        made = self._group_node(id, type, block, source)
        flags = as_dict(block.get("flags"))
        node = SourceNode(
            id,
            made or type,
            title=_title(block, type, made),
            position=point(block.get("pos")) or (0.0, 0.0),
            size=point(block.get("size")),
            color=_color(block.get("color")),
            collapsed=flags.get("collapsed") is True,
            pinned=flags.get("pinned") is True,
            mode={2: Mode.MUTED, 4: Mode.BYPASSED}.get(whole(block.get("mode")), Mode.ACTIVE),
            pack=as_text(properties.get("cnr_id")) or as_text(properties.get("aux_id")),
            pack_version=as_text(properties.get("ver")),
            rest={key: value for key, value in block.items() if key not in _NODE_KEYS},
        )
        if whole(block.get("mode")) in (1, 3):
            node.rest["mode"] = block["mode"]
        if not node.color and block.get("color") is not None:
            node.rest["color"] = block["color"]
        self._sockets(node, block)
        if node.type in self._definitions:
            self._promoted(node, block, properties)
        elif made is None:
            _take(node, read_values(facts_of(type), block))
        return node

    def _class(self, block: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
        """The class's own name: the front end takes some letters out of it, and writes the whole name among the properties."""
        type, whole_name = as_text(block.get("type")), as_text(properties.get("Node name for S&R"))
        if type in self._definitions or facts_of(type) is not UNKNOWN or not whole_name:
            return type
        return whole_name if re.sub("[&<>\"'`]", "", whole_name) == type else type

    def _group_node(self, id: str, type: str, block: Mapping[str, Any], source: Source) -> str | None:
        """The id of the definition made for an instance of an old group node; None for every other node."""
        prefix = next((one for one in ("workflow>", "workflow/") if type.startswith(one)), "")
        body = as_dict(self._group_nodes.get(type[len(prefix) :])) if prefix else {}
        if not isinstance(body.get("nodes"), list):
            return None
        made = group_node_definition(
            f"group-{len(source.subgraphs)}-{id}", type[len(prefix) :], body, block, self._inner
        )
        source.subgraphs[made.id] = made
        return made.id

    def _inner(self, id: str, block: Mapping[str, Any]) -> SourceNode:
        return self._node(id, block, Source(SourceGraph()))

    def _sockets(self, node: SourceNode, block: Mapping[str, Any]) -> None:
        names = Numbering("{name}_{count}")
        taken: set[str] = set()
        for at, one in enumerate(as_list(block.get("inputs"))):
            held = as_dict(one)
            name = names.free(as_text(held.get("name")) or f"input_{at + 1}", taken)
            taken.add(name)
            node.inputs.append((name, _type(held.get("type"))))
            if isinstance(held.get("widget"), dict):
                node.widgets.append(name)
        node.outputs = [
            (as_text(as_dict(one).get("name")), _type(as_dict(one).get("type")))
            for one in as_list(block.get("outputs"))
        ]

    def _promoted(self, node: SourceNode, block: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
        """Values of an instance of a subgraph, in any of the three ways in which the front end has written them."""
        held = block.get("widgets_values")
        named = block.get("widgets_values_named")
        listed = held if isinstance(held, list) else []
        proxies = []
        for one in as_list(properties.get("proxyWidgets")):
            if isinstance(one, list) and len(one) >= 2 and isinstance(one[1], str) and not one[1].startswith(_PREVIEW):
                proxies.append((id_text(one[0]), re.sub(r"^-?\d+: ", "", one[1])))
        if isinstance(named, dict) and named:
            node.values = dict(named)
            node.promoted = [one for one in proxies if one[0] != "-1"]
        elif proxies:
            parallel = listed if len(listed) == len(proxies) else []
            for at, (inner, name) in enumerate(proxies):
                if inner != "-1":
                    node.promoted.append((inner, name))
                    node.promoted_values.extend(parallel[at : at + 1])
                elif parallel:
                    node.values[name] = parallel[at]
            node.tail = [] if parallel else list(listed)
        elif len(listed) == len(node.widgets):
            node.values = dict(zip(node.widgets, listed, strict=True))
        else:
            node.tail = list(listed)

    def _links(
        self, plain: Mapping[str, Any], graph: SourceGraph, blocks: Mapping[str, Mapping[str, Any]]
    ) -> list[tuple[str, int, str, int, str]]:
        claimed = _claimed(blocks)
        borders = []
        for link, origin, origin_slot, target, target_slot in _ends(as_list(plain.get("links"))):
            if target == _OUTPUT_NODE or origin == _INPUT_NODE:
                node = graph.nodes.get(target)
                name = _input_name(node, target_slot, claimed.get((target, link))) if node is not None else ""
                borders.append((origin, origin_slot, target, target_slot, name))
            elif origin not in graph.nodes or target not in graph.nodes:
                self._tell("Wires lead to a node that is not there, and were left out")
            else:
                name = _input_name(graph.nodes[target], target_slot, claimed.get((target, link)))
                graph.links[target, name] = (origin, max(origin_slot, 0))
        return borders

    def _tell(self, what: str) -> None:
        self._counts[what] = self._counts.get(what, 0) + 1
        if self._counts[what] == 1:
            self.notes.append(f"{what}.")


def _take(node: SourceNode, values: Values) -> None:
    node.values, node.hidden, node.tail = values.named, values.hidden, values.tail
    node.defaulted, node.clashing = values.defaulted, values.clashing


def _title(block: Mapping[str, Any], type: str, made: str | None) -> str:
    title = as_text(block.get("title"))
    return "" if title == type or (made is not None and title == type.partition(">")[2]) else title


def _claimed(blocks: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], list[int]]:
    """By node and link: the numbers of the inputs that say they are fed by that link."""
    claimed: dict[tuple[str, str], list[int]] = {}
    for id, block in blocks.items():
        for at, one in enumerate(as_list(block.get("inputs"))):
            link = id_text(as_dict(one).get("link"))
            if link:
                claimed.setdefault((id, link), []).append(at)
    return claimed


def _input_name(node: SourceNode, slot: int, claimed: list[int] | None) -> str:
    """The input that a link leads to. An input that names the link itself is right where the link's own number is an old one."""
    at = claimed[0] if claimed and slot not in claimed else slot
    if 0 <= at < len(node.inputs):
        return node.inputs[at][0]
    known = facts_of(node.type).inputs
    name = known[at][0] if not node.inputs and 0 <= at < len(known) else f"input_{at + 1}"
    if all(name != one for one, _ in node.inputs):
        node.inputs.append((name, "*"))
    return name


def _ends(links: list[Any]) -> Iterator[tuple[str, str, int, str, int]]:
    """Id, origin, its slot, target and its slot of every link: a list, or an object with names."""
    for one in links:
        if isinstance(one, list) and len(one) >= 5:
            link, origin, origin_slot, target, target_slot = one[:5]
        elif isinstance(one, dict):
            keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
            link, origin, origin_slot, target, target_slot = (one.get(key) for key in keys)
        else:
            continue
        yield id_text(link), id_text(origin), whole(origin_slot), id_text(target), whole(target_slot)


def _type(held: object) -> str:
    """Lists of choices and event types are written in place of a type's name."""
    if isinstance(held, list):
        return "COMBO"
    return held if isinstance(held, str) and held else "*"


def _color(held: object) -> str:
    if isinstance(held, str) and _HEX.fullmatch(held):
        return held
    if isinstance(held, str) and _SHORT_HEX.fullmatch(held):
        return "#" + "".join(letter * 2 for letter in held[1:])
    return ""


def _group(block: Mapping[str, Any]) -> SourceGroup:
    numbers = as_list(block.get("bounding"))
    position, size = point(numbers[:2]) or (0.0, 0.0), point(numbers[2:4]) or (400.0, 300.0)
    color = _color(block.get("color"))
    rest = {key: value for key, value in block.items() if key not in _GROUP_KEYS or (key == "color" and not color)}
    return SourceGroup(as_text(block.get("title")), position, size, color, rest)


def _view(ds: Mapping[str, Any]) -> View | None:
    """The front end keeps the offset of its origin from the window's corner, in graph units, and the scale."""
    offset, scale = point(ds.get("offset")), ds.get("scale")
    if offset is None or not isinstance(scale, int | float) or isinstance(scale, bool) or not 0.01 < scale < 100:
        return None
    return View((_WINDOW[0] / 2 / scale - offset[0], _WINDOW[1] / 2 / scale - offset[1]), float(scale))
