"""Where models are: on the device that computes, in the computer's memory, or on disk only.

Nodes ask for weights through their context; they get them on their device, and the weights stay there until the node is done. To make
room, the weights that were not used for longest go: from a device to the computer's memory, and from there to disk, which costs nothing
but reading them again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from studio.engine.devices import Devices
from studio.sdk.resident import Resident

M = TypeVar("M")

HOST: Final = "cpu"
"""The computer's own memory, where weights wait."""
RESERVE: Final = 512 * 2**20
"""Bytes of a device that stay free for what a node computes, at least while other weights can go."""


class Residency:
    """All weights that nodes have used, for as long as some value refers to them.

    `budgets`: the most bytes of weights on a device, and under `cpu` in the computer's memory; without one, what the device says is
    free decides. Two residents with the same key are the same weights, and are loaded once. Thread-safe.
    """

    def __init__(self, devices: Devices, budgets: Mapping[str, int] | None = None, reserve: int = RESERVE) -> None:
        self._devices = devices
        self._budgets = dict(budgets or {})
        self._reserve = reserve
        self._by_key: WeakValueDictionary[str, Resident[Any]] = WeakValueDictionary()
        self._used: dict[str, int] = {}
        self._clock = 0
        self._pins: Counter[str] = Counter()
        self._lock = threading.RLock()

    def use(self, resident: Resident[M], device: str) -> M:
        """The weights on `device`, where they stay until `unpin`. Raises what the device raises where they do not fit even alone."""
        with self._lock:
            resident = self._by_key.setdefault(resident.key, resident)
            self._clock += 1
            self._used[resident.key] = self._clock
            self._pins[resident.key] += 1
            try:
                return self._bring(resident, device)
            except BaseException:
                self._unpin(resident.key)
                raise

    def unpin(self, keys: Collection[str]) -> None:
        """A node that used these weights, each key as often as it did, is done."""
        with self._lock:
            for key in keys:
                self._unpin(key)
            self._forget_gone()

    def make_room(self, device: str, bytes: int) -> bool:
        """Move unused weights off `device` until so many bytes fit besides the rest. False where even that is not enough."""
        with self._lock:
            while not self._fits(device, bytes):
                if not self._evict_oldest(device):
                    return False
            return True

    def evict(self, device: str) -> int:
        """Move all weights that no node is using off `device`; the bytes that leaves free."""
        with self._lock:
            before = self.held(device)
            while self._evict_oldest(device):
                pass
            freed = before - self.held(device)
        self._devices.release(device)
        return freed

    def held(self, device: str) -> int:
        """Bytes of weights on a device."""
        return sum(one.bytes_on(device) or 0 for one in self._on(device))

    def _bring(self, resident: Resident[M], device: str) -> M:
        if resident.device == device:
            return resident.to(device)
        if not resident.device:
            self._load(resident)
        size = resident.bytes_on(device) or 0
        if device != HOST:
            self.make_room(device, size + self._reserve)
        try:
            return resident.to(device)
        except Exception as error:
            if not self._devices.is_out_of_memory(error):
                raise
        self.evict(device)
        try:
            return resident.to(device)
        except Exception as error:
            if self._devices.is_out_of_memory(error):
                resident.drop()  # part of it may have arrived
                self._devices.release(device)
            raise

    def _load(self, resident: Resident[Any]) -> None:
        """Into the computer's memory. Before the first load its size is unknown, so room is made afterwards too."""
        self.make_room(HOST, resident.bytes or 0)
        try:
            resident.load()
        except Exception as error:
            if not self._devices.is_out_of_memory(error) or not self.evict(HOST):
                raise
            resident.load()
        self.make_room(HOST, 0)

    def _fits(self, device: str, bytes: int) -> bool:
        budget = self._budgets.get(device)
        if budget is not None and self.held(device) + bytes > budget:
            return False
        free = self._devices.free(device)
        return free is None or free >= bytes

    def _evict_oldest(self, device: str) -> bool:
        loose = [one for one in self._on(device) if not self._pins[one.key]]
        if not loose:
            return False
        oldest = min(loose, key=lambda one: self._used.get(one.key, 0))
        if device == HOST or not self.make_room(HOST, oldest.bytes or 0):
            oldest.drop()
        else:
            oldest.to(HOST)
        self._devices.release(device)
        return True

    def _on(self, device: str) -> list[Resident[Any]]:
        return [one for one in self._by_key.values() if one.device == device]

    def _unpin(self, key: str) -> None:
        self._pins[key] -= 1
        if self._pins[key] <= 0:
            del self._pins[key]

    def _forget_gone(self) -> None:
        if len(self._used) > 2 * len(self._by_key) + 64:
            self._used = {key: at for key, at in self._used.items() if key in self._by_key}
