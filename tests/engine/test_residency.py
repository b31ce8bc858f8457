"""Weights on a device of limited memory: what stays, what goes, and what happens when nothing fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from weakref import WeakSet

import pytest

from studio.engine import Engine, RunOptions, RunState
from studio.engine.residency import Residency
from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.sdk import Model, ModelPicker, Resident, node, running
from studio.sdk.registry import Registry
from tests.engine.kit import Told, graph, run

GPU = "cuda:0"


class Full(RuntimeError):
    """What the fake device raises when it is full."""


class Numbers:
    def __init__(self, count: int) -> None:
        self.count = count

    def numel(self) -> int:
        return self.count

    def element_size(self) -> int:
        return 1


class Card:
    """A device, and a computer, with so many bytes; weights and scratch memory are taken from it."""

    def __init__(self, size: int, ram: int = 10**9) -> None:
        self.sizes = {GPU: size, "cpu": ram}
        self.weights: WeakSet[Weights] = WeakSet()
        self.scratch = 0
        self.releases = 0

    def taken(self, device: str) -> int:
        return sum(one.size for one in self.weights if one.device == device) + (self.scratch if device == GPU else 0)

    def take(self, device: str, bytes: int) -> None:
        if self.taken(device) + bytes > self.sizes[device]:
            raise Full(f"{bytes} bytes")

    def free(self, device: str) -> int | None:
        return self.sizes[device] - self.taken(device)

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, Full)

    def release(self, device: str) -> None:
        self.releases += 1


class Weights:
    """As a torch module: it moves in place."""

    def __init__(self, card: Card, size: int) -> None:
        card.take("cpu", size)
        self.card, self.size, self.device = card, size, "cpu"
        card.weights.add(self)

    def to(self, device: str, /) -> object:
        self.card.take(device, self.size)
        self.device = device
        return self

    def parameters(self) -> Iterable[Numbers]:
        return [Numbers(self.size)]

    def buffers(self) -> Iterable[Numbers]:
        return []


def weights(card: Card, name: str, size: int) -> Resident[Weights]:
    return Resident(name, name, lambda: Weights(card, size))


@pytest.fixture
def card() -> Card:
    return Card(100)


def residency(card: Card, **budgets: int) -> Residency:
    return Residency(card, budgets, reserve=0)


def test_weights_stay_where_they_are_while_there_is_room(card: Card) -> None:
    here = residency(card)
    a, b = weights(card, "a", 40), weights(card, "b", 40)
    for one in (a, b):
        here.use(one, GPU)
    here.unpin(["a", "b"])
    assert (a.device, b.device) == (GPU, GPU)
    assert here.held(GPU) == 80


def test_the_least_recently_used_weights_make_room_and_wait_in_memory(card: Card) -> None:
    here = residency(card)
    a, b, c = (weights(card, name, 40) for name in "abc")
    for one in (a, b, a, c):
        here.use(one, GPU)
        here.unpin([one.key])
    assert (a.device, b.device, c.device) == (GPU, "cpu", GPU)


def test_weights_in_use_are_not_moved(card: Card) -> None:
    here = residency(card)
    a, b = weights(card, "a", 60), weights(card, "b", 60)
    here.use(a, GPU)
    with pytest.raises(Full):
        here.use(b, GPU)
    assert a.device == GPU
    here.unpin(["a"])
    here.use(b, GPU)
    assert (a.device, b.device) == ("cpu", GPU)


def test_where_memory_is_full_too_weights_are_dropped_and_read_again_later(card: Card) -> None:
    here = residency(card, cpu=100)
    a, b, c = (weights(card, name, 40) for name in "abc")
    for one in (a, b, c):
        here.use(one, GPU)
        here.unpin([one.key])
    assert (a.device, b.device, c.device) == ("cpu", GPU, GPU)
    d = weights(card, "d", 40)
    here.use(d, GPU)
    here.unpin(["d"])
    assert [one.device for one in (a, b, c, d)] == ["", "cpu", GPU, GPU]
    here.use(a, GPU)
    assert a.device == GPU


def test_a_budget_holds_even_where_the_device_has_more(card: Card) -> None:
    here = Residency(card, {GPU: 50}, reserve=0)
    for name in "ab":
        here.use(weights(card, name, 40), GPU)
        here.unpin([name])
    assert here.held(GPU) <= 50


def test_a_part_of_the_device_stays_free_for_computing(card: Card) -> None:
    here = Residency(card, reserve=30)
    a, b = weights(card, "a", 40), weights(card, "b", 40)
    for one in (a, b):
        here.use(one, GPU)
        here.unpin([one.key])
    assert (a.device, b.device) == ("cpu", GPU)


def test_equal_weights_are_loaded_once(card: Card) -> None:
    here = residency(card)
    one, same = weights(card, "a", 40), weights(card, "a", 40)
    assert here.use(one, GPU) is here.use(same, GPU)
    assert not same.loaded


def test_weights_that_nothing_refers_to_are_forgotten(card: Card) -> None:
    here = residency(card)
    one = weights(card, "a", 40)
    here.use(one, GPU)
    here.unpin(["a"])
    del one
    assert here.held(GPU) == 0


class Piecemeal:
    """Ten bytes of a device, whatever the size."""

    def bring(self, modules: Iterable[object], device: str) -> None:
        pass

    def bytes_on_device(self, modules: Iterable[object]) -> int:
        return 10


def test_weights_that_come_piece_by_piece_take_the_room_of_the_pieces(card: Card) -> None:
    here = Residency(card, {GPU: 50}, reserve=0)
    small = weights(card, "a", 40)
    here.use(small, GPU)
    here.unpin(["a"])
    large = Resident("b", "b", lambda: Weights(card, 200), placing=Piecemeal())
    here.use(large, GPU)
    assert (small.device, large.device) == (GPU, GPU), "nothing had to go"
    assert here.held(GPU) == 50


# In a run


def nodes_for(card: Card, made: dict[str, Resident[Weights]]) -> Registry:
    @node("test/Load")
    def load(name: str = ModelPicker("checkpoint"), size: int = 40) -> Model:
        """Weights of so many bytes."""
        return Model(made.setdefault(name, weights(card, name, size)), "test")

    @node("test/Compute")
    def compute(model: Model, scratch: int = 0, tiles: int = 1) -> float:
        """Takes scratch memory besides the weights; in tiles where memory is tight."""
        context = running()
        context.use(model.weights)
        needed = scratch // tiles if context.tight_memory else scratch
        card.take(GPU, needed)
        card.scratch = needed
        context.step(1, 1)
        card.scratch = 0
        return 1.0

    registry = Registry()
    registry.add(load.definition)  # type: ignore[attr-defined]
    registry.add(compute.definition)  # type: ignore[attr-defined]
    return registry


@pytest.fixture
def made() -> dict[str, Resident[Weights]]:
    return {}


@pytest.fixture
def engine(card: Card, made: dict[str, Resident[Weights]]) -> Iterator[Engine]:
    engine = Engine(nodes_for(card, made), devices=card, residency=Residency(card, reserve=0))
    yield engine
    engine.close()


def compute(engine: Engine, **models: dict[str, int]) -> Told:
    """A graph that computes with one model after another."""
    nodes, links = {}, {}
    for name, how in models.items():
        nodes[NodeId(f"load_{name}")] = Node("test/Load", {"name": name})
        nodes[NodeId(name)] = Node("test/Compute", how)
        links[Socket(NodeId(name), "model")] = Socket(NodeId(f"load_{name}"), "model")
    told = Told()
    engine.run(Graph(nodes, links), [], RunOptions(Path("out"), device=GPU), told)
    return told


def test_models_are_brought_to_the_device_of_the_run(engine: Engine, made: dict[str, Resident[Weights]]) -> None:
    assert compute(engine, a={}, b={}).state is RunState.DONE
    assert made["a"].device == made["b"].device == GPU


def test_out_of_memory_moves_other_models_out_and_tries_again(
    engine: Engine, made: dict[str, Resident[Weights]]
) -> None:
    told = compute(engine, a={}, b={"scratch": 50})
    assert told.state is RunState.DONE
    assert (made["a"].device, made["b"].device) == ("cpu", GPU)
    assert told.started.count("b") == 1


def test_a_node_that_still_does_not_fit_is_asked_to_be_sparing(engine: Engine) -> None:
    assert compute(engine, a={}, b={"scratch": 200, "tiles": 5}).state is RunState.DONE


def test_a_node_that_never_fits_fails_naming_the_device_and_the_rest_goes_on(engine: Engine) -> None:
    told = compute(engine, a={"scratch": 5000, "tiles": 2}, b={})
    failure = told.failures["a"]
    assert GPU in failure.what
    assert "smaller" in failure.mend
    assert "b" in told.computed
    assert told.state is RunState.FAILED


def test_a_model_larger_than_the_device_fails_the_node(engine: Engine) -> None:
    nodes = {NodeId("load"): Node("test/Load", {"name": "huge", "size": 400}), NodeId("use"): Node("test/Compute")}
    told = Told()
    engine.run(
        Graph(nodes, {Socket(NodeId("use"), "model"): Socket(NodeId("load"), "model")}),
        [],
        RunOptions(Path("out"), device=GPU),
        told,
    )
    assert GPU in told.failures["use"].what


def test_no_model_stays_pinned_after_a_failure(engine: Engine, card: Card) -> None:
    compute(engine, a={"scratch": 5000})
    engine.residency.evict(GPU)
    assert card.taken(GPU) == 0


def test_errors_that_are_not_about_memory_are_not_tried_again() -> None:
    tries = []

    @node("test/Broken")
    def broken() -> float:
        """Raises."""
        tries.append(1)
        raise RuntimeError("shape mismatch")

    registry = Registry()
    registry.add(broken.definition)  # type: ignore[attr-defined]
    run(Engine(registry, devices=Card(10)), graph(a=("Broken", {})))
    assert tries == [1]
