"""All nodes that this process can run, by type."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType

from studio.graph.errors import DeclarationError
from studio.graph.spec import STRUCTURAL, Catalog
from studio.sdk.definition import DEFINITION, NodeDefinition


class Registry:
    """Node definitions by type."""

    def __init__(self) -> None:
        self._definitions: dict[str, NodeDefinition] = {}

    def add(self, definition: NodeDefinition) -> None:
        """Raises `DeclarationError` where the type is taken."""
        type = definition.spec.type
        taken = self._definitions.get(type)
        if taken is not None or any(type == spec.type for spec in STRUCTURAL):
            owner = taken.spec.package if taken is not None else "the graph itself"
            raise DeclarationError(
                f"There is a node type '{type}' already; it comes from {owner}.",
                where=definition.function.__qualname__,
                mend="Give the node another type.",
            )
        self._definitions[type] = definition

    def add_all(self, definitions: Iterable[NodeDefinition]) -> None:
        """All of them, or none where one is refused. Raises `DeclarationError`."""
        before = dict(self._definitions)
        try:
            for definition in definitions:
                self.add(definition)
        except DeclarationError:
            self._definitions = before
            raise

    def get(self, type: str) -> NodeDefinition | None:
        """The definition of a node type, or None where nothing offers it."""
        return self._definitions.get(type)

    def __iter__(self) -> Iterator[NodeDefinition]:
        return iter(self._definitions.values())

    def __len__(self) -> int:
        return len(self._definitions)

    def __contains__(self, type: object) -> bool:
        return type in self._definitions

    def catalog(self) -> Catalog:
        """The specs of all nodes. The fingerprint changes with their code and declarations."""
        specs = [definition.spec for definition in self._definitions.values()]
        digest = hashlib.blake2b(digest_size=16)
        for spec in sorted(specs, key=lambda one: one.type):
            digest.update(repr((spec.type, spec.version, spec.package, spec.code)).encode())
        return Catalog.of(specs, digest.hexdigest())


def definitions_in(module: ModuleType) -> list[NodeDefinition]:
    """The nodes that a module declares itself, in their order; those it only imports do not count."""
    found = (getattr(value, DEFINITION, None) for value in vars(module).values())
    return [one for one in found if isinstance(one, NodeDefinition) and one.function.__module__ == module.__name__]


def load_builtin() -> Registry:
    """A registry of the nodes that come with the program: all modules of the package `nodes`."""
    package = importlib.import_module("nodes")
    registry = Registry()
    for found in sorted(pkgutil.walk_packages(package.__path__, "nodes."), key=lambda one: one.name):
        for definition in definitions_in(importlib.import_module(found.name)):
            registry.add(definition)
    return registry
