"""Values as bytes and back: what comes back is equal, whatever it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studio.graph.errors import CodecError
from studio.sdk import (
    Array,
    Audio,
    Color,
    Conditioning,
    Curve,
    FilePath,
    Image,
    Latent,
    Mask,
    Mel,
    Mesh,
    Model,
    Noise,
    Packed,
    Resident,
    Schedule,
    Video,
    value_type,
)
from studio.sdk.storage import pack_value, size_of, unpack_value
from studio.sdk.values.arrays import pack_tensor, unpack_tensor

RNG = np.random.default_rng(0)


def picture(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return RNG.random(shape, dtype=np.float32)


def pack(value: object) -> Packed:
    packed = pack_value(value)
    assert packed is not None
    return packed


def through(value: object) -> Any:  # noqa: ANN401
    """As a file would hold it: bytes, and not the memory of the value itself."""
    packed = pack(value)
    arrays = {name: replace(one, data=bytes(one.data)) for name, one in packed.arrays.items()}
    return unpack_value(replace(packed, arrays=arrays))


VALUES: dict[str, Callable[[], object]] = {
    "image": lambda: Image(picture(2, 3, 4, 3)),
    "mask": lambda: Mask(picture(2, 3, 4)),
    "audio": lambda: Audio(picture(2, 100), 48_000),
    "mel": lambda: Mel(picture(1, 64, 10), 16_000, 160),
    "video": lambda: Video(RNG.integers(0, 255, (3, 4, 5, 3), dtype=np.uint8), 24.0),
    "video with sound": lambda: Video.of(Image(picture(2, 3, 4, 3)), 12.5, Audio(picture(1, 50), 8000)),
    "mesh": lambda: Mesh(picture(4, 3), np.array([[0, 1, 2]], dtype=np.int32)),
    "coloured mesh": lambda: Mesh(picture(4, 3), np.array([[0, 1, 2]], dtype=np.int32), picture(4, 3)),
    "latent": lambda: Latent(torch.randn(2, 4, 8, 8), "sdxl"),
    "blank latent": lambda: Latent.empty(512, 256, 3),
    "noise": lambda: Noise(torch.randn(1, 4, 8, 8)),
    "schedule": lambda: Schedule((14.6, 1.0, 0.0)),
    "conditioning": lambda: Conditioning({"embeds": torch.randn(1, 7, 8), "mask": torch.ones(1, 7, dtype=torch.int64)}, "sd1"),
    "conditioning with a hint": lambda: Conditioning(
        {"embeds": torch.randn(1, 7, 8)}, "sd1", {"hint": Image(picture(1, 2, 2, 1)), "strength": 0.5}
    ),
}  # fmt: skip


def same(one: object, other: object) -> bool:
    """Equal in every field, arrays number by number."""
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if hasattr(one, "__dataclass_fields__"):
        fields = one.__dataclass_fields__
        return type(one) is type(other) and all(same(getattr(one, name), getattr(other, name)) for name in fields)
    if isinstance(one, dict):
        return (
            isinstance(other, dict) and one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
        )
    return one == other


@pytest.mark.parametrize("name", VALUES)
def test_every_value_comes_back_equal(name: str) -> None:
    value = VALUES[name]()
    assert same(value, through(value))


def test_a_list_of_anything_comes_back() -> None:
    values = [make() for make in VALUES.values()]
    again = through([values, "words", [1, []]])
    assert again[1:] == ["words", [1, []]]
    assert all(same(one, other) for one, other in zip(values, again[0], strict=True))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists))
def test_plain_values_come_back_with_their_type(value: object) -> None:
    again = unpack_value(pack(value))
    assert again == value
    assert type(again) is type(value)


def test_texts_with_a_meaning_keep_it() -> None:
    assert type(through(Color("#00ff00"))) is Color
    assert type(through(Curve("0 1, 1 0"))) is Curve
    assert type(through(FilePath("a/b"))) is FilePath


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
)
def test_tensors_of_every_format_come_back(dtype: str) -> None:
    tensor = (torch.randn(3, 2) * 10).to(getattr(torch, dtype))
    again = unpack_tensor(pack_tensor(tensor))
    assert again.dtype == tensor.dtype
    assert torch.equal(again, tensor)


def test_packing_a_picture_copies_nothing() -> None:
    image = Image(picture(1, 8, 8, 3))
    data = pack(image).arrays["pixels"].data
    assert np.shares_memory(np.frombuffer(data, dtype=np.float32), image.pixels)


def test_models_are_not_stored() -> None:
    model = Model(Resident("k", "a model", torch.nn.Identity), "sd1")
    assert pack_value(model) is None
    assert pack_value([Image(picture(1, 1, 1, 1)), model]) is None


def test_a_type_of_a_plugin_stores_itself_or_stays_in_memory() -> None:
    @value_type("Test.Scale")
    @dataclass(frozen=True)
    class Scale:
        notes: tuple[int, ...]

        def pack(self) -> Packed:
            return Packed("Test.Scale", meta={"notes": list(self.notes)})

        @classmethod
        def unpack(cls, packed: Packed) -> Scale:
            return cls(tuple(packed.meta["notes"]))

    @value_type("Test.Chord")
    @dataclass(frozen=True)
    class Chord:
        notes: tuple[int, ...]

    assert through([Scale((1, 2))]) == [Scale((1, 2))]
    assert pack_value(Chord((1, 2))) is None


@pytest.mark.parametrize(
    "packed",
    [
        Packed("Sculpture"),
        Packed("Image"),
        Packed("Image", {"pixels": Array("F32", (1, 2, 2, 3), b"short")}),
        Packed("Image", {"pixels": Array("C64", (1,), bytes(8))}),
        Packed("Image", {"pixels": Array("F32", (2, 2), bytes(16))}),
        Packed("Float", meta={"value": "much"}),
        Packed("Float"),
        Packed("list"),
        Packed("list", meta={"items": [{"type": "Image", "meta": {}}]}),
        Packed("Schedule", meta={"sigmas": [1.0, 2.0]}),
    ],
)
def test_damaged_values_are_refused(packed: Packed) -> None:
    with pytest.raises(CodecError):
        unpack_value(packed)


def test_sizes_count_the_numbers() -> None:
    image = Image(np.zeros((1, 100, 100, 3), np.float32))
    assert size_of(image) == pytest.approx(120_000, rel=0.01)
    assert size_of([image, image]) == pytest.approx(240_000, rel=0.01)
    assert size_of(Latent(torch.zeros(1, 4, 64, 64))) == pytest.approx(65_536, rel=0.01)
    assert 0 < size_of("a") < 200
