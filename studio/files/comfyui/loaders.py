"""ComfyUI opens a network, its text encoders and its VAE by a node each; ours opens a model in parts, by one.

Each of theirs becomes one of ours all the same, and all of a graph get the same files: equal nodes share what they open, and each gives
the part that its own wires take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from studio.graph.graph import Graph, Node, NodeId, Socket, Value

PARTS: Final = "model/LoadParts"
CHECKPOINT: Final = "model/LoadCheckpoint"
_FILES: Final = ("model", "text_encoder", "text_encoder_2", "text_encoder_3", "vae", "precision")


def join_loaders(graph: Graph) -> Graph:
    """The graph with the files of each loader made known to the others, in it and in its subgraphs."""
    everywhere = [
        one for inside in (graph, *(held.graph for held in graph.subgraphs.values())) for one in inside.nodes.values()
    ]
    network = next((name for node in everywhere if (name := _network(node))), "")
    subgraphs = {id: replace(held, graph=_joined(held.graph, network)) for id, held in graph.subgraphs.items()}
    return replace(_joined(graph, network), subgraphs=subgraphs)


def _joined(graph: Graph, network: str) -> Graph:
    loaders = {id: node for id, node in graph.nodes.items() if node.type == PARTS}
    if not loaders:
        return graph
    files: dict[str, Value] = {}
    for node in (*loaders.values(), *graph.nodes.values()):
        for name in _FILES:
            if name in node.parameters and (node.type == PARTS or (node.type == CHECKPOINT and name == "model")):
                files.setdefault(name, node.parameters[name])
    files.setdefault("model", network)
    nodes: dict[NodeId, Node] = dict(graph.nodes)
    for id, node in loaders.items():
        nodes[id] = replace(node, parameters=_completed(id, node, files, graph))
    used = set(graph.links.values())
    vaes = {node.parameters["vae"] for node in loaders.values() if "vae" in node.parameters}
    if len(vaes) == 1 and not any("model" in node.parameters for node in loaders.values()):
        for id, node in graph.nodes.items():
            if (
                node.type == CHECKPOINT
                and Socket(id, "vae") not in used
                and node.parameters.get("model") == files["model"]
            ):
                nodes[id] = replace(node, type=PARTS, parameters=_completed(id, node, files, graph))
    return replace(graph, nodes=nodes)


def _completed(id: NodeId, node: Node, files: Mapping[str, Value], graph: Graph) -> dict[str, Value]:
    """The node's own values first; what a wire brings is left to the wire."""
    more = {name: value for name, value in files.items() if value and Socket(id, name) not in graph.links}
    return {**more, **node.parameters}


def _network(node: Node) -> str:
    value = node.parameters.get("model") if node.type in (PARTS, CHECKPOINT) else ""
    return value if isinstance(value, str) else ""
