"""Results on disk: whole or not at all, bounded, and shared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from studio.engine.array_file import Damaged
from studio.engine.entry import Entry, WrittenFile
from studio.engine.keys import KEY_BYTES, Key
from studio.engine.store import Store
from studio.engine.store_file import pack_entry, read_entry, write_entry
from studio.graph.errors import WriteFailed
from studio.sdk import Image, Mask


def entry(*outputs: object, files: tuple[WrittenFile, ...] = ()) -> Entry:
    return Entry(outputs, tuple(f"output{at}" for at in range(len(outputs))), files)


def key(number: int, shelf: int = 0) -> Key:
    return Key(bytes([shelf]) + number.to_bytes(KEY_BYTES - 1))


def picture(seed: int = 0, size: int = 8) -> Image:
    return Image(np.random.default_rng(seed).random((1, size, size, 3), dtype=np.float32))


def only_file(store: Store) -> Path:
    (file,) = store.folder.rglob("*.safetensors")
    return file


def test_a_result_comes_back_bit_for_bit(tmp_path: Path) -> None:
    image = picture()
    outputs = (image, [Mask(image.pixels[..., 0]), "text", [1, 2.5, True]], None, 7)
    files = (WrittenFile("/somewhere/a.png", 12, 34, "image"),)
    assert Store(tmp_path).save(key(1), entry(*outputs, files=files))
    found = Store(tmp_path).load(key(1))
    assert found is not None
    restored: Any = found.outputs
    assert np.array_equal(restored[0].pixels, image.pixels)
    assert np.array_equal(restored[1][0].values, image.pixels[..., 0])
    assert restored[1][1:] == ["text", [1, 2.5, True]]
    assert restored[2:] == (None, 7)
    assert found.files == files


def test_what_comes_back_is_read_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(key(1), entry(picture()))
    found = store.load(key(1))
    assert found is not None
    with pytest.raises(ValueError, match="read-only"):
        found.outputs[0].pixels[:] = 0  # type: ignore[attr-defined]


def test_the_safetensors_library_reads_our_files(tmp_path: Path) -> None:
    store, image = Store(tmp_path), picture()
    store.save(key(1), entry(image, Mask(image.pixels[..., 0])))
    with safe_open(only_file(store), framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        described = json.loads(file.metadata()["wirelight"])
    assert [one["type"] for one in described["outputs"]] == ["Image", "Mask"]
    assert sorted(array.shape for array in arrays.values()) == [(1, 8, 8), (1, 8, 8, 3)]


def test_what_cannot_be_stored_is_not(tmp_path: Path) -> None:
    assert not Store(tmp_path).save(key(1), entry(object()))
    assert not Store(tmp_path).has(key(1))


@given(st.data())
def test_damage_anywhere_is_found(data: st.DataObject) -> None:
    import io

    stored = entry(Image.solid(3, 2, (0.5,)), "words", files=(WrittenFile("/a", 1, 2, "image"),))
    packed = pack_entry(stored)
    assert packed is not None
    stream = io.BytesIO()
    write_entry(stream, stored, packed)
    whole = stream.getvalue()
    header = int.from_bytes(whole[:8], "little")
    if data.draw(st.booleans()):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        # Padding and the order of keys carry nothing; every other byte does.
        at = data.draw(st.integers(8 + header, len(whole) - 1) | st.integers(0, 7))
        damaged = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    with pytest.raises(Damaged):
        read_entry(damaged)


@pytest.mark.parametrize("damage", [b"", b"\xff" * 100, b"\x10" + b"\0" * 7 + b"[" * 16, b"\x02" + b"\0" * 7 + b"{}"])
def test_a_damaged_result_is_discarded(tmp_path: Path, damage: bytes) -> None:
    store = Store(tmp_path)
    store.save(key(1), entry(1))
    only_file(store).write_bytes(damage)
    fresh = Store(tmp_path)
    assert fresh.has(key(1))
    assert fresh.load(key(1)) is None
    assert not fresh.has(key(1))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    image = picture(size=32)
    room = 10 * image.nbytes
    store = Store(tmp_path, room)
    for number in range(8):
        store.save(key(number), entry(image))
        path = store._path(key(number))
        os.utime(path, (1000 + number, 1000 + number))
    assert store.load(key(0)) is not None  # now the one that was used last
    for number in range(8, 12):
        store.save(key(number), entry(image))
    assert store.measure() <= room
    assert store.has(key(0))
    assert not store.has(key(1))
    assert store.has(key(11))


def test_a_result_larger_than_the_store_is_not_stored(tmp_path: Path) -> None:
    store = Store(tmp_path, 1000)
    assert not store.save(key(1), entry(picture(size=64)))


def test_a_kept_result_stays_until_it_is_released(tmp_path: Path) -> None:
    image = picture(size=32)
    store = Store(tmp_path, 3 * image.nbytes)
    store.save(key(0), entry(image))
    assert store.keep(key(0))
    for number in range(1, 6):
        store.save(key(number), entry(image))
    assert Store(tmp_path).has(key(0))
    assert Store(tmp_path).load(key(0)) is not None
    store.release(key(0))
    for number in range(6, 10):
        store.save(key(number), entry(image))
    assert not Store(tmp_path).has(key(0))
    assert not store.keep(key(99))


def test_rests_of_processes_that_died_are_swept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(key(1), entry(1))
    old, new = (only_file(store).with_name(f".{name}.safetensors.123.0") for name in ("old", "new"))
    for rest in (old, new):
        rest.write_bytes(b"half")
    os.utime(old, (time.time() - 10_000,) * 2)
    store.trim()
    assert not old.exists()
    assert new.exists()
    assert store.has(key(1))


def test_another_stores_result_is_seen_after_a_refresh(tmp_path: Path) -> None:
    mine, theirs = Store(tmp_path), Store(tmp_path)
    assert not mine.has(key(1))
    theirs.save(key(1), entry(1))
    mine.refresh()
    assert mine.has(key(1))
    theirs.save(key(2), entry(2))
    mine.refresh()
    assert mine.has(key(2))


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_a_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(WriteFailed):
        Store(tmp_path / "inside").save(key(1), entry(1))


def test_a_place_that_is_no_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteFailed, match="could not be stored"):
        Store(tmp_path / "file").save(key(1), entry(1))


PROCESS = """
import sys
from pathlib import Path
from tests.engine.test_store import Store, entry, key, picture
store = Store(Path(sys.argv[1]), 40_000)
for round in range(40):
    for number in range(20):
        store.refresh()
        found = store.load(key(number)) if store.has(key(number)) else None
        if found is None:
            store.save(key(number), entry(picture(number, 16)))
        else:
            assert (found.outputs[0].pixels == picture(number, 16).pixels).all()
"""


def test_two_processes_share_one_store(tmp_path: Path) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path)],
            cwd=Path(__file__).parents[2],
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for one in both:
        _, errors = one.communicate(timeout=60)
        assert one.returncode == 0, errors
    store = Store(tmp_path, 40_000)
    store.save(key(99), entry(picture(99, 16)))
    assert store.measure() <= 40_000, "whoever writes next makes room for what both have written"
    for number in range(20):
        found = store.load(key(number))
        assert found is None or np.array_equal(found.outputs[0].pixels, picture(number, 16).pixels)  # type: ignore[attr-defined]
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
