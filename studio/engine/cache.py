"""Results by key: a bounded tier in memory, and behind it the store on disk, which is written by a thread of its own."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from studio.engine.entry import Entry
from studio.engine.keys import Key
from studio.engine.store import Store
from studio.graph.errors import WirelightError

DEFAULT_MEMORY: Final = 2 * 2**30
_FEWEST: Final = 1024
_MOST_WAITING: Final = 512 * 2**20
"""Bytes that may wait for the disk before a run waits too."""


class Memory:
    """Entries in memory, the least recently used out first, bounded in bytes and in number. Thread-safe."""

    def __init__(self, limit: int = DEFAULT_MEMORY) -> None:
        self.limit = limit
        self.most = _FEWEST
        self.bytes = 0
        self._entries: OrderedDict[Key, tuple[Entry, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Entry | None:
        with self._lock:
            held = self._entries.get(key)
            if held is None:
                return None
            self._entries.move_to_end(key)
            return held[0]

    def put(self, key: Key, entry: Entry, size: int) -> None:
        """Hold an entry of so many bytes. One larger than the whole tier is not held."""
        with self._lock:
            before = self._entries.pop(key, None)
            if before is not None:
                self.bytes -= before[1]
            self._entries[key] = (entry, size)
            self.bytes += size
            while self.bytes > self.limit or len(self._entries) > self.most:
                _, (_, gone) = self._entries.popitem(last=False)
                self.bytes -= gone

    def drop(self, key: Key) -> None:
        with self._lock:
            held = self._entries.pop(key, None)
            if held is not None:
                self.bytes -= held[1]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self.bytes = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)


class Cache:
    """Memory, and a store where there is one.

    `on_trouble` is told once when the store cannot be written; results then live in memory only, until a write succeeds again.
    """

    def __init__(self, store: Store | None, memory: int = DEFAULT_MEMORY) -> None:
        self.memory = Memory(memory)
        self.store = store
        self.on_trouble: Callable[[WirelightError], None] = lambda trouble: None
        self._waiting: dict[Key, tuple[Entry, Future[None]]] = {}
        self._waiting_bytes = 0
        self._writer: ThreadPoolExecutor | None = None
        self._troubled = False
        self._lock = threading.Lock()

    def begin(self, nodes: int) -> None:
        """A run of a graph of so many nodes starts: hold as many results as two revisions of it have, and see what others stored."""
        self.memory.most = max(_FEWEST, 2 * nodes)
        if self.store is not None:
            self.store.refresh()

    def has(self, key: Key) -> bool:
        """Whether there is a result, as far as can be told without reading it."""
        return key in self.memory or key in self._waiting or (self.store is not None and self.store.has(key))

    def get(self, key: Key) -> Entry | None:
        """The result, or None where there is none, or only a damaged one."""
        entry = self.memory.get(key)
        if entry is not None:
            return entry
        waiting = self._waiting.get(key)
        if waiting is not None:
            return waiting[0]
        if self.store is None or not self.store.has(key):
            return None
        entry = self.store.load(key)
        if entry is not None:
            self.memory.put(key, entry, entry.size)
        return entry

    def put(self, key: Key, entry: Entry, size: int) -> None:
        """Hold a result of so many bytes in memory."""
        self.memory.put(key, entry, size)

    def write(self, key: Key, entry: Entry, size: int) -> None:
        """Store a result on disk, soon. Waits only where very much is waiting already."""
        if self.store is None or key in self._waiting:
            return
        while self._waiting_bytes + size > _MOST_WAITING and self._waiting:
            self._oldest().result()
        with self._lock:
            if self._writer is None:
                self._writer = ThreadPoolExecutor(1, thread_name_prefix="store")
            self._waiting_bytes += size
            future = self._writer.submit(self._write, self.store, key, entry, size)
            self._waiting[key] = (entry, future)

    def flush(self) -> None:
        """Wait until all that was to be written is on disk."""
        while self._waiting:
            self._oldest().result()

    def close(self) -> None:
        """Flush, and end the thread."""
        self.flush()
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None

    def _oldest(self) -> Future[None]:
        with self._lock:
            return next((future for _, future in self._waiting.values()), _DONE)

    def _write(self, store: Store, key: Key, entry: Entry, size: int) -> None:
        try:
            stored = store.save(key, entry)
            self._troubled = False
            if stored:
                entry.cost = 0.0
        except WirelightError as trouble:
            if not self._troubled:
                self._troubled = True
                self.on_trouble(trouble)
        finally:
            with self._lock:
                self._waiting_bytes -= size
                self._waiting.pop(key, None)


_DONE: Final[Future[None]] = Future()
_DONE.set_result(None)
