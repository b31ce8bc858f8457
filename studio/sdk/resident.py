"""Models that are loaded once, and live on the device, in the computer's memory, or only on disk.

A value on a wire (`Model`, `VAE` ...) holds residents, not weights: making one costs nothing, and the engine's residency decides
where the weights are. A node asks for them with `running().use(resident)`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

M = TypeVar("M")


class Module(Protocol):
    """A `torch.nn.Module`, as far as it matters here."""

    def to(self, device: str, /) -> object:
        """Move in place."""

    def parameters(self) -> Iterable[Any]: ...

    def buffers(self) -> Iterable[Any]: ...


class Placing(Protocol):
    """Another way to bring modules to a device than to move them there."""

    def bring(self, modules: Iterable[Any], device: str) -> None:
        """Make modules compute on a device, wherever they did before."""

    def bytes_on_device(self, modules: Iterable[Any]) -> int:
        """What they take of a device's memory, other than the computer's own."""


class Resident(Generic[M]):
    """Weights that can be brought in, moved and dropped.

    `key` is a digest of their content and of how they are loaded: two residents with one key are the same weights. `title` is for
    people. `modules` lists the torch modules of what the loader returned; by default that is a module itself. `placing`: how they come
    to a device, where that is not by moving. Thread-safe. Nothing is loaded before the first `load` or `to`.
    """

    def __init__(
        self,
        key: str,
        title: str,
        loader: Callable[[], M],
        modules: Callable[[M], Iterable[Module]] | None = None,
        placing: Placing | None = None,
    ) -> None:
        self.key = key
        self.title = title
        self._loader = loader
        self._modules = modules
        self._placing = placing
        self._held: M | None = None
        self._device = ""
        self._bytes: int | None = None
        self._bytes_on_device: int | None = None
        self._lock = threading.RLock()

    def load(self) -> M:
        """The weights, read into the computer's memory where they are nowhere yet; else where they are."""
        with self._lock:
            if self._held is None:
                self.adopt(self._loader())
            assert self._held is not None
            return self._held

    def adopt(self, held: M) -> bool:
        """Take weights that somebody else has read into the computer's memory. False where there are some already, or on their way."""
        # Not waiting: whoever loads one part of a checkpoint offers the others, and two who wait for each other would wait for ever.
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._held is not None:
                return False
            self._held = held
            self._device = "cpu"
            self._bytes = module_bytes(self._listed(held))
            placing = self._placing
            self._bytes_on_device = placing.bytes_on_device(self._listed(held)) if placing is not None else self._bytes
            return True
        finally:
            self._lock.release()

    def to(self, device: str) -> M:
        """The weights on `device` (`cpu`, `cuda:0`, `mps`), loaded if need be. What a failed move leaves behind is not used again."""
        with self._lock:
            held = self.load()
            if device != self._device:
                self._device = ""
                if self._placing is not None:
                    self._placing.bring(self._listed(held), device)
                else:
                    for module in self._listed(held):
                        module.to(device)
                self._device = device
            return held

    def drop(self) -> None:
        """Forget the weights; the next use reads them again."""
        with self._lock:
            self._held = None
            self._device = ""

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory, anywhere."""
        return self._held is not None

    @property
    def device(self) -> str:
        """Where the weights are; empty where they are on disk only, or where a move failed half way."""
        return self._device

    @property
    def bytes(self) -> int | None:
        """Measured size of the weights, which is remembered after a drop; None before the first load."""
        return self._bytes

    def bytes_on(self, device: str) -> int | None:
        """Measured size of what the weights take on a device; `bytes`, unless they are placed in a way of their own."""
        return self._bytes if device == "cpu" else self._bytes_on_device

    def _listed(self, held: M) -> Iterable[Any]:
        return (held,) if self._modules is None else self._modules(held)

    def __repr__(self) -> str:
        return f"Resident({self.title!r}, {self._device or 'on disk'})"


def module_bytes(modules: Iterable[Module]) -> int:
    """Bytes of all parameters and buffers; a tensor that two modules share counts once."""
    tensors = {id(one): one for module in modules for one in (*module.parameters(), *module.buffers())}
    return sum(int(one.numel()) * int(one.element_size()) for one in tensors.values())


def residents_of(value: object) -> tuple[Resident[Any], ...]:
    """The residents that a value on a wire refers to, each once; lists and mappings are looked through."""
    found: dict[int, Resident[Any]] = {}
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Resident):
            found[id(one)] = one
        elif isinstance(one, (list, tuple)):
            waiting.extend(one)
        elif isinstance(one, Mapping):
            waiting.extend(one.values())
        else:
            listed = getattr(one, "residents", None)
            waiting.extend(listed() if callable(listed) else ())
    return tuple(found.values())
