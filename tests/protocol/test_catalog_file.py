"""The kept catalog: the same one again, or none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from studio.protocol.catalog_file import read_catalog, read_specs, write_catalog
from studio.protocol.messages import CatalogSent
from tests.graph.catalog import CATALOG

SENT = CatalogSent(CATALOG, (("Broken", "It has no plugin.toml."),))


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "not there yet" / "catalog.json"
    assert write_catalog(file, SENT)
    assert read_catalog(file) == SENT
    assert read_specs(file) == SENT.catalog
    assert [one.name for one in file.parent.iterdir()] == ["catalog.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}', '{"version": 1, "sent": {}}', "[" * 50_000])
def test_a_damaged_one_counts_as_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "catalog.json"
    file.write_text(text)
    assert read_catalog(file) is None
    assert read_specs(file) is None


def test_a_node_type_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    write_catalog(file, SENT)
    plain = json.loads(file.read_text())
    plain["sent"]["catalog"]["specs"]["image/Blur"]["title"] = 3
    file.write_text(json.dumps(plain))
    kept = read_specs(file)
    assert kept is not None
    assert kept.get("image/Blur") is None
    assert kept.get("image/Load") == CATALOG.get("image/Load")
    assert set(kept.specs) == set(CATALOG.specs) - {"image/Blur"}
    assert len(kept.specs) == len(CATALOG.specs) - 1


def test_without_one_there_is_none(tmp_path: Path) -> None:
    assert read_catalog(tmp_path / "catalog.json") is None
    assert read_catalog(tmp_path) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_place_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert not write_catalog(tmp_path / "catalog.json", SENT)


def test_a_place_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not write_catalog(tmp_path / "file" / "catalog.json", SENT)
