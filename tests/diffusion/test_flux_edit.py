"""Flux.1 Kontext and Fill: equal to their pipelines bit for bit; pictures to go by come from a node."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import FluxFillPipeline, FluxKontextPipeline
from torch import Tensor

from nodes.model import LoadedCheckpoint, load
from nodes.reference import reference
from studio.diffusion.decode import decode, encode
from studio.diffusion.denoise import OneForward
from studio.diffusion.foreign import Foreign
from studio.diffusion.guidance import Guided
from studio.diffusion.masks import Inpainting
from studio.diffusion.model import Checkpoint, Conditioned
from studio.diffusion.noise import seeded_noise
from studio.diffusion.sampling import make_denoiser, sample
from studio.diffusion.weights.checkpoint import load_checkpoint
from studio.graph.errors import ValueRefused
from studio.sdk import Conditioning, Image
from studio.sdk.testing import run_node
from tests.diffusion import tiny
from tests.diffusion.analytic import distance
from tests.diffusion.conftest import FLOAT32
from tests.diffusion.pipelines import HEIGHT, PROMPTS, WIDTH, drive, encoded, run_theirs
from tests.diffusion.test_flux import pipeline

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*SwigPy.*:DeprecationWarning"),
]

SIZE = {"width": WIDTH, "height": HEIGHT}


@pytest.fixture(scope="module")
def kontext(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(pipeline(), tmp_path_factory.mktemp("models") / "kontext")


@pytest.fixture(scope="module")
def fill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 channels of noise and of the surroundings, and 2 x 2 pixels of the mask, in patches of 2 x 2."""
    return tiny.save(pipeline(channels=64 + 64 + 16), tmp_path_factory.mktemp("models") / "fill")


def opened(kind: Foreign, folder: Path) -> Foreign:
    found = kind.from_pretrained(folder, dtype=torch.float32)
    found.set_progress_bar_config(disable=True)
    found.vae.enable_slicing()
    return found


def picture(width: int, height: int) -> Tensor:
    """(1, 3, height, width) in [0, 1]."""
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(3))


def noise(checkpoint: Checkpoint, batch: int) -> Tensor:
    return seeded_noise(5, checkpoint.model.latents.shape(WIDTH, HEIGHT, batch=batch))


def test_kontext_with_the_pipelines_own_scheduler_is_the_pipeline_bit_for_bit(kontext: Path) -> None:
    checkpoint, found = load_checkpoint(kontext, FLOAT32), opened(FluxKontextPipeline, kontext)
    shown, (width, height) = picture(32, 20), (32, 20)
    options = {"image": shown, "max_area": WIDTH * HEIGHT, "_auto_resize": False, "guidance_scale": 2.5}
    packed, decoded = run_theirs(found, num_inference_steps=4, **options, **SIZE)
    ready = found.image_processor.preprocess(found.image_processor.resize(shown, height, width), height, width)
    latent = found._encode_vae_image(ready, None)
    assert checkpoint.vae is not None
    assert torch.allclose(encode(checkpoint.vae, shown.permute(0, 2, 3, 1)), latent, atol=1e-5)
    text = encoded(checkpoint)
    positive = Conditioned(text.embeds, text.pooled, extras={"reference.0": latent.expand(len(PROMPTS), -1, -1, -1)})
    denoiser = make_denoiser(checkpoint.model, positive, None, 2.5)
    x = drive(denoiser.prediction, found.scheduler, noise(checkpoint, len(PROMPTS)))
    assert torch.equal(x, found._unpack_latents(packed, HEIGHT, WIDTH, found.vae_scale_factor))
    assert torch.equal(decode(checkpoint.vae, x), decoded)


def test_fill_with_the_pipelines_own_scheduler_is_the_pipeline_bit_for_bit(fill: Path) -> None:
    checkpoint, found = load_checkpoint(fill, FLOAT32), opened(FluxFillPipeline, fill)
    model, shown, start = checkpoint.model, picture(WIDTH, HEIGHT), noise(checkpoint, 1)
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, 5:20, 3:17] = 1
    packed = found(
        prompt=PROMPTS[0],
        image=shown,
        mask_image=mask[:, None],
        num_inference_steps=4,
        guidance_scale=30.0,
        latents=found._pack_latents(start, 1, *start.shape[1:]),
        generator=torch.Generator().manual_seed(7),
        output_type="latent",
        **SIZE,
    ).images
    grey = found.image_processor.preprocess(shown, HEIGHT, WIDTH) * (1 - mask)
    drawn = found.vae.encode(grey).latent_dist.sample(torch.Generator().manual_seed(7))
    surroundings = (drawn - model.latents.shift) * model.latents.scaling
    beside = model.family.inpainting_channels(model, mask, surroundings)
    denoiser = Guided(model, OneForward(model, 30.0), encoded(checkpoint, PROMPTS[:1]), beside=beside)
    x = drive(denoiser.prediction, found.scheduler, start)
    latent = found._unpack_latents(packed, HEIGHT, WIDTH, found.vae_scale_factor)
    assert torch.equal(x, latent)
    sigmas = tuple(float(sigma) for sigma in found.scheduler.sigmas)
    *_, state = sample(
        model,
        encoded(checkpoint, PROMPTS[:1]),
        None,
        torch.zeros_like(start),
        sigmas,
        guidance=30.0,
        noise=start,
        inpainting=Inpainting(mask, surroundings=surroundings),
    )
    inside = latent[..., 4:9, 3:8]
    assert distance(state.latent[..., 4:9, 3:8], inside) < 1e-5
    assert state.latent[..., :2, :].abs().max() == 0, "outside of the mask is the latent that was given"


def test_fill_without_a_picture_is_refused(fill: Path) -> None:
    checkpoint = load_checkpoint(fill, FLOAT32)
    with pytest.raises(ValueRefused, match="36 channels"):
        list(sample(checkpoint.model, encoded(checkpoint, ["a"]), None, torch.zeros(1, 16, 8, 8), (1.0, 0.0)))


@pytest.fixture
def parts(kontext: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedCheckpoint:
    monkeypatch.setattr("studio.library.models.resolve", lambda model, kind: kontext)
    monkeypatch.setattr("studio.library.models.content_hash", lambda path: str(kontext))
    return LoadedCheckpoint(*run_node(load, model="model", precision="float32"))


def test_the_node_shows_pictures_one_after_the_other_and_makes_large_ones_smaller(parts: LoadedCheckpoint) -> None:
    plain = Conditioning({"embeds": torch.zeros(2, 4, 32), "pooled": torch.zeros(2, 32)}, "flux")
    small, wide = Image.of([[0.0, 1.0] * 8] * 16), Image.of([[0.5] * 512] * 256)
    once = run_node(reference, conditioning=plain, image=small, vae=parts.vae)
    twice = run_node(reference, conditioning=once, image=wide, vae=parts.vae, largest=0.1)
    assert twice.tensors["extras.reference.0"].shape == (2, 16, 8, 8)
    # A tenth of a megapixel of 2 : 1 is 457 x 228 pixels.
    assert twice.tensors["extras.reference.1"].shape == (2, 16, 114, 228)
    assert torch.equal(twice.tensors["embeds"], plain.tensors["embeds"])


def test_families_that_go_by_no_pictures_say_so(parts: LoadedCheckpoint) -> None:
    plain = Conditioning({"embeds": torch.zeros(1, 4, 32)}, "sdxl")
    with pytest.raises(ValueRefused, match=r"Flux\.1, Flux\.2"):
        run_node(reference, conditioning=plain, image=Image.of([[0.0] * 16] * 16), vae=parts.vae)
