"""What outlives a run: results after a restart, effects, locks."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from studio.engine import Engine, RunState, Store
from studio.graph.errors import Misuse, UnknownNode, UnknownSocket
from studio.graph.graph import REROUTE, Graph, Mode, Node, NodeId, Port, Socket, Subgraph, SubgraphId, subgraph_type
from studio.sdk import node
from tests.engine.kit import REGISTRY, graph, registry, run, stored, value

PICTURES = graph(grey=("Grey", {"level": 0.125, "size": 64}), inverted=("Invert", {"image": "@grey"}))

PROGRAM = """
import hashlib, json, sys
from pathlib import Path
from tests.engine.kit import run, stored, value
from tests.engine.test_engine import PICTURES
engine = stored(Path(sys.argv[1]))
told = run(engine, PICTURES, "inverted")
pixels = hashlib.sha256(value(engine, "inverted").pixels.tobytes()).hexdigest()
engine.close()
print(json.dumps({"computed": told.computed, "cached": told.cached, "pixels": pixels}))
"""


def in_new_process(folder: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_a_new_process_computes_nothing_and_has_the_same_bytes(tmp_path: Path) -> None:
    first, second = in_new_process(tmp_path), in_new_process(tmp_path)
    assert first["computed"] == ["grey", "inverted"]
    assert second["computed"] == []
    assert second["cached"] == ["inverted"]
    assert first["pixels"] == second["pixels"]


def test_a_damaged_stored_result_is_computed_again(tmp_path: Path) -> None:
    engine = stored(tmp_path)
    run(engine, PICTURES, "inverted")
    digest = hashlib.sha256(value(engine, "inverted").pixels.tobytes()).digest()
    engine.close()
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-9])
    engine = stored(tmp_path)
    below = Graph(
        {**PICTURES.nodes, NodeId("again"): Node("test/Invert")},
        {**PICTURES.links, Socket(NodeId("again"), "image"): Socket(NodeId("inverted"), "image")},
    )
    told = run(engine, below)
    assert told.state is RunState.DONE
    assert sorted(told.computed) == ["again", "grey", "inverted"]
    assert hashlib.sha256(value(engine, "inverted").pixels.tobytes()).digest() == digest
    engine.close()


def test_a_cheap_result_on_the_way_takes_no_file(tmp_path: Path) -> None:
    engine = stored(tmp_path)
    nodes = {NodeId(f"n{at}"): Node("test/Add", {"b": float(at)}) for at in range(50)}
    links = {Socket(NodeId(f"n{at}"), "a"): Socket(NodeId(f"n{at - 1}"), "number") for at in range(1, 50)}
    run(engine, Graph(nodes, links))
    engine.close()
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_result_that_took_long_to_make_is_stored_though_nobody_asked_for_it(tmp_path: Path) -> None:
    @node("test/Slow")
    def slow() -> float:
        """Takes its time."""
        time.sleep(0.05)
        return 1.0

    slowly = graph(slow=("Slow", {}), more=("Add", {"a": "@slow.number"}))
    for computed in (["slow", "more"], ["more"]):
        engine = Engine(registry(slow), Store(tmp_path))
        assert run(engine, slowly).computed == computed
        engine.close()


# Effects


WRITING = graph(text=("Join", {"first": "hello"}), write=("Write", {"text": "@text"}))


def test_an_effect_is_done_once_as_long_as_its_file_stands(tmp_path: Path) -> None:
    engine, out = stored(tmp_path / "store"), tmp_path / "out"
    assert run(engine, WRITING, out=out).computed == ["text", "write"]
    again = run(engine, WRITING, out=out)
    assert (again.computed, again.cached) == ([], ["write"])
    assert again.files == [out / "text.txt"]
    engine.close()
    restarted = run(stored(tmp_path / "store"), WRITING, out=out)
    assert (restarted.computed, restarted.files) == ([], [out / "text.txt"])


@pytest.mark.parametrize("harm", ["gone", "altered"])
def test_an_effect_whose_file_does_not_stand_is_done_again(tmp_path: Path, harm: str) -> None:
    engine, out = stored(tmp_path / "store"), tmp_path / "out"
    run(engine, WRITING, out=out)
    file = out / "text.txt"
    if harm == "gone":
        file.unlink()
    else:
        file.write_text("something else", encoding="utf-8")
    assert run(engine, WRITING, out=out).computed == ["write"]
    assert file.read_text(encoding="utf-8") == "hello!"


def test_another_folder_means_another_effect_but_nothing_above_it_runs(tmp_path: Path) -> None:
    engine = stored(tmp_path / "store")
    run(engine, WRITING, out=tmp_path / "one")
    engine.close()
    told = run(stored(tmp_path / "store"), WRITING, out=tmp_path / "two")
    assert told.computed == ["write"]
    assert (tmp_path / "two" / "text.txt").read_text(encoding="utf-8") == "hello!"


def test_an_effect_that_leaves_no_file_is_done_every_time(tmp_path: Path) -> None:
    @node("test/Ring", effect=True)
    def ring(value: float = 0.0) -> None:
        """Rings a bell."""

    engine = Engine(registry(ring), Store(tmp_path))
    assert run(engine, graph(ring=("Ring", {}))).computed == ["ring"]
    assert run(engine, graph(ring=("Ring", {}))).computed == ["ring"]


def test_without_wanted_nodes_effects_run_and_nothing_else(tmp_path: Path) -> None:
    both = graph(idle=("Add", {}), text=("Join", {"first": "a"}), write=("Write", {"text": "@text"}))
    assert run(stored(tmp_path / "store"), both, out=tmp_path).computed == ["text", "write"]


def test_a_volatile_node_and_what_needs_it_run_every_time(tmp_path: Path) -> None:
    @node("test/Now", volatile=True)
    def now() -> float:
        """The time."""
        return 1.0

    engine = Engine(registry(now), Store(tmp_path))
    clock = graph(still=("Add", {}), now=("Now", {}), later=("Add", {"a": "@now.number", "b": "@still"}))
    assert sorted(run(engine, clock).computed) == ["later", "now", "still"]
    assert sorted(run(engine, clock).computed) == ["later", "now"]


# Locks


@pytest.fixture
def locked(tmp_path: Path) -> tuple[Path, Graph]:
    """A store, and a graph whose first node is locked to a result that its parameters would not give now."""
    engine = stored(tmp_path)
    run(engine, PICTURES)
    lock = engine.lock(NodeId("grey"))
    engine.close()
    nodes = {**PICTURES.nodes, NodeId("grey"): Node("test/Grey", {"level": 0.75}, locked=lock)}
    return tmp_path, Graph(nodes, PICTURES.links)


def test_a_locked_node_gives_what_was_kept(locked: tuple[Path, Graph]) -> None:
    folder, graph = locked
    engine = stored(folder)
    run(engine, graph)
    assert value(engine, "grey").pixels.mean() == pytest.approx(0.125)
    assert value(engine, "inverted").pixels.mean() == pytest.approx(0.875)


def test_a_locked_node_needs_neither_its_type_nor_what_is_above_it(locked: tuple[Path, Graph]) -> None:
    folder, graph = locked
    lock = graph.nodes[NodeId("grey")].locked
    nodes = {
        NodeId("bad"): Node("test/Fail"),
        NodeId("gone"): Node("nobody/Knows", locked=lock),
        NodeId("after"): Node("test/Invert"),
    }
    links = {
        Socket(NodeId("gone"), "image"): Socket(NodeId("bad"), "number"),
        Socket(NodeId("after"), "image"): Socket(NodeId("gone"), "image"),
    }
    engine = stored(folder)
    told = run(engine, Graph(nodes, links))
    assert told.problems == []
    assert told.state is RunState.DONE
    assert value(engine, "after").pixels.mean() == pytest.approx(0.875)


def test_a_lock_whose_result_is_not_here_fails_and_says_what_to_do(tmp_path: Path) -> None:
    nodes = {NodeId("grey"): Node("test/Grey", locked="ab" * 16)}
    told = run(stored(tmp_path), Graph(nodes))
    assert "Unlock" in told.failures["grey"].mend


def test_a_locked_node_without_the_output_that_a_link_names_fails(locked: tuple[Path, Graph]) -> None:
    folder, whole = locked
    lock = whole.nodes[NodeId("grey")].locked
    nodes = {NodeId("gone"): Node("nobody/Knows", locked=lock), NodeId("after"): Node("test/Invert")}
    links = {Socket(NodeId("after"), "image"): Socket(NodeId("gone"), "other")}
    told = run(stored(folder), Graph(nodes, links))
    assert "no output 'other'" in told.failures["gone"].what
    assert told.state is RunState.FAILED


def test_what_was_not_computed_cannot_be_locked(tmp_path: Path) -> None:
    engine = stored(tmp_path)
    run(engine, graph(a=("Add", {}), b=("Fail", {"value": "@a"})))
    with pytest.raises(Misuse):
        engine.lock(NodeId("b"))
    with pytest.raises(UnknownNode):
        engine.lock(NodeId("c"))


# Values


def test_a_value_is_asked_for_by_node_and_output() -> None:
    engine = Engine(REGISTRY)
    run(engine, graph(halve=("Halve", {"text": "abcd"})))
    assert engine.value(NodeId("halve"), "right") == "cd"
    with pytest.raises(UnknownSocket):
        engine.value(NodeId("halve"), "middle")


# Graphs that unfold


def test_nodes_of_a_subgraph_run_and_an_instance_can_be_wanted() -> None:
    inner = graph(x=("Add", {"a": 1.0}), y=("Add", {"a": "@x"}))
    double = Subgraph(
        "Plus",
        inner,
        (Port("by", (Socket(NodeId("y"), "b"),)),),
        (Port("number", (Socket(NodeId("y"), "number"),)),),
    )
    whole = Graph(
        {
            NodeId("one"): Node(subgraph_type(SubgraphId("plus")), {"by": 2.0}),
            NodeId("two"): Node("test/Add", {"b": 10.0}),
        },
        {Socket(NodeId("two"), "a"): Socket(NodeId("one"), "number")},
        subgraphs={SubgraphId("plus"): double},
    )
    engine = Engine(REGISTRY)
    assert run(engine, whole, "one").computed == ["one/x", "one/y"]
    assert run(engine, whole).computed == ["two"]
    assert value(engine, "two") == 13.0
    changed = replace(whole, nodes={**whole.nodes, NodeId("one"): Node(subgraph_type(SubgraphId("plus")), {"by": 3.0})})
    assert run(engine, changed).computed == ["one/y", "two"]
    assert value(engine, "two") == 14.0


def test_bends_and_bypassed_nodes_pass_on_and_can_be_wanted() -> None:
    nodes = {
        NodeId("grey"): Node("test/Grey"),
        NodeId("bend"): Node(REROUTE),
        NodeId("skipped"): Node("test/Invert", mode=Mode.BYPASSED),
        NodeId("last"): Node("test/Invert"),
    }
    links = {
        Socket(NodeId("bend"), "value"): Socket(NodeId("grey"), "image"),
        Socket(NodeId("skipped"), "image"): Socket(NodeId("bend"), "value"),
        Socket(NodeId("last"), "image"): Socket(NodeId("skipped"), "image"),
    }
    engine = Engine(REGISTRY)
    assert run(engine, Graph(nodes, links), "skipped").computed == ["grey"]
    assert run(engine, Graph(nodes, links)).computed == ["last"]


def test_muted_nodes_and_what_needs_them_stay_out() -> None:
    nodes = {
        NodeId("a"): Node("test/Add", mode=Mode.MUTED),
        NodeId("b"): Node("test/Add"),
        NodeId("c"): Node("test/Add"),
    }
    links = {Socket(NodeId("b"), "a"): Socket(NodeId("a"), "number")}
    engine = Engine(REGISTRY)
    assert run(engine, Graph(nodes, links)).computed == ["c"]
    assert [one.node for one in run(engine, Graph(nodes, links), "b").problems] == ["b"]
