"""Weights behind a handle: loaded once, moved, dropped, measured."""

from __future__ import annotations

import threading

import pytest
import torch

from studio.sdk import Conditioning, Model, Resident, running
from studio.sdk.context import Context, activate
from studio.sdk.resident import module_bytes, residents_of


def test_nothing_is_loaded_before_it_is_used_and_then_once() -> None:
    loads: list[int] = []

    def load() -> torch.nn.Linear:
        loads.append(1)
        return torch.nn.Linear(3, 2)

    resident = Resident("k", "a layer", load)
    assert (resident.loaded, resident.device, resident.bytes) == (False, "", None)
    module = resident.load()
    assert resident.to("cpu") is module
    assert running().use(resident) is module
    assert (loads, resident.device, resident.bytes) == ([1], "cpu", 4 * (3 * 2 + 2))
    resident.drop()
    assert (resident.loaded, resident.device, resident.bytes) == (False, "", 32)
    assert resident.load() is not module


def test_all_modules_move_and_a_failed_move_is_not_taken_for_done() -> None:
    class Pair:
        def __init__(self) -> None:
            self.parts = (torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))

    resident = Resident("k", "two", Pair, lambda pair: pair.parts)
    pair = resident.to("meta")
    assert all(one.weight.is_meta for one in pair.parts)
    assert resident.device == "meta"
    with pytest.raises((RuntimeError, NotImplementedError)):
        resident.to("cpu")  # torch cannot copy out of meta
    assert resident.device == ""
    assert resident.bytes == 2 * 24


def test_shared_tensors_count_once() -> None:
    layer = torch.nn.Linear(4, 4, bias=False)
    tied = torch.nn.Sequential(layer, layer)
    assert module_bytes([tied, layer]) == 64


def test_weights_can_be_offered_by_whoever_read_them() -> None:
    offered = torch.nn.Linear(1, 1)
    resident = Resident("k", "a layer", lambda: pytest.fail("it was there"))
    assert resident.adopt(offered)
    assert resident.load() is offered
    assert not resident.adopt(torch.nn.Linear(1, 1))


def test_two_parts_that_offer_each_other_never_wait_for_ever() -> None:
    ready = threading.Barrier(2, timeout=10)

    def load(other: list[Resident[torch.nn.Linear]]) -> torch.nn.Linear:
        ready.wait()
        other[0].adopt(torch.nn.Linear(1, 1))
        return torch.nn.Linear(1, 1)

    first: list[Resident[torch.nn.Linear]] = []
    second: list[Resident[torch.nn.Linear]] = []
    first.append(Resident("a", "a", lambda: load(second)))
    second.append(Resident("b", "b", lambda: load(first)))
    threads = [threading.Thread(target=one[0].load, daemon=True) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


def test_residents_are_found_in_values() -> None:
    resident = Resident("k", "a layer", lambda: torch.nn.Linear(1, 1))
    model = Model(resident, "sd1")
    conditioning = Conditioning({"embeds": torch.zeros(1, 1, 1)}, "sd1", {"control": model})
    assert residents_of([model, {"a": conditioning}, 3, "x"]) == (resident,)
    assert model.with_options(skip=1).options == {"skip": 1}


def test_the_context_is_that_of_the_thread() -> None:
    context = Context(node="sampler", device="cpu")
    with activate(context):
        assert running() is context
        seen: list[Context] = []
        thread = threading.Thread(target=lambda: seen.append(running()))
        thread.start()
        thread.join()
        assert seen[0] is not context
    assert running().node == ""
