"""What happens to values on their way through a run."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.engine import Engine, RunOptions, RunState
from studio.graph.errors import Cancelled, Misuse
from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.sdk import Image, node, running, value_type
from tests.engine.kit import REGISTRY, Told, graph, registry, run, value


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(REGISTRY)
    yield engine
    engine.close()


def chain(length: int, first: float = 1.0) -> Graph:
    """Numbers, each one more than the one before."""
    nodes = {NodeId(f"n{at}"): Node("test/Add", {"b": 1.0} if at else {"b": first}) for at in range(length)}
    links = {Socket(NodeId(f"n{at}"), "a"): Socket(NodeId(f"n{at - 1}"), "number") for at in range(1, length)}
    return Graph(nodes, links)


def test_values_go_along_the_links(engine: Engine) -> None:
    told = run(engine, graph(x=("Add", {"a": 1.0, "b": 2.0}), y=("Add", {"a": "@x", "b": "@x"})))
    assert told.state is RunState.DONE
    assert value(engine, "y") == 6.0
    assert told.computed == ["x", "y"]


def test_the_second_run_computes_nothing(engine: Engine) -> None:
    run(engine, chain(5))
    told = run(engine, chain(5))
    assert (told.planned, told.computed, told.cached) == (0, [], ["n4"])


def test_a_change_computes_what_depends_on_it_only(engine: Engine) -> None:
    both = graph(a=("Add", {"a": 1.0}), b=("Add", {"a": 2.0}), sum=("Add", {"a": "@a", "b": "@b"}))
    run(engine, both)
    other = graph(a=("Add", {"a": 1.0}), b=("Add", {"a": 5.0}), sum=("Add", {"a": "@a", "b": "@b"}))
    told = run(engine, other)
    assert told.computed == ["b", "sum"]
    assert told.cached == ["a"]
    assert value(engine, "sum") == 6.0


def test_equal_nodes_are_computed_once(engine: Engine) -> None:
    told = run(
        engine, graph(a=("Grey", {}), b=("Grey", {}), c=("Invert", {"image": "@a"}), d=("Invert", {"image": "@b"}))
    )
    assert len(told.computed) == 2


def test_a_run_up_to_a_node_leaves_the_rest(engine: Engine) -> None:
    told = run(engine, chain(5), "n2")
    assert told.computed == ["n0", "n1", "n2"]


def test_a_chain_of_a_hundred_thousand_nodes_runs(engine: Engine) -> None:
    told = run(engine, chain(100_000), told=Told())
    assert told.state is RunState.DONE
    assert value(engine, "n99999") == 100_000.0


def test_a_graph_that_cannot_run_is_refused_and_nothing_is_computed(engine: Engine) -> None:
    told = run(engine, graph(a=("Add", {}), b=("Invert", {})))
    assert [(one.node, one.socket) for one in told.problems] == [("b", "image")]
    assert told.started == []
    assert told.state is None


def test_a_circle_is_refused(engine: Engine) -> None:
    told = run(engine, graph(a=("Add", {"a": "@b"}), b=("Add", {"a": "@a"}), c=("Add", {"a": "@b"})))
    assert [one.kind for one in told.problems] == ["cycle"]


def test_wanting_a_node_that_is_not_there_is_refused(engine: Engine) -> None:
    assert [one.node for one in run(engine, chain(2), "nobody").problems] == ["nobody"]


# Lists


def test_a_list_maps_over_a_node(engine: Engine) -> None:
    run(engine, graph(words=("Words", {"text": "a b c"}), join=("Join", {"first": "@words", "second": "?"})))
    assert value(engine, "join") == ["a?", "b?", "c?"]


def test_lists_of_one_length_go_together_and_a_single_item_goes_with_all(engine: Engine) -> None:
    run(
        engine,
        graph(
            many=("Words", {"text": "a b"}),
            more=("Words", {"text": "x y"}),
            one=("Words", {"text": "z"}),
            pairs=("Join", {"first": "@many", "second": "@more"}),
            same=("Join", {"first": "@one", "second": "@more"}),
        ),
    )
    assert value(engine, "pairs") == ["ax", "by"]
    assert value(engine, "same") == ["zx", "zy"]


def test_lists_of_different_lengths_fail_with_their_lengths(engine: Engine) -> None:
    told = run(
        engine,
        graph(
            two=("Words", {"text": "a b"}),
            three=("Words", {"text": "x y z"}),
            join=("Join", {"first": "@two", "second": "@three"}),
        ),
    )
    failure = told.failures["join"]
    assert failure.socket == "first"
    assert "2 items" in failure.what
    assert "3 items" in failure.what


def test_an_input_that_takes_a_list_gets_it_whole(engine: Engine) -> None:
    run(engine, graph(words=("Words", {"text": "a b c"}), count=("Count", {"items": "@words"})))
    assert value(engine, "count") == 3


def test_lists_of_lists_map_from_the_outside_in(engine: Engine) -> None:
    run(
        engine,
        graph(
            groups=("Groups", {"text": "a b|c"}),
            join=("Join", {"first": "@groups"}),
            counts=("Count", {"items": "@groups"}),
        ),
    )
    assert value(engine, "join") == [["a!", "b!"], ["c!"]]
    assert value(engine, "counts") == [2, 1]


def test_an_empty_list_gives_empty_lists(engine: Engine) -> None:
    run(engine, graph(words=("Words", {"text": ""}), halve=("Halve", {"text": "@words"})))
    assert value(engine, "halve", "left") == []
    assert value(engine, "halve", "right") == []


def test_a_node_cannot_change_a_list_that_others_use() -> None:
    @node("test/Empty")
    def empty(items: list[str]) -> int:
        """Empties its input."""
        items.clear()
        return 0

    engine = Engine(registry(empty))
    run(engine, graph(words=("Words", {"text": "a b"}), empty=("Empty", {"items": "@words"})))
    assert value(engine, "words") == ["a", "b"]


# Lazy inputs


@pytest.mark.parametrize(("first", "ran"), [(True, "left"), (False, "right")])
def test_a_lazy_switch_computes_one_branch_only(engine: Engine, first: bool, ran: str) -> None:
    told = run(
        engine,
        graph(
            left=("Add", {"a": 1.0}),
            right=("Add", {"a": 2.0}),
            switch=("Switch", {"first": "@left", "second": "@right", "take_first": first}),
        ),
    )
    assert told.computed == [ran, "switch"]
    assert value(engine, "switch") == (1.0 if first else 2.0)


def test_a_failing_branch_that_nobody_wants_does_no_harm(engine: Engine) -> None:
    told = run(
        engine,
        graph(bad=("Fail", {}), good=("Add", {"a": 2.0}), switch=("Switch", {"first": "@good", "second": "@bad"})),
        "switch",
    )
    assert told.state is RunState.DONE


def test_what_a_lazy_input_needs_as_well_is_computed_once(engine: Engine) -> None:
    told = run(
        engine,
        graph(
            base=("Steps", {"value": 3.0}),
            early=("Add", {"a": "@base"}),
            late=("Add", {"a": "@base", "b": 1.0}),
            switch=("Switch", {"first": "@late", "second": "@early"}),
            sum=("Add", {"a": "@early", "b": "@switch"}),
        ),
    )
    assert sorted(told.computed) == ["base", "early", "late", "sum", "switch"]
    assert value(engine, "sum") == 7.0


# Failures


def test_a_failing_node_leaves_the_others(engine: Engine) -> None:
    told = run(
        engine,
        graph(bad=("Fail", {}), below=("Add", {"a": "@bad"}), good=("Add", {"a": 1.0}), more=("Add", {"a": "@good"})),
    )
    assert told.state is RunState.FAILED
    assert sorted(told.computed) == ["good", "more"]
    assert list(told.failures) == ["bad"]


def test_a_failure_names_the_node_and_shows_its_own_code_only(engine: Engine) -> None:
    failure = run(engine, graph(bad=("Fail", {}))).failures["bad"]
    assert (failure.node, failure.type) == ("bad", "test/Fail")
    assert "no way" in failure.what
    assert 'raise ZeroDivisionError("no way")' in failure.trace
    assert "executor.py" not in failure.trace


def test_a_wrong_output_names_its_socket() -> None:
    @node("test/Liar")
    def liar() -> float:
        """Promises a number."""
        return "nine"  # type: ignore[return-value]

    failure = run(Engine(registry(liar)), graph(liar=("Liar", {}))).failures["liar"]
    assert failure.socket == "number"


def test_a_node_that_writes_into_its_input_fails_and_the_value_stays(engine: Engine) -> None:
    told = run(engine, graph(grey=("Grey", {"level": 0.25}), bad=("Scribble", {"image": "@grey"})))
    assert told.failures["bad"].socket == "image"
    assert np.all(value(engine, "grey").pixels == np.float32(0.25))


def test_a_broken_fingerprint_fails_its_node_and_no_other() -> None:
    def broken(name: str) -> str:
        return name.nothing  # type: ignore[attr-defined, no-any-return]

    @node("test/Named", fingerprint=broken)
    def named(name: str = "x") -> float:
        """Depends on what a name stands for."""
        return 1.0

    told = run(Engine(registry(named)), graph(bad=("Named", {}), good=("Add", {})))
    assert "nothing" in told.failures["bad"].what
    assert told.computed == ["good"]


def test_a_failed_node_is_tried_again_in_the_next_run(engine: Engine) -> None:
    assert run(engine, graph(bad=("Fail", {}))).failures
    assert run(engine, graph(bad=("Fail", {}))).failures


def test_a_node_may_exit_without_ending_the_run() -> None:
    @node("test/Exit")
    def leave() -> float:
        """Leaves."""
        raise SystemExit(3)

    told = run(Engine(registry(leave)), graph(bad=("Exit", {}), good=("Add", {})))
    assert list(told.failures) == ["bad"]
    assert told.computed == ["good"]


# Cancel and pause


@value_type("Heavy")
class Heavy:
    """Something that must not outlive a cancelled run."""


def test_a_cancelled_run_stops_at_the_next_step_and_frees_its_memory() -> None:
    made: list[weakref.ref[Heavy]] = []

    @node("test/Work")
    def work(value: float = 0.0) -> float:
        """Holds something while it works."""
        heavy = Heavy()
        made.append(weakref.ref(heavy))
        for index in range(1, 1001):
            if index == 3:
                engine.cancel("now")
            running().step(index, 1000)
        return 1.0

    engine = Engine(registry(work))
    told = Told()
    state = engine.run(graph(work=("Work", {}), after=("Add", {"a": 1.0})), [], RunOptions(Path("out")), told, "now")
    assert state is RunState.CANCELLED
    assert told.state is RunState.CANCELLED
    assert told.steps[-1] == ("work", 3, 1000)
    assert told.failures == {}
    gc.collect()
    assert [one() for one in made] == [None]


def test_a_failed_node_frees_its_memory() -> None:
    made: list[weakref.ref[Heavy]] = []

    @node("test/Break")
    def break_down(value: float = 0.0) -> float:
        """Holds something when it fails."""
        heavy = Heavy()
        made.append(weakref.ref(heavy))
        raise ValueError("broken")

    engine = Engine(registry(break_down))
    gc.disable()
    try:
        run(engine, graph(bad=("Break", {})))
        assert [one() for one in made] == [None]
    finally:
        gc.enable()


def test_cancelling_counts_even_where_the_node_turns_it_into_another_error() -> None:
    @node("test/Wrap")
    def wrap() -> float:
        """Hides what it was told."""
        engine.cancel("now")
        try:
            running().checkpoint()
        except Cancelled as cancelled:
            raise RuntimeError("hidden") from cancelled
        return 0.0

    engine = Engine(registry(wrap))
    told = Told()
    assert engine.run(graph(a=("Wrap", {})), [], RunOptions(Path("out")), told, "now") is RunState.CANCELLED
    assert told.failures == {}


def test_a_paused_run_waits_and_goes_on() -> None:
    class Watch(Told):
        def stepped(self, *event: object) -> None:
            super().stepped(*event)  # type: ignore[arg-type]
            if event[1] == 2:
                engine.pause("now")

        def paused(self, node: NodeId, step: int) -> None:
            super().paused(node, step)
            threading.Timer(0.05, engine.resume, ["now"]).start()

        def node_finished(self, node: NodeId, type: str, seconds: float, cached: bool) -> None:
            super().node_finished(node, type, seconds, cached)
            self.seconds = seconds

    engine = Engine(REGISTRY)
    told = Watch()
    began = time.perf_counter()
    state = engine.run(graph(a=("Steps", {"count": 4})), [], RunOptions(Path("out")), told, "now")
    took = time.perf_counter() - began
    assert state is RunState.DONE
    assert told.pauses == [("a", 2)]
    assert told.resumes == 1
    assert [step for _, step, _ in told.steps] == [1, 2, 3, 4]
    assert told.seconds <= took - 0.04


def test_a_run_paused_between_nodes_names_the_next() -> None:
    class Watch(Told):
        def node_finished(self, node: NodeId, type: str, seconds: float, cached: bool) -> None:
            super().node_finished(node, type, seconds, cached)
            if node == "a":
                engine.pause("now")

        def paused(self, node: NodeId, step: int) -> None:
            super().paused(node, step)
            threading.Timer(0.02, engine.resume, ["now"]).start()

    engine = Engine(REGISTRY)
    told = Watch()
    engine.run(graph(a=("Steps", {}), b=("Add", {"a": "@a"})), [], RunOptions(Path("out")), told, "now")
    assert told.pauses == [("b", 0)]
    assert told.computed == ["a", "b"]


def test_a_paused_run_can_be_cancelled() -> None:
    class Watch(Told):
        def stepped(self, *event: object) -> None:
            engine.pause("now")

        def paused(self, node: NodeId, step: int) -> None:
            threading.Timer(0.02, engine.cancel, ["now"]).start()

    engine = Engine(REGISTRY)
    assert engine.run(graph(a=("Steps", {})), [], RunOptions(Path("out")), Watch(), "now") is RunState.CANCELLED


def test_a_run_cancelled_before_it_began_computes_nothing() -> None:
    engine = Engine(REGISTRY)
    engine.announce("next")
    engine.cancel("next")
    told = Told()
    assert engine.run(graph(a=("Add", {})), [], RunOptions(Path("out")), told, "next") is RunState.CANCELLED
    assert told.started == []


# The background


def test_a_save_overlaps_the_next_nodes_work_and_its_error_is_its_own() -> None:
    saving, computing = threading.Event(), threading.Event()

    @node("test/Save", effect=True, background=True)
    def save(image: Image) -> None:
        """Saves slowly, and fails."""
        saving.set()
        assert computing.wait(10)
        raise OSError("disk on fire")

    @node("test/Other")
    def other(value: float = 0.0) -> float:
        """Runs while the save does."""
        assert saving.wait(10)
        computing.set()
        return value

    engine = Engine(registry(save, other))
    told = run(
        engine,
        graph(grey=("Grey", {}), save=("Save", {"image": "@grey"}), other=("Other", {})),
        "save",
        "other",
    )
    assert told.computed == ["grey", "other"]
    assert "disk on fire" in told.failures["save"].what
    assert told.state is RunState.FAILED


# What is let go


def test_values_are_let_go_after_their_last_use() -> None:
    alive: list[weakref.ref[Image]] = []

    @node("test/Make")
    def make(level: float = 0.5) -> Image:
        """A picture larger than the cache."""
        image = Image.solid(64, 64, (level,))
        alive.append(weakref.ref(image.pixels))  # type: ignore[arg-type]
        return image

    @node("test/Level")
    def level(image: Image) -> float:
        """Its brightness."""
        return float(image.pixels.mean())

    @node("test/Look")
    def look(value: float) -> int:
        """How many pictures are still there."""
        gc.collect()
        return sum(one() is not None for one in alive)

    engine = Engine(registry(make, level, look), memory=4000)
    made = graph(
        make=("Make", {}), level=("Level", {"image": "@make.image"}), look=("Look", {"value": "@level.number"})
    )
    run(engine, made)
    assert len(alive) == 1
    assert value(engine, "look") == 0
    with pytest.raises(Misuse):
        value(engine, "make")
