"""Pictures: what they accept, and their small algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studio.graph.errors import ValueRefused
from studio.sdk import Image, Mask

COLOURS = Image.of([[[1.0, 0, 0], [0, 1.0, 0]], [[0, 0, 1.0], [1.0, 1, 1]]])


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (np.zeros((2, 3)), (1, 2, 3, 1)),
        (np.zeros((2, 3, 3)), (1, 2, 3, 3)),
        (np.zeros((4, 2, 3, 4)), (4, 2, 3, 4)),
    ],
)
def test_missing_dimensions_are_added(values: Any, shape: tuple[int, ...]) -> None:  # noqa: ANN401
    assert Image.of(values).pixels.shape == shape


def test_bytes_are_taken_as_0_to_255_and_come_back() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.of(values)
    assert image.pixels.max() == 1.0
    np.testing.assert_array_equal(image.to_uint8()[0, :, :, 0], values)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((2, 2), np.float32), np.zeros((1, 2, 2, 2), np.float32), np.zeros((1, 0, 2, 3), np.float32), np.zeros((1, 2, 2, 3)), [[1.0]]],
)  # fmt: skip
def test_other_shapes_and_number_types_are_refused(pixels: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueRefused):
        Image(pixels)


def test_pixels_cannot_be_written_to_by_whoever_made_them() -> None:
    own = np.zeros((1, 2, 2, 1), np.float32)
    image = Image(own)
    assert np.shares_memory(image.pixels, own)
    with pytest.raises(ValueError, match="read-only"):
        own[0] = 1
    base = np.zeros((4, 2, 2, 1), np.float32)
    part = Image(base[1:2])
    base[:] = 1
    assert part.mean() == 0


def test_arithmetic() -> None:
    grey = Image.of([[0.25, 0.5]])
    for result, expected in [
        (1 - grey, [0.75, 0.5]),
        (grey + 0.25, [0.5, 0.75]),
        (0.25 + grey, [0.5, 0.75]),
        (grey - 0.25, [0.0, 0.25]),
        (grey * 2, [0.5, 1.0]),
        (2 * grey, [0.5, 1.0]),
        (grey / 2, [0.125, 0.25]),
        (grey + grey, [0.5, 1.0]),
        (grey * grey, [0.0625, 0.25]),
        (np.float64(1) - grey, [0.75, 0.5]),
        (grey.lerp(1 - grey, 0.5), [0.5, 0.5]),
        ((grey * 4).clamped(), [1.0, 1.0]),
    ]:
        assert result.pixels.ravel().tolist() == expected


def test_pictures_that_do_not_match_are_not_combined() -> None:
    with pytest.raises(ValueRefused, match=r"2 x 2, 3 channels.*2 x 1, 1 channel"):
        _ = COLOURS + Image.of([[0.0, 1.0]])


def test_brightness_weighs_colours_as_the_eye_does() -> None:
    assert COLOURS.gray().pixels.ravel() == pytest.approx([0.2126, 0.7152, 0.0722, 1.0])


def test_channels() -> None:
    clear = COLOURS.rgba() * 0.5
    assert clear.alpha().values.ravel().tolist() == [0.5] * 4
    assert clear.rgb().channels == 3
    assert COLOURS.alpha().mean() == 1.0
    assert Image.of([[0.5]]).rgb().pixels.ravel().tolist() == [0.5] * 3


def test_batches_are_taken_apart_and_put_together() -> None:
    batch = Image.stack([COLOURS, 1 - COLOURS])
    assert (batch.batch, len(batch)) == (2, 2)
    assert batch[-1].mean() == pytest.approx((1 - COLOURS).mean())
    assert [one.mean() for one in batch] == [COLOURS.mean(), (1 - COLOURS).mean()]
    with pytest.raises(IndexError):
        batch[2]
    with pytest.raises(ValueRefused, match="2 x 2 and 1 x 1 differ"):
        Image.stack([COLOURS, Image.of([[0.0]])])
    with pytest.raises(ValueRefused, match="no picture"):
        Image.stack([])


def test_map_may_change_the_size_and_drop_a_lone_channel() -> None:
    grey = Image.of(np.zeros((2, 4, 6, 1)))
    assert grey.map(lambda picture: picture[::2, ::2, 0] + 1).pixels.shape == (2, 2, 3, 1)


@pytest.mark.parametrize("method", ["nearest", "linear", "cubic", "area", "lanczos"])
def test_resizing_keeps_a_flat_colour(method: str) -> None:
    flat = Image.solid(8, 6, (0.25, 0.5, 0.75))
    for size in ((3, 5), (20, 13)):
        resized = flat.resized(*size, method)
        assert resized.size == size
        np.testing.assert_allclose(
            resized.pixels, np.broadcast_to(flat.pixels[0, 0, 0], resized.pixels.shape), atol=1e-5
        )


def test_area_averages() -> None:
    assert Image.of([[0.0, 1.0, 1.0, 1.0]]).resized(2, 1).pixels.ravel().tolist() == [0.5, 1.0]


def test_cropping() -> None:
    assert COLOURS.cropped(1, 0, 1, 2).pixels.reshape(2, 3).tolist() == [[0, 1, 0], [1, 1, 1]]
    with pytest.raises(ValueRefused, match="does not lie inside"):
        COLOURS.cropped(1, 0, 2, 2)


def test_the_gradient_is_steepest_at_an_edge() -> None:
    edge = Image.of([[0.0, 0.0, 1.0, 1.0]] * 4)
    assert edge.gradient().max() == 1.0
    assert edge.gradient().sum() == 4.0


def test_masks_and_pictures() -> None:
    mask = Mask.of(np.array([[True, False]]))
    assert Mask.from_image(mask.image()).values.tolist() == mask.values.tolist()
    assert mask.inverted().values.ravel().tolist() == [0.0, 1.0]
    assert mask.resized(4, 2).size == (4, 2)
    assert Mask.of(np.array([[255, 0]], dtype=np.uint8)).mean() == 0.5
