"""What values look like."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from studio.diffusion.decode import encode
from studio.diffusion.device import Dtypes
from studio.diffusion.preview import fit_projection
from studio.diffusion.weights.checkpoint import load_checkpoint
from studio.resources import resource
from studio.sdk.values import Audio, Color, Image, Latent, Mask, Mel, Noise, Schedule, Video
from studio.worker.shown import plotted, show


def test_a_picture_is_its_pixels() -> None:
    values = np.linspace(0, 1, 4 * 5 * 3, dtype=np.float32).reshape(4, 5, 3)
    shown = show(Image.of(values))
    assert shown.pixels is not None
    assert (shown.type, shown.width, shown.height, shown.count, shown.text) == ("Image", 5, 4, 1, "")
    assert np.array_equal(shown.pixels, np.rint(values * 255).astype(np.uint8))


def test_grey_pictures_get_three_channels_and_alpha_stays() -> None:
    grey = show(Image.solid(3, 2, [0.2])).pixels
    assert grey is not None
    assert grey.shape == (2, 3, 3)
    assert set(grey.flat) == {51}
    clear = show(Image.solid(3, 2, [1.0, 0.0, 0.0, 0.6])).pixels
    assert clear is not None
    assert clear[0, 0].tolist() == [255, 0, 0, 153]


def test_items_are_counted_through_lists_and_batches() -> None:
    value = [Image.solid(1, 1, [0.0], batch=2), [Image.solid(1, 1, [1.0])], Mask.of(np.full((1, 1), 0.6))]
    levels = []
    for index in (-5, 0, 1, 2, 3, 99):
        shown = show(value, index)
        assert shown.pixels is not None
        assert shown.count == 4
        levels.append(int(shown.pixels[0, 0, 0]))
    assert levels == [0, 0, 0, 255, 153, 153]


def test_a_large_picture_is_averaged_down() -> None:
    board = np.indices((400, 1000)).sum(axis=0) % 2
    shown = show(Image.of(board.astype(np.float32)), largest=100)
    assert shown.pixels is not None
    assert (shown.width, shown.height) == (1000, 400)
    assert shown.pixels.shape == (40, 100, 3)
    line = show(Image.of(np.ones((2, 1000), dtype=np.float32)), largest=100).pixels
    assert line is not None
    assert line.shape[1] == 100


@pytest.mark.parametrize("level", [np.nan, np.inf, -np.inf, -3.0, 7.0])
def test_numbers_out_of_range_are_shown_all_the_same(level: float) -> None:
    shown = show(Image(np.full((1, 2, 2, 3), level, dtype=np.float32)))
    assert shown.pixels is not None
    assert set(shown.pixels.flat) <= {0, 255}


def test_videos_show_their_frames() -> None:
    frames = np.stack([np.full((2, 2, 3), level, dtype=np.uint8) for level in (10, 20, 30)])
    shown = show(Video(frames, 24.0), 1)
    assert shown.pixels is not None
    assert shown.count == 3
    assert set(shown.pixels.flat) == {20}


@pytest.mark.parametrize("shape", [(2, 4, 6, 8), (2, 16, 3, 6, 8), (2, 8, 60)])
def test_latents_and_noise_are_drawn(shape: tuple[int, ...]) -> None:
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for value in (Latent(tensor, "sd1"), Noise(tensor)):
        shown = show(value, 1)
        assert shown.pixels is not None
        assert shown.count == 2
        assert shown.pixels.shape[2] == 3
        assert shown.pixels.std() > 10
        assert "2 x" in shown.text or type(value) is Noise


def test_a_latent_is_shown_in_the_colours_of_its_familys_vae() -> None:
    vae = load_checkpoint(resource("starters", "picture"), Dtypes.all(torch.float32)).vae
    assert vae is not None
    fit_projection(vae)
    red = encode(vae, torch.tensor([0.9, 0.1, 0.1]).expand(1, 64, 64, 3))
    shown = show(Latent(red, vae.family.name)).pixels
    assert shown is not None
    assert shown[..., 0].mean() > shown[..., 1].mean() + 80


def test_a_sound_is_drawn_as_its_swing() -> None:
    time = np.linspace(0, 1, 48_000, dtype=np.float32)
    quiet_then_loud = np.where(time < 0.5, 0.1, 0.9) * np.sin(2 * np.pi * 440 * time)
    shown = show(Audio.of(quiet_then_loud, 48_000))
    assert shown.pixels is not None
    white = (shown.pixels[..., 0] > 0).sum(axis=0)
    assert white[100] < white[-100] / 4
    assert "1.00 s" in shown.text
    click = show(Audio.of([0.5], 8000)).pixels
    assert click is not None


def test_a_spectrogram_has_low_bands_at_the_bottom() -> None:
    values = np.zeros((1, 3, 4), dtype=np.float32)
    values[0, 0] = 1.0
    shown = show(Mel(values, 16_000, 256))
    assert shown.pixels is not None
    assert shown.pixels[:, 0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("value", "type", "text"),
    [("words", "Text", "words"), (3, "Int", "3"), (0.5, "Float", "0.5"), (True, "Bool", "True"), ([], "list", "empty")],
)
def test_the_rest_is_put_in_words(value: object, type: str, text: str) -> None:
    shown = show(value)
    assert shown.pixels is None
    assert shown.type == type
    assert text in shown.text


def test_a_colour_says_what_it_is() -> None:
    assert show(Color("#ff0000")).type == "Color"


def test_long_texts_are_cut() -> None:
    assert len(show("x" * 10_000_000).text) < 200_000


def test_a_schedule_is_drawn_over_its_steps() -> None:
    shown = show(Schedule((100.0, 10.0, 1.0, 0.1, 0.0)))
    assert shown.pixels is not None
    assert (shown.type, shown.width, shown.height) == ("Schedule", 1024, 256)
    levels = [int(column.argmax()) for column in shown.pixels[:, ::255, 0].T[:4]]
    assert levels == sorted(levels), "it falls"
    assert np.diff(levels) == pytest.approx(np.diff(levels)[0], abs=3), "in even steps of the logarithm"


def test_a_schedule_gives_its_numbers_to_plot() -> None:
    assert plotted(Schedule((2.0, 1.0, 0.0))) == (2.0, 1.0, 0.0)
    assert plotted([Schedule((3.0, 0.0)), Schedule((2.0, 0.0))]) == (3.0, 0.0)
    long = plotted(Schedule(tuple(float(level) for level in range(5000, -1, -1))))
    assert (len(long), long[0], long[-1]) == (512, 5000.0, 0.0)
    assert plotted(Image.solid(1, 1, [0.0])) == ()
    assert plotted([]) == ()
