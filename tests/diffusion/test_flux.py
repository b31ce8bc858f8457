"""Flux.1: equal to the pipeline bit for bit, dev and schnell; found by its headers; network files."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FluxControlNetModel,
    FluxControlNetPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
)
from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextModel

from studio.diffusion import schedules
from studio.diffusion.controlnet import Controlled, LoadedControlNet
from studio.diffusion.decode import decode
from studio.diffusion.family import families
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Conditioned
from studio.diffusion.noise import seeded_noise
from studio.diffusion.noise_schedule import FlowSchedule
from studio.diffusion.regions import Control, Part
from studio.diffusion.sampling import make_denoiser, sample
from studio.diffusion.timing import Curve, Window
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.diffusion.weights.header import TensorInfo
from studio.graph.errors import ValueRefused
from studio.resources import resource
from tests.diffusion import tiny
from tests.diffusion.analytic import distance
from tests.diffusion.conftest import FLOAT32
from tests.diffusion.pipelines import HEIGHT, PROMPTS, WIDTH, drive, encoded, opened, run_theirs

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*SwigPy.*:DeprecationWarning"),
]

DYNAMIC = {"shift": 3.0, "use_dynamic_shifting": True}


def network(*, guided: bool = True, channels: int = 64) -> FluxTransformer2DModel:
    torch.manual_seed(1)
    return tiny.awake(
        FluxTransformer2DModel(
            patch_size=1,
            in_channels=channels,
            out_channels=64,
            num_layers=2,
            num_single_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            guidance_embeds=guided,
            axes_dims_rope=(4, 4, 8),
        )
    )


def pipeline(*, guided: bool = True, channels: int = 64) -> FluxPipeline:
    torch.manual_seed(0)
    return FluxPipeline(
        transformer=network(guided=guided, channels=channels),
        vae=tiny.vae(0.3611, latent_channels=16, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=CLIPTextModel(tiny.text_config(32)).eval(),
        text_encoder_2=tiny.t5(32),
        tokenizer=tiny.tokenizer(),
        tokenizer_2=tiny.t5_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(**(DYNAMIC if guided else {"shift": 1.0})),
    )


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(pipeline(), tmp_path_factory.mktemp("models") / "flux")


@pytest.fixture(scope="module")
def schnell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(pipeline(guided=False), tmp_path_factory.mktemp("models") / "flux")


def theirs(folder: Path, prompts: Sequence[str], steps: int, guidance: float) -> tuple[Tensor, Tensor, Foreign]:
    """(latent in our layout, picture, the scheduler as the run left it)."""
    found = opened(folder)
    options = {"num_inference_steps": steps, "guidance_scale": guidance, "width": WIDTH, "height": HEIGHT}
    packed, picture = run_theirs(found, prompts, **options)
    return found._unpack_latents(packed, HEIGHT, WIDTH, found.vae_scale_factor), picture, found.scheduler


@pytest.mark.parametrize(("which", "guidance"), [("dev", 3.5), ("dev", 1.0), ("schnell", 1.0)])
def test_denoising_with_the_pipelines_own_scheduler_is_the_pipeline_bit_for_bit(
    which: str, guidance: float, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(which)
    checkpoint = load_checkpoint(path, FLOAT32)
    latent, picture, steps = theirs(path, PROMPTS, 4, guidance)
    model = checkpoint.model
    guided = make_denoiser(model, encoded(checkpoint, PROMPTS), None, guidance)
    x = drive(guided.prediction, steps, seeded_noise(5, model.latents.shape(WIDTH, HEIGHT, batch=2)))
    assert torch.equal(x, latent)
    assert checkpoint.vae is not None
    assert torch.equal(decode(checkpoint.vae, x), picture)


def test_our_own_run_is_the_pipeline_up_to_rounding(dev: Path) -> None:
    checkpoint = load_checkpoint(dev, FLOAT32)
    latent, _, scheduler = theirs(dev, PROMPTS[:1], 6, 4.0)
    sigmas = tuple(float(sigma) for sigma in scheduler.sigmas)
    empty = torch.zeros(checkpoint.model.latents.shape(WIDTH, HEIGHT))
    *_, state = sample(checkpoint.model, encoded(checkpoint, PROMPTS[:1]), None, empty, sigmas, guidance=4.0, seed=5)
    assert distance(state.latent, latent) < 1e-5


def test_sigmas_are_the_pipelines_at_the_size_the_model_was_trained_at(dev: Path, schnell: Path) -> None:
    model = load_checkpoint(dev, FLOAT32).model
    assert model.noise == FlowSchedule(math.exp(1.15))
    scheduler = FlowMatchEulerDiscreteScheduler(**DYNAMIC)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / 20, 20), mu=1.15)
    ours = schedules.sigmas("simple", model.noise, 20)
    assert np.allclose(ours, scheduler.sigmas, rtol=1e-5)
    assert load_checkpoint(schnell, FLOAT32).model.noise == FlowSchedule(1.0)


def test_schnell_without_a_negative_wants_guidance_1(schnell: Path) -> None:
    checkpoint = load_checkpoint(schnell, FLOAT32)
    empty = torch.zeros(checkpoint.model.latents.shape(WIDTH, HEIGHT))
    with pytest.raises(ValueRefused) as caught:
        sample(checkpoint.model, encoded(checkpoint, ["a"]), None, empty, (1.0, 0.0), guidance=3.5)
    assert caught.value.socket == "negative"


def original(channels: int, *, guided: bool) -> dict[str, Tensor]:
    """A network of full size under the names of Black Forest Labs' own file, without its numbers."""
    width, weights = 3072, {}

    def linear(name: str, rows: int, columns: int) -> None:
        weights[f"{name}.weight"], weights[f"{name}.bias"] = torch.empty(rows, columns), torch.empty(rows)

    linear("img_in", width, channels)
    linear("txt_in", width, 4096)
    for name, columns in (("time_in", 256), ("vector_in", 768), *((("guidance_in", 256),) if guided else ())):
        linear(f"{name}.in_layer", width, columns)
        linear(f"{name}.out_layer", width, width)
    for block in range(19):
        for half in ("img", "txt"):
            part = f"double_blocks.{block}.{half}"
            linear(f"{part}_mod.lin", 6 * width, width)
            linear(f"{part}_attn.qkv", 3 * width, width)
            linear(f"{part}_attn.proj", width, width)
            linear(f"{part}_mlp.0", 4 * width, width)
            linear(f"{part}_mlp.2", width, 4 * width)
            weights |= {f"{part}_attn.norm.{kind}_norm.scale": torch.empty(128) for kind in ("query", "key")}
    for block in range(38):
        part = f"single_blocks.{block}"
        linear(f"{part}.modulation.lin", 3 * width, width)
        linear(f"{part}.linear1", 7 * width, width)
        linear(f"{part}.linear2", width, 5 * width)
        weights |= {f"{part}.norm.{kind}_norm.scale": torch.empty(128) for kind in ("query", "key")}
    linear("final_layer.adaLN_modulation.1", 2 * width, width)
    linear("final_layer.linear", 64, width)
    return weights


@pytest.mark.parametrize("config", ["transformer", "transformer_schnell"])
def test_the_authors_own_file_fits_our_config(config: str) -> None:
    """Diffusers' converter knows full size only; on the meta device it can be asked where every tensor goes."""
    stated = json.loads(resource("families", "flux", config, "config.json").read_text())
    with torch.device("meta"):
        ours = FluxTransformer2DModel.from_config(stated).state_dict()
        converted = convert_flux_transformer_checkpoint_to_diffusers(original(64, guided=stated["guidance_embeds"]))
    assert {name: one.shape for name, one in converted.items()} == {name: one.shape for name, one in ours.items()}


@pytest.mark.parametrize(
    ("config", "channels", "variant"),
    [("transformer", 64, ""), ("transformer_schnell", 64, "schnell"), ("transformer", 384, "fill")],
)
def test_full_size_networks_are_known_by_their_headers(config: str, channels: int, variant: str) -> None:
    stated = json.loads(resource("families", "flux", config, "config.json").read_text())
    with torch.device("meta"):
        found = FluxTransformer2DModel.from_config({**stated, "in_channels": channels})
    names = {name: TensorInfo("BF16", tuple(tensor.shape)) for name, tensor in found.state_dict().items()}
    with torch.device("meta"):
        weights = original(channels, guided=stated["guidance_embeds"])
    original_names = {name: TensorInfo("BF16", tuple(tensor.shape)) for name, tensor in weights.items()}
    prefixed = {f"model.diffusion_model.{name}": info for name, info in original_names.items()}
    for tensors, layout in ((names, "diffusers"), (original_names, "ldm"), (prefixed, "ldm")):
        claims = [claim for family in families().values() if (claim := family.detect(tensors))]
        assert [(claim.family, claim.variant, claim.layout) for claim in claims] == [("flux", variant, layout)]


def test_a_file_of_the_network_alone_is_the_folders_network(dev: Path, tmp_path: Path) -> None:
    file = tmp_path / "flux.safetensors"
    save_file(network().state_dict(), file)
    assert identify(file).kind == "file"
    loaded, whole = load_checkpoint(file, FLOAT32, config=dev), load_checkpoint(dev, FLOAT32)
    saved = whole.model.network.state_dict()
    assert all(torch.equal(tensor, saved[name]) for name, tensor in loaded.model.network.state_dict().items())
    assert (loaded.text_encoder, loaded.vae) == (None, None)
    assert (loaded.model.latents, loaded.model.noise) == (whole.model.latents, whole.model.noise)


def test_what_does_not_fit_is_refused(dev: Path) -> None:
    checkpoint = load_checkpoint(dev, FLOAT32)
    positive = encoded(checkpoint, ["a"])
    assert checkpoint.text_encoder is not None
    with pytest.raises(ValueRefused) as caught:
        checkpoint.model.family.encode(checkpoint.text_encoder, ["a"], skip_layers=1)
    assert caught.value.socket == "skip_layers"
    with pytest.raises(ValueRefused) as caught:
        sample(checkpoint.model, positive, None, torch.zeros(1, 16, 5, 8), (1.0, 0.0))
    assert caught.value.socket == "latent"
    other = Conditioned(torch.zeros(1, 4, 48), positive.pooled)
    with pytest.raises(ValueRefused) as caught:
        list(sample(checkpoint.model, other, None, torch.zeros(1, 16, 8, 8), (1.0, 0.0)))
    assert caught.value.socket == "positive"


@pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning")
def test_a_control_net_is_the_pipeline_bit_for_bit(dev: Path) -> None:
    checkpoint = load_checkpoint(dev, FLOAT32)
    model = checkpoint.model
    net = tiny.awake(
        FluxControlNetModel.from_transformer(model.network, 1, 1, attention_head_dim=16, num_attention_heads=2)
    )
    found = FluxControlNetPipeline(**opened(dev).components, controlnet=net)
    found.set_progress_bar_config(disable=True)
    hint = torch.randn(model.latents.shape(WIDTH, HEIGHT), generator=torch.Generator().manual_seed(2))
    scaled = (hint - model.latents.shift) * model.latents.scaling
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(found.vae, "encode", lambda _: SimpleNamespace(latents=hint))
        packed = found(
            PROMPTS[0],
            num_inference_steps=4,
            guidance_scale=3.5,
            generator=torch.Generator().manual_seed(5),
            control_image=torch.zeros(1, 3, HEIGHT, WIDTH),
            controlnet_conditioning_scale=0.7,
            control_guidance_start=0.25,
            width=WIDTH,
            height=HEIGHT,
            output_type="latent",
        ).images
    latent = found._unpack_latents(packed, HEIGHT, WIDTH, found.vae_scale_factor)
    steering = Controlled(LoadedControlNet("FluxControlNetModel", net), lambda height, width: scaled, b"")
    part = Part(encoded(checkpoint, PROMPTS[:1]), controls=(Control(steering, Curve.level(0.7), Window(0.25, 1)),))
    sigmas = [float(sigma) for sigma in found.scheduler.sigmas]
    guided = make_denoiser(model, [part], None, 3.5, sigmas)
    x, steps = seeded_noise(5, model.latents.shape(WIDTH, HEIGHT)), found.scheduler
    steps._step_index = None
    for step, time in enumerate(steps.timesteps):
        x = steps.step(guided.prediction(x, float(time), step), time, x).prev_sample
    assert torch.equal(x, latent)
