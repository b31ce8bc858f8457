from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.engine.cache import Cache, Memory
from studio.engine.entry import Entry
from studio.engine.keys import Key
from studio.engine.store import Store
from studio.sdk import Image


def key(number: int) -> Key:
    return Key(number.to_bytes(16))


def entry(size: int = 16) -> Entry:
    return Entry((Image(np.zeros((1, size, size, 1), np.float32)),), ("image",))


def test_memory_lets_the_least_recently_used_go() -> None:
    memory = Memory(3 * entry().size)
    for number in range(3):
        memory.put(key(number), entry(), entry().size)
    memory.get(key(0))
    memory.put(key(3), entry(), entry().size)
    assert [number for number in range(4) if key(number) in memory] == [0, 2, 3]
    assert memory.bytes <= memory.limit


def test_memory_is_bounded_in_number_too() -> None:
    memory = Memory()
    for number in range(memory.most + 50):
        memory.put(key(number), Entry((1,), ("number",)), entry().size)
    assert len(memory) == memory.most


def test_memory_does_not_hold_what_is_larger_than_itself() -> None:
    memory = Memory(1000)
    memory.put(key(1), entry(64), entry(64).size)
    assert key(1) not in memory
    assert memory.bytes == 0


def test_putting_a_key_again_counts_once() -> None:
    memory = Memory()
    for _ in range(5):
        memory.put(key(1), entry(), entry().size)
    assert memory.bytes == entry().size
    memory.drop(key(1))
    assert memory.bytes == 0


def test_what_is_still_being_written_can_be_had(tmp_path: Path) -> None:
    cache = Cache(Store(tmp_path), memory=0)
    for number in range(20):
        made = entry()
        cache.put(key(number), made, entry().size)
        cache.write(key(number), made, entry().size)
        assert cache.has(key(number))
        assert cache.get(key(number)) is not None
    cache.close()
    assert all(Store(tmp_path).has(key(number)) for number in range(20))


def test_trouble_with_the_disk_is_told_once_and_memory_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache, troubles = Cache(Store(tmp_path / "file")), []
    cache.on_trouble = troubles.append
    for number in range(3):
        cache.put(key(number), entry(), entry().size)
        cache.write(key(number), entry(), entry().size)
    cache.close()
    assert len(troubles) == 1
    assert "could not be stored" in str(troubles[0])
    assert cache.get(key(2)) is not None
