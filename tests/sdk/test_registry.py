"""All nodes by type, and the built-in ones."""

from __future__ import annotations

import pytest

from studio.graph.codec import decode, encode
from studio.graph.errors import DeclarationError
from studio.graph.spec import Catalog, Options
from studio.sdk import node
from studio.sdk.definition import definition_of
from studio.sdk.registry import Registry, load_builtin


@node("test/One")
def one() -> int:
    return 1


@node("test/Two")
def two() -> int:
    return 2


def test_a_type_is_taken_once() -> None:
    registry = Registry()
    registry.add(definition_of(one))
    with pytest.raises(DeclarationError, match="'test/One' already"):
        registry.add(definition_of(one))
    with pytest.raises(DeclarationError, match="'test/One' already"):
        registry.add_all([definition_of(two), definition_of(one)])
    assert "test/Two" not in registry


def test_the_graphs_own_types_are_taken() -> None:
    @node("graph/Reroute")
    def reroute() -> int:
        return 1

    with pytest.raises(DeclarationError, match="the graph itself"):
        Registry().add(definition_of(reroute))


def test_the_fingerprint_changes_with_what_is_in_the_catalog() -> None:
    first, both = Registry(), Registry()
    first.add(definition_of(one))
    both.add_all([definition_of(two), definition_of(one)])
    assert first.catalog().fingerprint != both.catalog().fingerprint
    again = Registry()
    again.add_all([definition_of(one), definition_of(two)])
    assert again.catalog().fingerprint == both.catalog().fingerprint


def test_the_built_in_catalog_crosses_the_seam() -> None:
    catalog = load_builtin().catalog()
    assert decode(Catalog, encode(catalog)) == catalog


def test_every_built_in_node_is_described() -> None:
    for definition in load_builtin():
        spec = definition.spec
        assert spec.doc.endswith("."), spec.type
        assert spec.code, spec.type
        assert spec.package == "wirelight", spec.type
        for parameter in spec.parameters:
            plain_choice = isinstance(parameter.control, Options)
            assert parameter.doc or plain_choice or len(spec.inputs) == 1, f"{spec.type}.{parameter.name}"
