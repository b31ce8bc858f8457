"""Previews: colours of the predicted x0, whatever the latent."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from studio.diffusion.decode import decode, encode
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Checkpoint, LoadedVAE
from studio.diffusion.preview import (
    Projection,
    ProjectionOf,
    fit_projection,
    known_projection,
    preview,
    with_previews,
)
from studio.diffusion.step import StepState
from tests.diffusion import tiny


@pytest.fixture
def vae(sd1: Checkpoint) -> LoadedVAE:
    assert sd1.vae is not None
    return sd1.vae


CHECK = Projection(torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0]]), torch.tensor([0.0, 0.0, 0.5]))


def test_a_latent_pixel_becomes_its_projected_colour() -> None:
    latent = torch.zeros(1, 4, 2, 3)
    latent[0, :, 1, 2] = torch.tensor([1.0, 0.2, -2.0, 9.0])
    pixels = preview(latent, CHECK)
    assert pixels.shape == (2, 3, 3)
    assert pixels.dtype == np.uint8
    assert pixels[1, 2].tolist() == [255, 51, 0]
    assert pixels[0, 0].tolist() == [0, 0, 128]


def test_a_fitted_projection_shows_the_pictures_colours(starter: Checkpoint) -> None:
    assert starter.vae is not None
    projection = fit_projection(starter.vae)
    for colour in ((220, 40, 40), (40, 90, 215), (50, 165, 70), (250, 220, 50), (25, 25, 28), (248, 248, 245)):
        picture = (torch.tensor(colour) / 255).expand(1, 64, 64, 3)
        shown = preview(encode(starter.vae, picture), projection)
        assert np.abs(shown.astype(int) - colour).mean() < 40


def test_a_fit_is_made_once_for_equal_weights(vae: LoadedVAE, sd1: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fit_projection(vae)
    monkeypatch.setattr("studio.diffusion.preview._fit", lambda _: pytest.fail("fitted again"))
    assert fit_projection(LoadedVAE(sd1.model.family, tiny.vae(), vae.latents)) is first
    other: Foreign = tiny.vae()
    with torch.no_grad():
        other.encoder.conv_in.weight += 1
    monkeypatch.setattr("studio.diffusion.preview._fit", lambda _: CHECK)
    assert fit_projection(LoadedVAE(sd1.model.family, other, vae.latents)) is CHECK


@pytest.mark.parametrize(
    ("family", "channels"), [("flux", 16), ("qwen_image", 16), ("sd3", 16), ("sdxl", 4), ("z_image", 16)]
)
def test_published_factors_stand_in_for_a_vae(family: str, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.diffusion.preview._latest", {})
    published = known_projection(family)
    assert published is not None
    assert published.weight.shape == (3, channels)
    middle = preview(torch.zeros(1, channels, 1, 1), published)[0, 0]
    assert ((middle > 80) & (middle < 180)).all(), "nothing is about the middle of what a picture is"
    monkeypatch.setattr("studio.diffusion.preview._latest", {family: CHECK})
    assert known_projection(family) is CHECK
    assert known_projection("flux2") is None


def test_a_projection_keeps_no_vae_alive_and_is_grey_without_it(vae: LoadedVAE) -> None:
    network: Foreign = tiny.vae()
    with torch.no_grad():
        network.encoder.conv_in.bias += 3
    source = ProjectionOf(LoadedVAE(vae.family, network, vae.latents))
    del network
    gc.collect()
    assert source() is None
    assert ProjectionOf(LoadedVAE(vae.family, tiny.vae().to("meta"), vae.latents))() is None
    assert isinstance(ProjectionOf(vae)(), Projection)


@pytest.mark.parametrize(
    "shape", [(1, 16, 8, 8), (1, 7, 5, 6), (1, 1, 8, 8), (2, 128, 4, 4), (1, 8, 64), (3, 5), (1, 16, 3, 8, 8), (9,)]
)
def test_an_unknown_format_is_grey_and_never_fails(shape: tuple[int, ...]) -> None:
    latent = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for projection in (CHECK, None):
        pixels = preview(latent, projection)
        assert pixels.ndim == 3
        assert pixels.shape[-1] == 3
        assert (pixels == pixels[..., :1]).all(), "grey"
        assert pixels.max() > pixels.min(), "and not blank"


@pytest.mark.parametrize("fill", [float("nan"), float("inf"), -float("inf"), 0.0])
def test_a_broken_latent_has_a_preview_too(fill: float) -> None:
    for projection in (CHECK, None):
        assert preview(torch.full((1, 4, 4, 4), fill), projection).shape == (4, 4, 3)


def test_a_batch_is_a_grid_and_a_video_its_middle_frame() -> None:
    latent = torch.zeros(3, 4, 2, 2)
    latent[2, 0] = 1.0
    pixels = preview(latent, CHECK)
    assert pixels.shape == (4, 4, 3)
    assert pixels[2:, :2, 0].min() == 255, "the third item begins the second row"
    assert pixels[2:, 2:].max() == 0, "the last place is empty"
    video = torch.zeros(1, 4, 5, 2, 2)
    video[:, 0, 2] = 1.0
    assert preview(video, CHECK)[..., 0].min() == 255


def test_every_state_has_its_preview_and_closing_reaches_the_run() -> None:
    closed = []

    def states() -> Foreign:
        try:
            for i in range(5):
                yield StepState(i + 1, 4.0 - i, torch.zeros(1, 4, 2, 2), torch.full((1, 4, 2, 2), i / 4))
        finally:
            closed.append(True)

    shown = [
        (state.index, int(pixels[0, 0, 0])) for state, pixels in with_previews(states(), CHECK) if pixels is not None
    ]
    assert shown == [(1, 0), (2, 64), (3, 128), (4, 191), (5, 255)]
    closed.clear()
    run = with_previews(states(), CHECK)
    next(run)
    run.close()
    assert closed == [True]


def test_the_preview_of_a_finished_run_looks_like_the_picture(starter: Checkpoint) -> None:
    from studio.diffusion.sampling import sample
    from studio.diffusion.schedules import sigmas

    model, encoder = starter.model, starter.text_encoder
    assert encoder is not None
    assert starter.vae is not None
    positive, negative = (
        model.family.encode(encoder, [text]).conditioned for text in ("a large red circle on a blue background", "")
    )
    levels = sigmas("trailing", model.noise, 12)
    *_, state = sample(model, positive, negative, torch.zeros(model.latents.shape(*model.size)), levels, guidance=3.0)
    pixels = preview(state.denoised, model.projection()).astype(int)
    factor = model.latents.factor
    picture = decode(starter.vae, state.latent)[0].permute(2, 0, 1)
    small = torch.nn.functional.avg_pool2d(picture, factor).permute(1, 2, 0).numpy() * 255
    assert np.abs(pixels - small).mean() < 30
