"""States of samplers: kept in the background, bounded, and had anew where they are gone."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pytest

from studio.engine import Engine, RunOptions, Store
from studio.engine.step_memory import StepKeeper, StepMemory
from studio.engine.step_store import StepStore
from studio.graph.errors import StepsLost, WirelightError
from studio.graph.graph import NodeId
from studio.sdk import Array, Packed, Trail, TrailPart, node, running
from tests.engine.kit import Told, graph, registry, run


def key(number: int) -> bytes:
    return bytes([number]) * 16


def state(number: int, size: int = 100) -> Packed:
    return Packed("StepState", {"latent": Array("U8", (size,), bytes([number]) * size)}, {"index": str(number)})


def keep(store: StepKeeper, number: int, size: int = 100) -> None:
    store.keep(key(number), lambda: state(number, size), size)


def test_a_state_comes_back_as_it_was_in_the_next_process_too(tmp_path: Path) -> None:
    store = StepStore(tmp_path)
    keep(store, 1)
    assert store.has(key(1)), "from the moment on that it was given away"
    found = store.load(key(1))
    assert found is not None
    assert (found.type, found.meta["index"], bytes(found.arrays["latent"].data)) == ("StepState", "1", b"\x01" * 100)
    store.close()
    again = StepStore(tmp_path)
    assert again.has(key(1))
    assert again.load(key(1)) is not None
    assert not again.has(key(2))
    assert again.load(key(2)) is None


def test_nobody_waits_for_a_slow_disk_and_the_latest_states_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.engine.step_store._MOST_WAITING", 1000)
    store, may_go_on = StepStore(tmp_path), threading.Event()

    def slow() -> Packed:
        may_go_on.wait(10)
        return state(1)

    store.keep(key(1), slow, 100)
    for number in range(2, 30):
        keep(store, number)
    may_go_on.set()
    store.flush()
    kept = [number for number in range(1, 30) if store.has(key(number))]
    assert kept[-9:] == list(range(21, 30))
    assert len(kept) < 15


def test_the_limit_holds_and_what_was_used_last_stays(tmp_path: Path) -> None:
    store = StepStore(tmp_path, 30_000)
    for number in range(1, 40):
        keep(store, number, 2000)
        store.flush()
        assert store.load(key(1)) is not None, "read again and again"
    assert store.measure() <= 30_000
    assert store.load(key(39)) is not None
    assert store.load(key(2)) is None
    keep(store, 50, 40_000)
    assert not store.has(key(50)), "larger than all there is"


@pytest.mark.parametrize("harm", ["cut", "altered", "emptied", "another file"])
def test_a_damaged_state_counts_as_none(tmp_path: Path, harm: str) -> None:
    store = StepStore(tmp_path)
    keep(store, 1)
    store.flush()
    (file,) = tmp_path.rglob("*.safetensors")
    whole = file.read_bytes()
    file.write_bytes(
        {"cut": whole[:-9], "altered": whole[:-1] + b"\0", "emptied": b"", "another file": b"\x89PNG" * 30}[harm]
    )
    assert store.load(key(1)) is None
    assert not store.has(key(1))
    keep(store, 1)
    assert store.load(key(1)) is not None


def test_trouble_is_told_once_and_costs_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, told = StepStore(tmp_path), list[WirelightError]()
    store.on_trouble = told.append

    def full(stream: BinaryIO, *rest: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def broken() -> Packed:
        raise RuntimeError("the device is gone")

    with monkeypatch.context() as patch:
        patch.setattr("studio.engine.step_store.write_arrays", full)
        keep(store, 1)
        keep(store, 2)
        store.flush()
    assert ["No space left" in str(one) for one in told] == [True]
    assert not store.has(key(1))
    assert not list(tmp_path.rglob("*.safetensors*"))
    keep(store, 3)
    store.keep(key(4), broken, 100)
    store.flush()
    assert "the device is gone" in str(told[-1])
    assert store.has(key(3))
    store.keep(key(5), lambda: None, 100)
    store.close()
    assert not store.has(key(5))


def test_in_memory_the_limit_holds_too() -> None:
    store = StepMemory(1000)
    for number in range(1, 21):
        keep(store, number)
        assert store.load(key(1)) is not None
    assert [number for number in range(1, 21) if store.has(key(number))] == [1, *range(12, 21)]
    store.close()
    assert not store.has(key(1))


# Trails in a run


class Walked(NamedTuple):
    number: float
    trail: Trail


@node("test/Walk", live=True)
def walk(start: Trail | None = None, at: int = 0, by: float = 1.0, steps: int = 3) -> Walked:
    """Counts up, a step at a time."""
    context = running()
    number, first = 0.0, 0
    if start is not None:
        found = context.step_store.load(start.at(at)[0])
        if found is None:
            raise StepsLost(at, "start")
        number, first = float(found.meta["number"]), at
    before = start.parts[0].keys[: first + 1] if start is not None else (f"begin {by}".encode().ljust(16),)
    keys = [*before, *(f"{by} {step} {number}".encode().ljust(16) for step in range(first + 1, steps + 1))]
    sigmas = tuple(float(steps - step) for step in range(steps + 1))
    trail = Trail((TrailPart(sigmas, tuple(keys)),), "walk", "", (1,))
    context.show_trail(trail)
    for step in range(first, steps + 1):
        if step > first or start is None:
            number += by if step else 0.0
            packed = Packed("StepState", {}, {"number": str(number)})
            context.step_store.keep(keys[step], lambda packed=packed: packed, 100)  # type: ignore[misc]
        if step:
            context.step(step, steps)
    return Walked(number, trail)


def walking(folder: Path | None) -> Engine:
    store, steps = (Store(folder), StepStore(folder / "steps")) if folder is not None else (None, None)
    return Engine(registry(walk), store, steps=steps)


BRANCHED = graph(
    parent=("Walk", {"by": 1.0}),
    branch=("Walk", {"start": "@parent.trail", "at": 2, "by": 10.0}),
)


def test_a_branch_needs_its_parents_steps_and_gets_them_anew_where_they_are_gone(tmp_path: Path) -> None:
    engine = walking(tmp_path)
    told = run(engine, BRANCHED, "branch")
    assert told.computed == ["parent", "branch"]
    assert engine.value(NodeId("branch"), "number") == 12.0
    changed = graph(parent=("Walk", {"by": 1.0}), branch=("Walk", {"start": "@parent.trail", "at": 2, "by": 100.0}))
    assert run(engine, changed, "branch").computed == ["branch"], "the parent's steps are there"
    engine.close()

    for file in (tmp_path / "steps").rglob("*.safetensors"):
        file.unlink()
    again = walking(tmp_path)
    third = graph(parent=("Walk", {"by": 1.0}), branch=("Walk", {"start": "@parent.trail", "at": 1, "by": 5.0}))
    assert run(again, third, "branch").computed == ["parent", "branch"]
    assert again.value(NodeId("branch"), "number") == 11.0
    assert run(again, third, "parent").computed == []
    again.close()


def test_a_result_without_its_steps_is_good_enough_for_who_wants_only_the_result(tmp_path: Path) -> None:
    engine = walking(tmp_path)
    assert run(engine, BRANCHED, "branch").state == "done"
    for file in (tmp_path / "steps").rglob("*.safetensors"):
        file.unlink()
    plain = graph(parent=("Walk", {"by": 1.0}), sum=("Add", {"a": "@parent.number"}))
    assert run(engine, plain, "sum").computed == ["sum"]
    engine.close()


def test_damage_that_is_found_only_while_reading_is_mended_in_the_same_run(tmp_path: Path) -> None:
    engine = walking(tmp_path)
    run(engine, BRANCHED, "parent")
    engine.steps.flush()
    for file in (tmp_path / "steps").rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-1] + b"}")
    told = run(engine, BRANCHED, "branch")
    assert told.state == "done", told.failures
    assert told.computed == ["parent", "branch"]
    assert engine.value(NodeId("branch"), "number") == 12.0
    engine.close()


def test_steps_that_can_never_be_kept_are_an_error_on_the_branch(tmp_path: Path) -> None:
    engine = Engine(registry(walk), steps=StepMemory(150))
    told = run(engine, BRANCHED, "branch")
    assert told.state == "failed"
    assert told.failures["branch"].what == "Step 2 of that run is no longer kept."
    assert "settings" in told.failures["branch"].mend


def test_a_trail_can_be_looked_at_while_it_is_made_and_after_it_broke_off() -> None:
    engine = walking(None)
    seen: list[tuple[int, int]] = []

    class Looker(Told):
        def stepped(self, node: NodeId, index: int, *rest: object) -> None:
            (trail,) = engine.trails(node)
            seen.append((index, sum(map(engine.steps.has, trail.step_keys()))))
            if index == 2:
                engine.cancel("run")

    engine.run(BRANCHED, [NodeId("parent")], RunOptions(Path("out")), Looker(), "run")
    assert seen == [(1, 2), (2, 3)]
    (trail,) = engine.trails(NodeId("parent"))
    assert trail.steps == 3
    assert engine.trails(NodeId("branch")) == []


def test_a_pause_waits_until_the_steps_are_on_disk(tmp_path: Path) -> None:
    engine = walking(tmp_path)
    files: list[int] = []
    pause: Callable[[str], None] = engine.pause

    class Pauser(Told):
        def stepped(self, node: NodeId, index: int, *rest: object) -> None:
            if index == 2:
                pause("run")

        def paused(self, node: NodeId, step: int) -> None:
            files.append(len(list((tmp_path / "steps").rglob("*.safetensors"))))
            engine.resume("run")

    engine.run(BRANCHED, [NodeId("parent")], RunOptions(Path("out")), Pauser(), "run")
    assert files == [3]
    engine.close()
