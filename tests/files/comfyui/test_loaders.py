"""Networks, text encoders and VAEs that ComfyUI opens apart become loaders that share one model."""

from __future__ import annotations

import json

from studio.files.comfyui.to_api import to_api
from studio.graph.graph import NodeId, Socket
from tests.files.comfyui.small import node, of_type, opened, ui

PARTS = "model/LoadParts"


def test_a_network_its_text_encoders_and_its_vae_know_each_others_files() -> None:
    plain = ui(
        [
            node(1, "UNETLoader", ["flux\\dev.safetensors", "fp8_e4m3fn"], outs=[["MODEL", "MODEL", [1]]]),
            node(
                2,
                "DualCLIPLoader",
                ["t5.safetensors", "clip_l.safetensors", "flux", "default"],
                outs=[["CLIP", "CLIP", [2]]],
            ),
            node(3, "VAELoader", ["ae.safetensors"], outs=[["VAE", "VAE", [3]]]),
            node(4, "KSampler", [1, "fixed", 4, 1.0, "euler", "simple", 1.0], ins=[["model", "MODEL", 1]]),
            node(5, "CLIPTextEncode", ["hi"], ins=[["clip", "CLIP", 2]]),
            node(6, "VAEDecode", ins=[["samples", "LATENT", None], ["vae", "VAE", 3]]),
        ],
        [[1, 1, 0, 4, 0, "MODEL"], [2, 2, 0, 5, 0, "CLIP"], [3, 3, 0, 6, 1, "VAE"]],
    )
    graph, report = opened(json.dumps(plain))
    assert report.unmapped == 0
    loaders = {id: one for id, one in graph.nodes.items() if one.type == PARTS}
    files = {
        "model": "flux/dev.safetensors", "text_encoder": "t5.safetensors", "text_encoder_2": "clip_l.safetensors",
        "vae": "ae.safetensors", "precision": "float8",
    }  # fmt: skip
    assert [one.parameters for one in loaders.values()] == [files] * 3
    assert graph.links[Socket(NodeId("encode_prompt"), "text_encoder")].name == "text_encoder"
    prompt = to_api(graph).prompt
    assert prompt["1"]["inputs"] == {"unet_name": "flux\\dev.safetensors", "weight_dtype": "fp8_e4m3fn"}
    assert prompt["3"] == {
        "class_type": "VAELoader",
        "inputs": {"vae_name": "ae.safetensors"},
        "_meta": {"title": "VAELoader"},
    }
    assert prompt["6"]["inputs"]["vae"] == ["3", 0]


def test_a_vae_beside_a_checkpoint_is_opened_with_it_once() -> None:
    plain = ui(
        [
            node(
                1,
                "CheckpointLoaderSimple",
                ["base.safetensors"],
                outs=[["MODEL", "MODEL", [1]], ["CLIP", "CLIP", []], ["VAE", "VAE", []]],
            ),
            node(2, "VAELoader", ["fine.pt"], outs=[["VAE", "VAE", [2]]]),
            node(3, "KSampler", [1, "fixed", 4, 1.0, "euler", "simple", 1.0], ins=[["model", "MODEL", 1]]),
            node(4, "VAEDecode", ins=[["samples", "LATENT", None], ["vae", "VAE", 2]]),
        ],
        [[1, 1, 0, 3, 0, "MODEL"], [2, 2, 0, 4, 1, "VAE"]],
    )
    graph, _ = opened(json.dumps(plain))
    assert [one.parameters for one in graph.nodes.values() if one.type == PARTS] == [
        {"model": "base.safetensors", "vae": "fine.pt"}
    ] * 2
    assert to_api(graph).prompt["1"]["class_type"] == "CheckpointLoaderSimple"
    plain["nodes"][3]["inputs"][1]["link"] = 3
    plain["links"][1] = [3, 1, 2, 4, 1, "VAE"]
    graph, _ = opened(json.dumps(plain))
    of_type(graph, "model/LoadCheckpoint")
