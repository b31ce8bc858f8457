"""InvokeAI's editor workflows open; what has a counterpart becomes ours, the rest is kept."""

from __future__ import annotations

import json
from typing import Any

from studio.graph.graph import NodeId, Socket
from tests.files.comfyui.small import of_type, opened


def invocation(id: str, type: str, label: str = "", **values: object) -> dict[str, Any]:
    inputs = {
        name: {"name": name, "label": "", **({} if value is None else {"value": value})}
        for name, value in values.items()
    }
    data = {
        "id": id,
        "type": type,
        "version": "1.0.0",
        "nodePack": "invokeai",
        "label": label,
        "isOpen": True,
        "inputs": inputs,
    }
    return {"id": id, "type": "invocation", "position": {"x": 10, "y": 20}, "data": data}


def edge(source: str, out: str, target: str, into: str, kind: str = "default") -> dict[str, str]:
    return {
        "id": f"{source}{out}",
        "type": kind,
        "source": source,
        "sourceHandle": out,
        "target": target,
        "targetHandle": into,
    }


WORKFLOW = {
    "name": "A house", "author": "", "meta": {"version": "3.0.0", "category": "user"}, "exposedFields": [],
    "nodes": [
        invocation("a", "main_model_loader", model={"key": "k", "name": "Dream", "base": "sd-1", "type": "main"}),
        invocation("b", "compel", "Prompt", prompt="a red house", clip=None, mask=None),
        invocation("c", "denoise_latents", steps=30, positive_conditioning=None),
        invocation("d", "l2i", latents=None, vae=None, tiled=False),
        {"id": "n", "type": "notes", "position": {"x": 1, "y": 2}, "data": {"label": "", "notes": "Hello"}},
    ],
    "edges": [
        edge("a", "clip", "b", "clip"), edge("b", "conditioning", "c", "positive_conditioning"), edge("c", "latents", "d", "latents"),
        edge("a", "vae", "d", "vae"), edge("a", "x", "b", "x", "collapsed"), edge("zz", "x", "b", "y"),
    ],
}  # fmt: skip


def test_a_workflow_opens_with_its_names_and_wires() -> None:
    graph, report = opened(json.dumps(WORKFLOW))
    prompt, held = of_type(graph, "text/EncodePrompt")
    assert (held.title, held.parameters, held.position) == ("Prompt", {"text": "a red house"}, (10.0, 20.0))
    assert graph.links[Socket(prompt, "text_encoder")] == Socket(NodeId("load_checkpoint"), "text_encoder")
    assert of_type(graph, "model/LoadCheckpoint")[1].parameters == {"model": "Dream"}
    denoise, odd = of_type(graph, "invokeai/denoise_latents")
    assert odd.parameters == {"steps": 30}
    assert graph.links[Socket(denoise, "positive_conditioning")] == Socket(prompt, "conditioning")
    assert graph.links[Socket(NodeId("decode"), "latent")] == Socket(denoise, "latents")
    assert [one.text for one in graph.notes.values()] == ["Hello"]
    assert (report.program, report.exact, report.unmapped) == ("InvokeAI", 4, 1)
    assert any("left out" in note for note in report.notes)
