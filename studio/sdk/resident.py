"""Models that are loaded once, and live on the device, in the computer's memory, or only on disk.

A value on a wire (`Model`, `VAE` ...) holds residents, not weights: making one costs nothing, and the engine's residency decides
where the weights are. A node asks for them with `running().use(resident)`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar


class Movable(Protocol):
    """Something that lives on a device, such as a `torch.nn.Module`. `to` may move in place or return the moved one."""

    def to(self, device: str) -> Any: ...  # noqa: ANN401 - whatever the library returns


M = TypeVar("M", bound=Movable)


class Resident(Generic[M]):
    """Weights that can be brought in, moved and dropped.

    `key` is a digest of their content and of how they are loaded: two residents with one key are the same weights. `title` is for
    people. Thread-safe. Nothing is loaded before the first `load` or `to`.
    """

    def __init__(self, key: str, title: str, loader: Callable[[], M], measure: Callable[[M], int] | None = None) -> None:
        self.key = key
        self.title = title
        self._loader = loader
        self._measure = measure or module_bytes
        self._held: M | None = None
        self._device = ""
        self._bytes: int | None = None
        self._lock = threading.RLock()

    def load(self) -> M:
        """The weights, read into the computer's memory where they are nowhere yet; else where they are."""
        with self._lock:
            if self._held is None:
                self._held = self._loader()
                self._device = "cpu"
                self._bytes = self._measure(self._held)
            return self._held

    def to(self, device: str) -> M:
        """The weights on `device` (`cpu`, `cuda:0`, `mps`), loaded if need be."""
        with self._lock:
            held = self.load()
            if device != self._device:
                moved = held.to(device)
                self._held = held = held if moved is None else moved
                self._device = device
            return held

    def drop(self) -> None:
        """Forget the weights; the next use reads them again."""
        with self._lock:
            self._held = None
            self._device = ""

    @property
    def device(self) -> str:
        """Where the weights are; empty where they are on disk only."""
        return self._device

    @property
    def bytes(self) -> int | None:
        """Measured size of the weights, which is remembered after a drop; None before the first load."""
        return self._bytes

    def __repr__(self) -> str:
        return f"Resident({self.title!r}, {self._device or 'on disk'})"


def module_bytes(module: object) -> int:
    """Bytes of all parameters and buffers of a torch module, each tensor once."""
    tensors: dict[int, int] = {}
    for kind in ("parameters", "buffers"):
        listed: Callable[[], Iterable[Any]] | None = getattr(module, kind, None)
        if listed is not None:
            tensors.update((id(tensor), tensor.numel() * tensor.element_size()) for tensor in listed())
    return sum(tensors.values())


def residents_of(value: object) -> tuple[Resident[Any], ...]:
    """The residents that a value on a wire refers to; lists are looked through."""
    if isinstance(value, Resident):
        return (value,)
    if isinstance(value, (list, tuple)):
        return tuple(resident for one in value for resident in residents_of(one))
    listed = getattr(value, "residents", None)
    return tuple(listed()) if callable(listed) else ()
