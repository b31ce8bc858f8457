"""Models that a workflow names and that are not in the library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from studio.graph.errors import ModelMissing
from studio.graph.graph import Graph, Mode, Node, NodeId, Socket
from studio.graph.spec import Catalog, ModelField
from studio.library import models

_WEIGHTS: Final = (".safetensors", ".ckpt", ".pt", ".pth", ".gguf", ".sft", ".onnx")


@dataclass(frozen=True, slots=True)
class MissingModel:
    """A model that a node asks for. `kind` is empty where the node is a placeholder, `mend` says where to put the file."""

    node: str
    name: str
    kind: str = ""
    what: str = ""
    mend: str = ""


def missing_models(graph: Graph, catalog: Catalog) -> list[MissingModel]:
    """Every model that the graph and its subgraphs name, and that the library does not hold under this name, or holds several of.

    Nodes that take no part in a run are passed over. Of placeholders, values that end as the name of a weights file are taken.
    """
    found: dict[tuple[str, str], MissingModel] = {}
    for path, inside in (("", graph), *((f"{id}/", one.graph) for id, one in graph.subgraphs.items())):
        for id, node in inside.nodes.items():
            for name, kind in _named(inside, id, node, catalog):
                if (name, kind) not in found and (one := _look(f"{path}{id}", name, kind)) is not None:
                    found[name, kind] = one
    return list(found.values())


def _named(graph: Graph, id: NodeId, node: Node, catalog: Catalog) -> Iterator[tuple[str, str]]:
    if node.mode is not Mode.ACTIVE:
        return
    spec = catalog.get(node.type)
    if spec is None:
        for value in node.parameters.values():
            if isinstance(value, str) and value.lower().endswith(_WEIGHTS) and "\n" not in value:
                yield value, ""
        return
    for one in spec.parameters:
        if isinstance(one.control, ModelField) and Socket(id, one.name) not in graph.links:
            value = node.parameters.get(one.name, one.default)
            if isinstance(value, str) and value:
                yield value, one.control.kind


def _look(node: str, name: str, kind: str) -> MissingModel | None:
    if kind:
        try:
            models.resolve(name, kind)
        except ModelMissing as error:
            return MissingModel(node, name, kind, error.what, error.mend)
        return None
    last = PurePosixPath(name.replace("\\", "/")).name.casefold()
    if any(PurePosixPath(entry.name).name.casefold() == last for entry in models.find_models()):
        return None
    return MissingModel(node, name, what="There is no model of this name in the library.")
