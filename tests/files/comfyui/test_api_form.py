"""The form that ComfyUI's server takes: read, and written from graphs of ours and of theirs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.files.comfyui.to_api import to_api
from studio.files.comfyui.to_workflow import PLACEHOLDER
from studio.files.workflow_file import read_workflow
from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.resources import resource
from tests.files.comfyui.small import node, of_type, opened, text_to_picture, ui
from tests.files.comfyui.test_ui_form import subgraph

API: dict[str, Any] = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "base.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 2}},
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5, "steps": 25, "cfg": 6.5, "sampler_name": "euler", "scheduler": "karras", "denoise": 1,
            "model": ["4", 0], "latent_image": ["5", 0], "positive": ["66", 0],
        },
        "_meta": {"title": "Main"},
    },
    "12:3": {"class_type": "Gallery", "inputs": {"images": ["3", 0], "sizes": {"__value__": [1, 2]}, "choose file to upload": "image"}},
}  # fmt: skip


def test_the_servers_form_opens_laid_out_from_left_to_right() -> None:
    graph, report = opened(json.dumps(API))
    sampler, held = of_type(graph, "sample/Sample")
    assert (held.title, held.parameters["steps"]) == ("Main", 25)
    assert graph.links[Socket(sampler, "latent")] == Socket(NodeId("empty"), "latent")
    gallery, odd = of_type(graph, PLACEHOLDER + "Gallery")
    assert odd.parameters == {"sizes": [1, 2]}
    assert graph.links[Socket(gallery, "images")] == Socket(sampler, "latent")
    assert graph.nodes[NodeId("empty")].position[0] < held.position[0] < odd.position[0]
    assert any("not there" in note for note in report.notes)


@pytest.mark.parametrize("wrap", ["prompt", "output", "extra_pnginfo"])
def test_wrappers_are_looked_into(wrap: str) -> None:
    graph, _ = opened(json.dumps({wrap: API, "client_id": "x"}))
    of_type(graph, "sample/Sample")
    graph, _ = opened(json.dumps({wrap: json.dumps(API)}))
    of_type(graph, "sample/Sample")


def test_of_two_forms_the_layout_comes_from_one_and_the_values_from_the_other() -> None:
    ran = json.loads(json.dumps(API))
    ran["3"]["inputs"].update(seed=99, steps=31)
    graph, report = opened(
        json.dumps({"prompt": ran, "extra_data": {"extra_pnginfo": {"workflow": text_to_picture()}}})
    )
    sampler = of_type(graph, "sample/Sample")[1]
    assert (sampler.parameters["seed"], sampler.parameters["steps"]) == (99, 31)
    assert of_type(graph, "image/Save")[1].position == (1500.0, 200.0)
    assert any("steps: 25 -> 31" in note for note in report.notes)


def exported(plain: object) -> dict[str, Any]:
    graph, _ = opened(json.dumps(plain))
    form = to_api(graph)
    assert form.left_out == ()
    return {id: {"class_type": one["class_type"], "inputs": one["inputs"]} for id, one in form.prompt.items()}


def test_what_was_read_is_written_as_the_server_takes_it() -> None:
    assert exported(text_to_picture()) == {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0], "seed": 156680208700286,
                "steps": 25, "cfg": 6.5, "sampler_name": "dpmpp_2m_sde_gpu", "scheduler": "karras", "denoise": 0.9,
            },
        },
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl\\base.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 2}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "a red house"}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "blurry"}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "house"}},
    }  # fmt: skip


def test_subgraphs_are_written_unfolded_and_wires_without_bends() -> None:
    form = exported(subgraph(widgets_values=[33]))
    assert form["7:1"] == {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}}
    assert form["7:2"]["inputs"]["steps"] == 33
    assert form["3"]["inputs"]["images"] == ["7:1", 0]
    assert form["4"]["inputs"]["images"] == ["1", 0]


def test_primitives_modes_and_set_get_leave_only_what_runs() -> None:
    plain = ui(
        [
            node(1, "PrimitiveNode", [40, "fixed"], outs=[["INT", "INT", [1]]]),
            node(2, "EmptyLatentImage", [64, 64, 1], ins=[["width", "INT", 1, "widget"]], outs=[["LATENT", "LATENT", [2]]]),
            node(3, "SetNode", ["l"], ins=[["LATENT", "LATENT", 2]]),
            node(4, "GetNode", ["l"], outs=[["LATENT", "LATENT", [3]]]),
            node(5, "LatentUpscaleBy", ["nearest-exact", 2.0], ins=[["samples", "LATENT", 3]], outs=[["LATENT", "LATENT", [4, 5]]], mode=4),
            node(6, "VAEDecode", ins=[["samples", "LATENT", 4]], outs=[["IMAGE", "IMAGE", [6]]]),
            node(7, "Muted", [1], ins=[["samples", "LATENT", 5]], mode=2),
            node(8, "Odd", [[1, 2]], ins=[["image", "IMAGE", 6]]),
        ],
        [
            [1, 1, 0, 2, 0, "INT"], [2, 2, 0, 3, 0, "LATENT"], [3, 4, 0, 5, 0, "LATENT"], [4, 5, 0, 6, 0, "LATENT"],
            [5, 5, 0, 7, 0, "LATENT"], [6, 6, 0, 8, 0, "IMAGE"],
        ],
    )  # fmt: skip
    assert exported(plain) == {
        "2": {"class_type": "EmptyLatentImage", "inputs": {"width": 40, "height": 64, "batch_size": 1}},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["2", 0]}},
        "8": {"class_type": "Odd", "inputs": {"value_1": {"__value__": [1, 2]}, "image": ["6", 0]}},
    }


def test_an_edited_value_is_what_is_written() -> None:
    graph, _ = opened(json.dumps(text_to_picture()))
    nodes = dict(graph.nodes)
    sampler = NodeId("sample")
    held = nodes[sampler]
    nodes[sampler] = Node(held.type, {**held.parameters, "sampler": "euler", "seed": 1}, extra=held.extra)
    form = to_api(Graph(nodes, graph.links))
    assert form.prompt["3"]["inputs"]["sampler_name"] == "euler"
    assert form.prompt["3"]["inputs"]["seed"] == 1


def test_a_graph_of_ours_is_written_with_fresh_ids_and_says_what_is_left_out() -> None:
    graph = Graph(
        {
            NodeId("load"): Node("image/Load", {"path": "a.png"}),
            NodeId("grain"): Node("image/Grain"),
            NodeId("invert"): Node("image/Invert"),
            NodeId("save"): Node("image/Save"),
        },
        {
            Socket(NodeId("grain"), "image"): Socket(NodeId("load"), "image"),
            Socket(NodeId("invert"), "image"): Socket(NodeId("load"), "image"),
            Socket(NodeId("save"), "image"): Socket(NodeId("invert"), "image"),
        },
    )  # fmt: skip
    form = to_api(graph)
    classes = {one["class_type"]: id for id, one in form.prompt.items()}
    assert set(classes) == {"LoadImage", "ImageInvert", "SaveImage"}
    assert form.prompt[classes["SaveImage"]]["inputs"]["images"] == [classes["ImageInvert"], 0]
    assert any("image/Grain" in words for words in form.left_out)


def test_a_template_is_written_with_all_that_its_sampler_needs() -> None:
    form = to_api(read_workflow(resource("templates", "text-to-image.json")).workflow.graph)
    sampler = next(one for one in form.prompt.values() if one["class_type"] == "KSampler")
    assert {"model", "positive", "latent_image", "seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"} <= set(
        sampler["inputs"]
    )
