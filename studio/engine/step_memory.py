"""States of samplers in memory, for engines without a disk."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

from studio.graph.errors import WirelightError
from studio.sdk.context import Steps
from studio.sdk.storage import Packed

DEFAULT_MEMORY: Final = 256 * 2**20


class StepKeeper(Steps, Protocol):
    """What the engine asks of a place for states, besides what nodes do."""

    on_trouble: Callable[[WirelightError], None]
    """Told once when states cannot be kept."""

    def refresh(self) -> None:
        """See what other processes kept."""

    def flush(self) -> None:
        """Wait until all that was to be kept is."""

    def close(self) -> None:
        """Flush, and let go."""


class StepMemory:
    """A `StepKeeper` of so many bytes; the least recently used states go."""

    def __init__(self, limit: int = DEFAULT_MEMORY) -> None:
        self.on_trouble: Callable[[WirelightError], None] = lambda trouble: None
        self._limit = limit
        self._held: OrderedDict[bytes, tuple[Callable[[], Packed | None], int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def has(self, key: bytes) -> bool:
        return key in self._held

    def load(self, key: bytes) -> Packed | None:
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return None
            self._held.move_to_end(key)
        return held[0]()

    def keep(self, key: bytes, pack: Callable[[], Packed | None], nbytes: int) -> None:
        with self._lock:
            if key in self._held:
                return
            self._held[key] = (pack, nbytes)
            self._bytes += nbytes
            while self._bytes > self._limit:
                _, (_, gone) = self._held.popitem(last=False)
                self._bytes -= gone

    def refresh(self) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self._held.clear()
        self._bytes = 0
