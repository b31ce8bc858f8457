"""Workflow files of other programs: how many open, how much of them comes over, how fast.

    python tests/benchmarks/interop.py --corpus DIR [--twins FILE] [--list]

DIR is any folder of such files. FILE holds a JSON list of pairs of paths in DIR: one workflow as ComfyUI's editor saved it, and as its
server ran it. Prints one JSON line:

    well_formed           files that hold a workflow of a kind that we read
    opened, lossless      of these; lossless: after import, saving and loading, the file's nodes, wires, values, titles and groups are there
    twin_agreement        share of the server's values that we give under the same name when we write the editor's form as the server's;
                          seeds aside, and values of classes whose names neither file nor table tells. `twin_values` are compared, of
                          which `twin_files_differ` stand nowhere in the editor's file
    silent_shifts         values that came under another one's name without a word in the report
    mapped_instances      share of nodes that are no placeholder; `mapped_core_instances` of those of ComfyUI's own classes
    no_placeholder_core_sd_flux   share without a placeholder, of workflows of SD 1.x, SDXL, SD 3 and Flux.1 with core classes alone
    median_ms, worst_ms   to open a file
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from studio.files.comfyui.classes import facts_of
from studio.files.comfyui.counterparts import rows_of
from studio.files.comfyui.plain import as_dict, as_list, as_text, id_text, whole
from studio.files.comfyui.reading import find_forms
from studio.files.comfyui.to_api import to_api
from studio.files.comfyui.to_workflow import ORIGIN, PLACEHOLDER
from studio.files.json_text import NotFinite, parse
from studio.files.workflow_file import from_text, read_workflow, to_text
from studio.graph.errors import WirelightError
from studio.graph.graph import Graph, Node

_SEEDS: Final = ("seed", "noise_seed")
_FRONT_END: Final = frozenset(
    {"upload", "choose file to upload", "video-preview", "videopreview", "audioUI", "speak_and_recognation"}
)
_OTHER_FAMILIES: Final = re.compile(
    r"wan|ltx|hunyuan|qwen|z[_-]?image|cosmos|svd|mochi|stable[_-]?audio|ace[_-]?step|chroma|hidream|lumina|omnigen|cascade|flux[._-]?2|"
    r"klein|krea|kandinsky|aura|pixart|sana|anima|minimax|seedvr|hy3d|video|audio|3d|svd|zero123|kolors|kontext|fill|redux|moge|trellis|"
    r"rodin|gemini|openai|api|cogvideo|humo|vace|ovis|longcat|boogu|birefnet|sam3|depth_anything",
    re.IGNORECASE,
)
_NAMED_FAMILIES: Final = re.compile(
    r"sd|xl|v1-5|flux|dreamshaper|1\.5|stable|pony|illustrious|juggernaut|realistic", re.IGNORECASE
)
_LOADERS: Final = ("CheckpointLoaderSimple", "CheckpointLoader", "UNETLoader")
_SAMPLERS: Final = ("KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced")


@dataclass
class Figures:
    """What is counted over all files."""

    files: int = 0
    well_formed: int = 0
    opened: int = 0
    lossless: int = 0
    nodes: Counter[str] = field(default_factory=Counter)
    sd_flux: int = 0
    sd_flux_whole: int = 0
    times: list[float] = field(default_factory=list)
    placeholders: Counter[str] = field(default_factory=Counter)
    blocking: Counter[str] = field(default_factory=Counter)
    trouble: list[str] = field(default_factory=list)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--corpus", type=Path, required=True)
    options.add_argument("--twins", type=Path)
    options.add_argument("--list", action="store_true", help="print on stderr what did not come over")
    chosen = options.parse_args()
    facts_of("KSampler")  # the tables are read once in a program's life
    rows_of("KSampler")
    figures = Figures()
    for path in sorted(one for one in chosen.corpus.rglob("*") if one.is_file()):
        _one(path, figures)
    share = {
        "mapped_instances": _share(figures.nodes["mapped"], figures.nodes["all"]),
        "mapped_core_instances": _share(figures.nodes["core mapped"], figures.nodes["core"]),
        "no_placeholder_core_sd_flux": _share(figures.sd_flux_whole, figures.sd_flux),
        "core_sd_flux": figures.sd_flux,
    }
    twins = _twins(chosen.corpus, json.loads(chosen.twins.read_bytes()), figures) if chosen.twins else {}
    print(
        json.dumps(
            {
                "files": figures.files,
                "well_formed": figures.well_formed,
                "opened": figures.opened,
                "lossless": figures.lossless,
                **twins,
                **share,
                "median_ms": round(statistics.median(figures.times) * 1000, 2) if figures.times else None,
                "worst_ms": round(max(figures.times) * 1000, 1) if figures.times else None,
            }
        )
    )
    if chosen.list:
        for name, count in figures.placeholders.most_common(80):
            print(f"{count:6} {name}", file=sys.stderr)
        print(
            "keeping SD and Flux workflows of core classes from being whole:",
            figures.blocking.most_common(30),
            file=sys.stderr,
        )
        for line in figures.trouble[:60]:
            print(line, file=sys.stderr)


def _share(part: int, total: int) -> float | None:
    return round(part / total, 4) if total else None


def _plain(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        return parse(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None


def _one(path: Path, figures: Figures) -> None:
    figures.files += 1
    plain = _plain(path)
    layout, ran = find_forms(plain) if plain is not None else (None, None)
    known = layout is not None or ran is not None or (isinstance(plain, dict) and _is_invoke(plain))
    figures.well_formed += known
    began = time.perf_counter()
    try:
        opened = read_workflow(path)
    except WirelightError as error:
        if known:
            figures.trouble.append(str(error))
        return
    figures.times.append(time.perf_counter() - began)
    if not known:
        figures.well_formed += 1
    figures.opened += 1
    again = from_text(to_text(opened.workflow), path).workflow
    missing = list(_missing(layout, ran, again.graph)) if layout is not None or ran is not None else []
    if missing or again != opened.workflow:
        figures.trouble.append(f"{path}: lost {missing[:3]}")
    else:
        figures.lossless += 1
    if layout is not None or ran is not None:
        _count(again.graph, figures)


def _is_invoke(plain: Mapping[str, Any]) -> bool:
    return isinstance(plain.get("nodes"), list) and isinstance(plain.get("edges"), list)


def _graphs(graph: Graph) -> Iterator[tuple[str, Graph]]:
    yield "", graph
    for definition in graph.subgraphs.values():
        origin = as_dict(definition.extra.get(ORIGIN))
        yield as_text(origin.get("id")), definition.graph


def _count(graph: Graph, figures: Figures) -> None:
    core_only, left, words, classes = True, [], [], set()
    for _, inside in _graphs(graph):
        for node in inside.nodes.values():
            origin = as_dict(node.extra.get(ORIGIN))
            if origin.get("added"):
                continue
            source = as_text(origin.get("class"))
            mapped = not node.type.startswith(PLACEHOLDER)
            pack = facts_of(source).pack
            core = pack in ("comfy-core", "frontend") or node.type.startswith("subgraph:")
            figures.nodes.update(["all", *(["mapped"] if mapped else [])])
            if core:
                figures.nodes.update(["core", *(["core mapped"] if mapped else [])])
            elif source not in ("SetNode", "GetNode"):
                core_only = False
            if not mapped:
                left.append(source)
                figures.placeholders[source] += 1
            classes.add(source)
            words.append(source)
            if source.endswith("Loader") or source in _LOADERS:
                words.extend(one for one in node.parameters.values() if isinstance(one, str))
        figures.nodes.update(
            {
                "all": len(inside.notes),
                "mapped": len(inside.notes),
                "core": len(inside.notes),
                "core mapped": len(inside.notes),
            }
        )
    text = " ".join(words)
    if (
        core_only
        and classes & set(_SAMPLERS)
        and classes & set(_LOADERS)
        and not _OTHER_FAMILIES.search(text)
        and _NAMED_FAMILIES.search(text)
    ):
        figures.sd_flux += 1
        figures.sd_flux_whole += not left
        figures.blocking.update(set(left))


def _missing(layout: Mapping[str, Any] | None, ran: Mapping[str, Any] | None, graph: Graph) -> Iterator[str]:
    """What a file says and the graph does not: told by a reading of the raw file that shares nothing with the importer's."""
    held = {id: _Held(inside) for id, inside in _graphs(graph)}
    if layout is None:
        yield from _missing_of_server(ran or {}, held[""])
        return
    blocks = [("", layout)]
    while blocks:
        id, block = blocks.pop()
        blocks.extend(
            (as_text(one.get("id")), one)
            for one in as_list(as_dict(block.get("definitions")).get("subgraphs"))
            if isinstance(one, dict)
        )
        if id in held:
            yield from _missing_of_editor(block, held[id])
        else:
            yield f"definition {id}"


class _Held:
    """What a graph of ours says in ComfyUI's words."""

    def __init__(self, graph: Graph) -> None:
        self.nodes: dict[str, list[Any]] = {}
        self.titles: dict[str, str] = {}
        self.groups = Counter((one.title, *one.position, *one.size) for one in graph.frames.values())
        ids = {}
        for id, node in graph.nodes.items():
            own = id_text(as_dict(node.extra.get(ORIGIN)).get("id"))
            ids[id] = own
            self.nodes[own] = list(_values(node))
            self.titles[own] = node.title
        for note in graph.notes.values():
            own = id_text(as_dict(note.extra.get(ORIGIN)).get("id"))
            self.nodes[own] = [note.text]
            self.titles[own] = as_text(as_dict(note.extra.get(ORIGIN)).get("title"))
        self.wires = Counter((ids[start.node], ids[end.node]) for end, start in graph.links.items())


def _values(node: Node) -> Iterator[Any]:
    """All values that a node holds, as ComfyUI would write them."""
    origin = as_dict(node.extra.get(ORIGIN))
    for key in ("values", "hidden"):
        yield from as_dict(origin.get(key)).values()
    yield from as_list(origin.get("tail"))
    source = as_text(origin.get("class"))
    rows = [row for row in rows_of(source) if row.type == node.type]
    if source == "PrimitiveNode":
        rows = [
            row
            for name in ("PrimitiveInt", "PrimitiveFloat", "PrimitiveBoolean", "PrimitiveString")
            for row in rows_of(name)
            if row.type == node.type
        ]
    for name, value in node.parameters.items():
        places = [place for row in rows for place in row.inputs.values() if place.to == name]
        yield from (place.theirs(value) for place in places)
        yield value
    for row in rows:
        yield from (value for values in row.when.values() for value in values)


def _missing_of_editor(block: Mapping[str, Any], held: _Held) -> Iterator[str]:
    there = set()
    for node in as_list(block.get("nodes")):
        if not isinstance(node, dict):
            continue
        id = id_text(node.get("id"))
        there.add(id)
        if id not in held.nodes:
            yield f"node {id}"
            continue
        title = as_text(node.get("title"))
        if (
            title
            and title != node.get("type")
            and not str(node.get("type")).endswith(title)
            and title != held.titles[id]
        ):
            yield f"title of {id}"
        values = node.get("widgets_values_named") or node.get("widgets_values")
        if str(node.get("type")).startswith(("workflow>", "workflow/")):
            continue
        raw = values.values() if isinstance(values, dict) else as_list(values)
        yield from (f"value of {id}: {str(one)[:60]}" for one in raw if not _has(held.nodes[id], one))
    wires = Counter(
        (id_text(origin), id_text(target))
        for origin, target in _raw_links(as_list(block.get("links")))
        if id_text(origin) in there and id_text(target) in there
    )
    for wire, count in wires.items():
        if held.wires[wire] < count and wire[0] != wire[1]:
            yield f"wire {wire}: {count} in the file"
    for group in as_list(block.get("groups")):
        bounding = as_list(as_dict(group).get("bounding"))
        if len(bounding) == 4 and not any(
            one[0] == as_text(group.get("title")) and one[1:] == tuple(map(float, bounding)) for one in held.groups
        ):
            yield f"group {group.get('title')}"


def _raw_links(links: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Ends of links, the last one that leads to an input."""
    ends: dict[tuple[str, int], Any] = {}
    for one in links:
        origin, target, slot = (
            (one[1], one[3], one[4]) if isinstance(one, list) and len(one) > 4 else (None, None, None)
        )
        if isinstance(one, dict):
            origin, target, slot = one.get("origin_id"), one.get("target_id"), one.get("target_slot")
        ends[id_text(target), whole(slot)] = origin
    yield from ((origin, target) for (target, _), origin in ends.items())


def _missing_of_server(ran: Mapping[str, Any], held: _Held) -> Iterator[str]:
    for id, block in ran.items():
        if id not in held.nodes:
            yield f"node {id}"
            continue
        for name, value in as_dict(block.get("inputs")).items():
            if isinstance(value, list) and len(value) == 2 and str(value[0]) in ran and isinstance(value[1], int):
                if not held.wires[str(value[0]), id] and str(value[0]) != id:
                    yield f"wire {value[0]} -> {id}.{name}"
            elif not (isinstance(value, list) and len(value) == 2) and not _has(held.nodes[id], value):
                yield f"value of {id}.{name}: {str(value)[:60]}"


def _has(values: list[Any], value: Any) -> bool:  # noqa: ANN401 - values of any kind
    if value is None or isinstance(value, NotFinite):
        return True
    if isinstance(value, dict) and set(value) == {"__value__"}:
        value = value["__value__"]
    return any(
        one == value or (isinstance(one, str) and isinstance(value, str) and one == value.replace("\\", "/"))
        for one in values
    )


def _twins(corpus: Path, pairs: list[list[str]], figures: Figures) -> dict[str, Any]:
    """Write each editor's form as the server's, and compare it with what the server ran."""
    equal = unequal = differ = shifts = 0
    for editor, server in pairs:
        layout, ran = _plain(corpus / editor), find_forms(_plain(corpus / server))[1]
        if layout is None or ran is None:
            continue
        opened = read_workflow(corpus / editor)
        ours = to_api(opened.workflow.graph).prompt
        told = " ".join(opened.report.notes) if opened.report is not None else ""
        raw = set(_raw_values(layout))
        for id, block in ran.items():
            mine = as_dict(ours.get(id))
            if mine.get("class_type") != block.get("class_type"):
                continue
            given = as_dict(mine.get("inputs"))
            if any(name.startswith("value_") for name in given):
                continue
            for name, value in as_dict(block.get("inputs")).items():
                if isinstance(value, list) or name in _SEEDS or name in _FRONT_END:
                    continue
                if name in given and given[name] == value:
                    equal += 1
                elif _text(value) not in raw:
                    differ += 1
                else:
                    unequal += 1
                    figures.trouble.append(
                        f"{editor}: {id}.{name}: {str(value)[:40]!r}, ours {str(given.get(name))[:40]!r}"
                    )
                    others = {_text(one) for other, one in as_dict(block.get("inputs")).items() if other != name}
                    shifts += name in given and _text(given[name]) in others and f"({id})" not in told
    return {
        "twin_agreement": _share(equal, equal + unequal),
        "twin_values": equal + unequal + differ,
        "twin_files_differ": differ,
        "silent_shifts": shifts,
    }


def _raw_values(layout: object) -> Iterator[str]:
    """Every single value in a file, as text."""
    waiting = [layout]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
        else:
            yield _text(one)


def _text(value: object) -> str:
    return json.dumps(value, default=str)


if __name__ == "__main__":
    main()
