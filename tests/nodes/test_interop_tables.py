"""Every row of the tables for other programs leads to a node that we have, with sockets and values that it has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from studio.files.comfyui.classes import facts_of, widget_names
from studio.files.comfyui.counterparts import Row, rows_of
from studio.files.comfyui.to_api import to_api
from studio.files.foreign import read_foreign
from studio.graph.check import value_problems
from studio.graph.graph import NodeId
from studio.graph.spec import Catalog, Options
from studio.resources import resource
from studio.sdk.registry import load_builtin

CLASSES = [name for name in json.loads(resource("interop", "comfyui_nodes.json").read_bytes()) if name != "values"]
ROWS = [
    row
    for name in CLASSES
    for row in rows_of(name)
    if (name, row.type) != ("CheckpointLoaderSimple", "model/LoadParts")
]
"""All but the row that only `join_loaders` chooses."""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_builtin().catalog()


def sample_values(row: Row) -> dict[str, Any]:
    """Values of a node that this row fits: ComfyUI's defaults, or what the row asks for."""
    values = {name: held[0] for name, held in row.when.items()}
    for name, widget in widget_names(row.source).items():
        if widget.has_default and not widget.branches and not (name.count(".") and name not in row.inputs):
            values.setdefault(name, widget.default)
    return values


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.source}-{row.type}")
def test_a_row_fits_our_node_and_leads_back(row: Row, catalog: Catalog) -> None:
    spec = catalog.specs[row.type]
    for name, place in row.inputs.items():
        declared = spec.inputs_by_name.get(place.to)
        assert declared is not None, f"{row.type} has no {place.to}, to which {name} leads"
        if place.values and isinstance(declared.control, Options):
            assert set(place.values.values()) <= set(declared.control.choices), name
    for name, value in row.set.items():
        assert not list(value_problems(NodeId("x"), spec.inputs_by_name[name], value)), name
    assert {name for name in row.outputs if name} <= set(spec.outputs_by_name)
    known = facts_of(row.source)
    assert len(row.outputs) <= max(len(known.outputs), 1) or not known.outputs

    values = sample_values(row)
    plain = {"7": {"class_type": row.source, "inputs": values}}
    read = read_foreign(plain)
    assert read is not None
    workflow, report = read
    assert report.unmapped == 0, report.placeholders
    node = next(iter(workflow.graph.nodes.values()))
    assert node.type == row.type
    for name, value in node.parameters.items():
        declared = spec.inputs_by_name[name]
        problems = [one.what for one in value_problems(NodeId("x"), declared, value)]
        assert not problems, problems
    if row.type != "graph/Reroute":
        back = to_api(workflow.graph).prompt["7"]
        assert back["class_type"] == row.source
        assert {name: back["inputs"].get(name) for name in values} == values


INVOKE = [
    row
    for name in json.loads(resource("interop", "invokeai_nodes.json").read_bytes())
    for row in rows_of(name, "invokeai")
]


@pytest.mark.parametrize("row", INVOKE, ids=lambda row: row.source)
def test_a_row_of_invokeai_fits_our_node(row: Row, catalog: Catalog) -> None:
    spec = catalog.specs[row.type]
    for place in row.inputs.values():
        declared = spec.inputs_by_name[place.to]
        if place.values and isinstance(declared.control, Options):
            assert set(place.values.values()) <= set(declared.control.choices)
    assert {name for name in row.outputs if name} <= set(spec.outputs_by_name)
    assert set(row.set) <= set(spec.inputs_by_name)
