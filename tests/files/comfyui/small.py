"""ComfyUI workflows made by hand, each as small as the quirk that it shows allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.files.import_report import ImportReport
from studio.files.workflow_file import Opened, from_text, to_text
from studio.graph.graph import Graph, Node, NodeId

Plain = dict[str, Any]


def node(
    id: object,
    type: str,
    values: object = None,
    *,
    ins: list[Any] | None = None,
    outs: list[Any] | None = None,
    **more: object,
) -> Plain:
    """A block as the front end writes it. `ins` and `outs`: [name, type, link or links]; a fourth item makes an input a widget."""
    block: Plain = {"id": id, "type": type, "pos": [0, 0], "size": [200, 100], "flags": {}, "order": 0, "mode": 0}
    block["inputs"] = [
        {"name": one[0], "type": one[1], "link": one[2], **({"widget": {"name": one[0]}} if len(one) > 3 else {})}
        for one in ins or []
    ]
    block["outputs"] = [{"name": one[0], "type": one[1], "links": one[2]} for one in outs or []]
    if values is not None:
        block["widgets_values"] = values
    return {**block, **more}


def ui(nodes: list[Plain], links: list[Any] | None = None, **more: object) -> Plain:
    """A workflow of the front end."""
    return {
        "last_node_id": 99,
        "last_link_id": 99,
        "nodes": nodes,
        "links": links or [],
        "groups": [],
        "version": 0.4,
        **more,
    }


def opened(text: str, name: Path | str = "some.json") -> tuple[Graph, ImportReport]:
    """The graph of a text, after it was saved and read once more by us, and the report."""
    first = from_text(text, name)
    assert first.report is not None
    again: Opened = from_text(to_text(first.workflow), name)
    assert not again.warnings
    assert again.workflow == first.workflow
    return again.workflow.graph, first.report


def of_type(graph: Graph, type: str) -> tuple[NodeId, Node]:
    """The one node of a type."""
    found = [(id, one) for id, one in graph.nodes.items() if one.type == type]
    assert len(found) == 1, [one.type for one in graph.nodes.values()]
    return found[0]


def text_to_picture() -> Plain:
    """The graph that every ComfyUI begins with."""
    loaded = [["MODEL", "MODEL", [1]], ["CLIP", "CLIP", [2, 3]], ["VAE", "VAE", [8]]]
    sampler_inputs = [
        ["model", "MODEL", 1],
        ["positive", "CONDITIONING", 4],
        ["negative", "CONDITIONING", 5],
        ["latent_image", "LATENT", 6],
    ]
    read = "CONDITIONING"
    return ui(
        [
            node(4, "CheckpointLoaderSimple", ["sdxl\\base.safetensors"], outs=loaded),
            node(6, "CLIPTextEncode", ["a red house"], ins=[["clip", "CLIP", 2]], outs=[[read, read, [4]]], title="Prompt"),
            node(7, "CLIPTextEncode", ["blurry"], ins=[["clip", "CLIP", 3]], outs=[[read, read, [5]]]),
            node(5, "EmptyLatentImage", [512, 768, 2], outs=[["LATENT", "LATENT", [6]]]),
            node(
                3, "KSampler", [156680208700286, "randomize", 25, 6.5, "dpmpp_2m_sde_gpu", "karras", 0.9],
                ins=sampler_inputs, outs=[["LATENT", "LATENT", [7]]],
            ),
            node(8, "VAEDecode", ins=[["samples", "LATENT", 7], ["vae", "VAE", 8]], outs=[["IMAGE", "IMAGE", [9]]]),
            node(9, "SaveImage", ["house"], ins=[["images", "IMAGE", 9]], pos=[1500, 200]),
        ],
        [
            [1, 4, 0, 3, 0, "MODEL"], [2, 4, 1, 6, 0, "CLIP"], [3, 4, 1, 7, 0, "CLIP"], [4, 6, 0, 3, 1, "CONDITIONING"],
            [5, 7, 0, 3, 2, "CONDITIONING"], [6, 5, 0, 3, 3, "LATENT"], [7, 3, 0, 8, 0, "LATENT"], [8, 4, 2, 8, 1, "VAE"],
            [9, 8, 0, 9, 0, "IMAGE"],
        ],
    )  # fmt: skip
