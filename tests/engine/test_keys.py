"""Equal keys mean equal results: what counts, and what does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.engine.contents import FileContents
from studio.engine.keys import KeyMaker, canonical, fed_by, lock_key
from studio.engine.plan import Planner
from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.graph.spec import Input, NodeSpec, Number, Output, TextField
from studio.graph.types import ANY, FLOAT, IMAGE, INT, TEXT, list_of
from tests.engine.kit import REGISTRY, graph
from tests.strategies import values

SPEC = NodeSpec(
    "test/Node",
    "Node",
    inputs=(
        Input("image", IMAGE),
        Input("mask", IMAGE, optional=True),
        Input("amount", FLOAT, control=Number(), default=1.0),
        Input("count", INT, control=Number(), default=2),
        Input("text", TEXT, control=TextField(), default=""),
    ),
    outputs=(Output("image", IMAGE),),
    code="abc",
)
FED = {"image": fed_by(KeyMaker(SPEC).key({}, {}), "image")}


def key(parameters: dict[str, Any], inputs: dict[str, bytes] | None = None, spec: NodeSpec = SPEC) -> bytes:
    return KeyMaker(spec).key(parameters, FED if inputs is None else inputs)


def test_an_explicit_default_equals_an_absent_one() -> None:
    assert key({"amount": 1.0, "count": 2, "text": ""}) == key({})


def test_a_number_counts_as_its_socket_takes_it() -> None:
    assert key({"amount": 1}) == key({"amount": 1.0}) == key({"amount": True})
    assert canonical(1, FLOAT) == canonical(1.0, FLOAT)
    assert canonical(1, ANY) != canonical(1.0, ANY) != canonical(True, ANY)
    assert canonical([1, 2.0], list_of(FLOAT)) == canonical([1.0, 2], list_of(FLOAT))


def test_a_linked_parameter_counts_by_its_link_alone() -> None:
    linked = {**FED, "amount": FED["image"]}
    assert key({"amount": 3.0}, linked) == key({"amount": 4.0}, linked) != key({"amount": 3.0})


def test_each_part_of_the_declaration_and_every_input_counts() -> None:
    other = fed_by(KeyMaker(SPEC).key({"amount": 2.0}, {}), "image")
    variants = [
        key({}),
        key({}, spec=replace(SPEC, type="test/Other")),
        key({}, spec=replace(SPEC, version=2)),
        key({}, spec=replace(SPEC, code="abd")),
        key({}, spec=replace(SPEC, package="plugin")),
        key({}, {"image": other}),
        key({}, {"image": FED["image"] + b"2"}),
        key({}, {"mask": FED["image"]}),
        key({}, {**FED, "mask": FED["image"]}),
        key({}, {**FED, "amount": FED["image"]}),
        KeyMaker(SPEC).key({}, FED, {"file": "x"}),
        KeyMaker(SPEC).key({}, FED, {"text": "x"}),
        key({"text": "x"}),
    ]
    assert len(set(variants)) == len(variants)


@given(st.floats(allow_nan=False), st.integers(), st.text(), st.sampled_from(["amount", "count", "text"]), st.data())
def test_every_change_of_a_parameter_changes_the_key(
    amount: float, count: int, text: str, name: str, data: st.DataObject
) -> None:
    held: dict[str, Any] = {"amount": amount, "count": count, "text": text}
    kinds = {"amount": st.floats(allow_nan=False), "count": st.integers(), "text": st.text()}
    new = data.draw(kinds[name].filter(lambda one: canonical(one, ANY) != canonical(held[name], ANY)))
    assert key(held) != key({**held, name: new})


def plain(value: object) -> object:
    """Comparable, and strict about types: 1, 1.0 and True differ; so do -0.0 and 0.0."""
    return json.dumps(value, sort_keys=True)


@given(values(), values())
def test_canonical_bytes_are_equal_for_equal_values_only(one: object, other: object) -> None:
    assert (canonical(one, ANY) == canonical(other, ANY)) == (plain(one) == plain(other))


def test_values_nested_deeply_have_a_key() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    assert len(canonical(value, ANY)) > 100_000


def test_numbers_of_any_size_have_a_key() -> None:
    sizes = [canonical(value, FLOAT) for value in (10**400, 10**400 + 1, 10**5000, -(10**5000))]
    assert len(set(sizes)) == 4


def test_a_lock_is_a_key_or_nothing() -> None:
    made = KeyMaker(SPEC).key({}, {})
    assert lock_key(made.hex()) == made
    assert [lock_key(text) for text in ("", "xyz", "0f3a", made.hex()[:-1], made.hex() + "00")] == [None] * 5


# Of whole graphs


def keys(graph: Graph, out: Path = Path("out")) -> dict[str, bytes]:
    planner = Planner(REGISTRY, FileContents())
    planner.prepare(graph, out)
    return {id: task.key for id, task in planner.tasks.items()}


def sample() -> Graph:
    return graph(
        a=("Add", {"a": 1.0}),
        b=("Add", {"a": "@a", "b": 2}),
        c=("Add", {"a": "@a", "b": "@b"}),
        words=("Words", {"text": "x y"}),
        join=("Join", {"first": "@words"}),
    )


@given(st.permutations(["a", "b", "c", "words", "join"]), st.text("pqr", min_size=1), st.floats(-9, 9))
def test_ids_order_places_and_titles_do_not_count(order: list[str], prefix: str, place: float) -> None:
    plain_graph = sample()
    moved = Graph(
        {
            NodeId(prefix + id): replace(
                plain_graph.nodes[NodeId(id)], title=prefix, position=(place, place), color="#000000"
            )
            for id in order
        },
        {
            Socket(NodeId(prefix + end.node), end.name): Socket(NodeId(prefix + start.node), start.name)
            for end, start in reversed(plain_graph.links.items())
        },
    )
    before, after = keys(plain_graph), keys(moved)
    assert {prefix + id: key for id, key in before.items()} == after


def test_a_change_reaches_all_below_and_nothing_else() -> None:
    changed = sample()
    nodes = {**changed.nodes, NodeId("b"): Node("test/Add", {"b": 3})}
    before, after = keys(sample()), keys(Graph(nodes, changed.links))
    assert {id for id in before if before[id] != after[id]} == {"b", "c"}


PROGRAM = """
import json, sys
from tests.engine.test_keys import keys, sample
print(json.dumps({id: key.hex() for id, key in keys(sample()).items()}))
"""


def test_another_process_makes_the_same_keys() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env=environment,
    )
    assert json.loads(done.stdout) == {id: key.hex() for id, key in keys(sample()).items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("one", encoding="utf-8")
    return path


def test_a_file_counts_by_its_content_not_its_name(file: Path) -> None:
    def of(path: Path) -> bytes:
        return keys(graph(read=("Read", {"path": str(path)})))["read"]

    before = of(file)
    other = file.with_name("other.txt")
    other.write_bytes(file.read_bytes())
    assert of(other) == before
    file.write_text("two", encoding="utf-8")
    assert of(file) != before


def test_a_file_that_a_link_names_is_read_anew_in_every_run(file: Path) -> None:
    named = graph(words=("Join", {"first": str(file)[:-1], "second": str(file)[-1]}), read=("Read", {"path": "@words"}))
    assert keys(named)["words"] == keys(named)["words"]
    assert keys(named)["read"] != keys(named)["read"]


def test_an_effect_counts_its_folder_and_nothing_above_it_does(tmp_path: Path) -> None:
    writing = graph(text=("Join", {"first": "a"}), write=("Write", {"text": "@text"}))
    here, there = keys(writing, tmp_path / "here"), keys(writing, tmp_path / "there")
    assert here["text"] == there["text"]
    assert here["write"] != there["write"]


def test_a_lock_stands_for_the_key() -> None:
    locked = sample()
    lock = keys(locked)["a"].hex()[::-1]
    nodes = {**locked.nodes, NodeId("b"): replace(locked.nodes[NodeId("b")], locked=lock)}
    before, after = keys(locked), keys(Graph(nodes, locked.links))
    assert after["b"].hex() == lock
    assert before["c"] != after["c"]
