"""Pictures to latents and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from studio.diffusion.decode import decode, encode
from studio.diffusion.families.qwen_image import _latents as qwen_latents
from studio.diffusion.family import families
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Checkpoint, LatentFormat, LoadedVAE
from studio.graph.errors import ValueRefused
from tests.diffusion import test_qwen_image, test_sana, tiny
from tests.diffusion.analytic import distance


@pytest.fixture
def vae(sd1: Checkpoint) -> LoadedVAE:
    assert sd1.vae is not None
    return sd1.vae


def latent(batch: int = 1, size: int = 8) -> torch.Tensor:
    return torch.randn(batch, 4, size, size, generator=torch.Generator().manual_seed(0))


def test_pictures_are_float32_between_0_and_1_channels_last(vae: LoadedVAE) -> None:
    found = decode(vae, latent(2) * 50)
    assert found.shape == (2, 16, 16, 3)
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    assert 0 <= float(found.min()) < float(found.max()) <= 1


def test_a_batch_is_decoded_item_by_item(vae: LoadedVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    inner = vae.network.decode
    monkeypatch.setattr(vae.network, "decode", lambda x, **more: seen.append(len(x)) or inner(x, **more))
    together = decode(vae, latent(3))
    assert seen == [1, 1, 1]
    assert torch.equal(together[1:2], decode(vae, latent(3)[1:2]))


def test_encoding_is_the_posteriors_mean_or_a_seeded_sample(vae: LoadedVAE) -> None:
    picture = torch.rand(2, 16, 16, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        posterior = vae.network.encode(picture.permute(0, 3, 1, 2).contiguous() * 2 - 1).latent_dist  # type: ignore[operator]
    assert distance(encode(vae, picture), posterior.mode() * 0.18215) < 1e-6
    one, other = (encode(vae, picture, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5))
    assert torch.equal(one, other)
    assert not torch.equal(one, encode(vae, picture))


def test_scaling_and_shift_are_the_formats(vae: LoadedVAE) -> None:
    shifted = replace(vae, latents=replace(vae.latents, scaling=2.0, shift=0.5))
    plain = replace(vae, latents=replace(vae.latents, scaling=1.0, shift=0.0))
    x = latent()
    assert torch.equal(decode(shifted, x), decode(plain, x / 2.0 + 0.5))
    picture = torch.rand(1, 16, 16, 3)
    assert distance(encode(shifted, picture), (encode(plain, picture) - 0.5) * 2.0) < 1e-6


def test_odd_edges_are_cut_to_whole_latent_pixels(vae: LoadedVAE) -> None:
    picture = torch.rand(1, 17, 19, 3)
    assert torch.equal(encode(vae, picture), encode(vae, picture[:, :16, :18]))


def test_tiles_differ_little_and_leave_the_vae_as_it_was(vae: LoadedVAE) -> None:
    before = dict(vars(vae.network))
    whole = decode(vae, latent(size=48) * 0.1)
    tiled = decode(vae, latent(size=48) * 0.1, tile=64)
    assert tiled.shape == whole.shape
    assert not torch.equal(tiled, whole)
    assert float((tiled - whole).abs().mean()) < 0.05
    assert {name: value for name, value in vars(vae.network).items() if name.startswith(("tile", "use_"))} == {
        name: value for name, value in before.items() if name.startswith(("tile", "use_"))
    }
    picture = torch.rand(1, 96, 96, 3)
    assert encode(vae, picture, tile=64).shape == encode(vae, picture).shape


def largest(vae: LoadedVAE, run: Foreign) -> int:
    """Numbers in the largest output of any layer while something runs."""
    found: list[int] = []
    hooks = [
        layer.register_forward_hook(lambda _, __, output: found.append(output.numel()))
        for layer in vae.network.modules()
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Conv3d))
    ]
    run()
    for hook in hooks:
        hook.remove()
    return max(found)


@pytest.mark.parametrize("kind", ["kl", "qwen", "dc"])
def test_in_tiles_a_large_picture_takes_the_memory_of_a_tile(vae: LoadedVAE, kind: str) -> None:
    if kind == "qwen":
        made: Foreign = test_qwen_image.pipeline().vae
        vae = LoadedVAE(families()["qwen_image"], made, qwen_latents(made.config))
    elif kind == "dc":
        vae = LoadedVAE(families()["sana"], test_sana.dc_ae(), LatentFormat(4, 2))
    small, large = (torch.rand(1, edge, edge, 3) for edge in (64, 160))
    whole = [largest(vae, lambda one=one: decode(vae, encode(vae, one))) for one in (small, large)]
    tiled = [largest(vae, lambda one=one: decode(vae, encode(vae, one, tile=32), tile=32)) for one in (small, large)]
    assert whole[1] > 4 * whole[0]
    assert tiled[1] == tiled[0] < whole[0]


@pytest.mark.parametrize("damaged", ["vae", "latent"])
def test_a_picture_with_holes_is_refused_and_says_why(vae: LoadedVAE, damaged: str) -> None:
    network: Foreign = tiny.vae()
    given = latent()
    if damaged == "vae":
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(torch.nan)
    else:
        given[0, 0, 0, 0] = torch.nan
    broken = replace(vae, network=network)
    with pytest.raises(ValueRefused, match="not finite") as caught:
        decode(broken, given)
    assert caught.value.socket == damaged
    if damaged == "vae":
        with pytest.raises(ValueRefused, match="float32"):
            encode(broken, torch.rand(1, 16, 16, 3))


@pytest.mark.parametrize("shape", [(1, 5, 8, 8), (4, 8, 8), (1, 4, 0, 8), (1, 4, 2, 8, 8)])
def test_a_latent_of_another_format_is_refused(vae: LoadedVAE, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueRefused) as caught:
        decode(vae, torch.zeros(shape))
    assert caught.value.socket == "latent"


@pytest.mark.parametrize("shape", [(1, 16, 16, 4), (16, 16, 3), (1, 1, 16, 3), (1, 0, 0, 3)])
def test_a_picture_of_another_shape_is_refused(vae: LoadedVAE, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueRefused) as caught:
        encode(vae, torch.zeros(shape))
    assert caught.value.socket == "image"


def test_the_factor_is_the_vaes_own(vae: LoadedVAE) -> None:
    from studio.diffusion.families.shared import kl_latents

    larger: Foreign = tiny.vae(blocks=3)
    assert kl_latents(larger.config).factor == 4
    assert decode(LoadedVAE(vae.family, larger, kl_latents(larger.config)), latent(size=4)).shape == (1, 16, 16, 3)
