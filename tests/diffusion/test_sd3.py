"""Stable Diffusion 3: equal to the pipeline bit for bit, with and without T5; found by its headers; through the nodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    SD3ControlNetModel,
    SD3Transformer2DModel,
    StableDiffusion3ControlNetPipeline,
    StableDiffusion3Pipeline,
)
from diffusers.loaders.single_file_utils import convert_sd3_transformer_checkpoint_to_diffusers
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextModelWithProjection

from studio.diffusion import schedules
from studio.diffusion.controlnet import Controlled, LoadedControlNet
from studio.diffusion.decode import decode, encode
from studio.diffusion.denoise import OneForward
from studio.diffusion.families.sd3 import _config_of
from studio.diffusion.family import families
from studio.diffusion.foreign import Foreign
from studio.diffusion.guidance import AwayFromWeak, Guidance, Guided
from studio.diffusion.model import Checkpoint, Conditioned
from studio.diffusion.noise import seeded_noise
from studio.diffusion.noise_schedule import FlowSchedule
from studio.diffusion.regions import Control, Part
from studio.diffusion.sampling import sample
from studio.diffusion.timing import Curve, Window
from studio.diffusion.weaken import SkippedLayers
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.diffusion.weights.header import TensorInfo
from studio.graph.errors import ModelUnreadable, ValueRefused
from studio.resources import resource
from tests.diffusion import tiny
from tests.diffusion.analytic import distance
from tests.diffusion.conftest import FLOAT32
from tests.diffusion.pipelines import (
    HEIGHT,
    NEGATIVE,
    PROMPTS,
    WIDTH,
    Theirs,
    conditionings,
    drive,
    opened,
    run_theirs,
    through_the_nodes,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*SwigPy.*:DeprecationWarning"),
]


def network(**more: Foreign) -> SD3Transformer2DModel:
    torch.manual_seed(1)
    config = {
        "sample_size": 16,
        "num_layers": 2,
        "attention_head_dim": 8,
        "num_attention_heads": 4,
        "joint_attention_dim": 96,
        "caption_projection_dim": 32,
        "pooled_projection_dim": 32 + 48,
        "pos_embed_max_size": 24,
    }
    return tiny.awake(SD3Transformer2DModel(**{**config, **more}))


def pipeline(*, t5: bool = True, shift: float = 3.0) -> StableDiffusion3Pipeline:
    torch.manual_seed(0)
    return StableDiffusion3Pipeline(
        transformer=network(),
        vae=tiny.vae(1.5305, latent_channels=16, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=CLIPTextModelWithProjection(tiny.text_config(32)).eval(),
        text_encoder_2=CLIPTextModelWithProjection(tiny.text_config(48, hidden_act="gelu")).eval(),
        text_encoder_3=tiny.t5(96) if t5 else None,
        tokenizer=tiny.tokenizer(),
        tokenizer_2=tiny.tokenizer("!"),
        tokenizer_3=tiny.t5_tokenizer() if t5 else None,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=shift),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(pipeline(), tmp_path_factory.mktemp("models") / "sd3")


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without T5."""
    return tiny.save(pipeline(t5=False), tmp_path_factory.mktemp("models") / "sd3")


@pytest.fixture(scope="module")
def sd3(folder: Path) -> Checkpoint:
    return load_checkpoint(folder, FLOAT32)


def theirs(folder: Path, prompts: Sequence[str], steps: int, guidance: float) -> tuple[Theirs, Foreign]:
    """What the pipeline makes, and its scheduler as the run left it."""
    index = json.loads((folder / "model_index.json").read_text())
    found = opened(folder, **{name: None for name, entry in index.items() if entry == [None, None]})
    options = {"negative_prompt": NEGATIVE, "num_inference_steps": steps, "guidance_scale": guidance}
    return run_theirs(found, prompts, width=WIDTH, height=HEIGHT, **options), found.scheduler


@pytest.mark.parametrize("which", ["folder", "small_folder"])
def test_denoising_with_the_pipelines_own_scheduler_is_the_pipeline_bit_for_bit(
    which: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(which)
    checkpoint = load_checkpoint(path, FLOAT32)
    (latent, picture), steps = theirs(path, PROMPTS, 4, 6.0)
    positive, negative = conditionings(checkpoint, PROMPTS)
    model = checkpoint.model
    guided = Guided(model, OneForward(model), positive, negative, 6.0)
    x = drive(guided.prediction, steps, seeded_noise(5, model.latents.shape(WIDTH, HEIGHT, batch=2)))
    assert torch.equal(x, latent)
    assert checkpoint.vae is not None
    assert torch.equal(decode(checkpoint.vae, x), picture)


def test_our_own_run_is_the_pipeline_up_to_rounding(sd3: Checkpoint, folder: Path) -> None:
    (latent, _), scheduler = theirs(folder, PROMPTS[:1], 6, 4.0)
    sigmas = tuple(float(sigma) for sigma in scheduler.sigmas)
    positive, negative = conditionings(sd3, PROMPTS[:1])
    empty = torch.zeros(sd3.model.latents.shape(24, 32))
    *_, state = sample(sd3.model, positive, negative, empty, sigmas, guidance=4.0, seed=5)
    assert distance(state.latent, latent) < 1e-5


def test_the_schedule_has_the_shift_of_the_scheduler_config(sd3: Checkpoint) -> None:
    assert sd3.model.noise == FlowSchedule(3.0)
    assert schedules.sigmas("simple", sd3.model.noise, 2)[1] == pytest.approx(0.75)
    config = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
    assert FlowSchedule.from_config(config, 4096).shift == pytest.approx(2.718281828459045**1.15)
    assert FlowSchedule.from_config({**config, "time_shift_type": "linear"}, 256).shift == 0.5


@pytest.mark.parametrize("config", ["transformer", "transformer_35_medium", "transformer_35_large"])
def test_full_size_networks_are_known_by_their_headers(config: str) -> None:
    with torch.device("meta"):
        found = SD3Transformer2DModel.from_config(
            json.loads(resource("families", "sd3", config, "config.json").read_text())
        )
    tensors = {name: TensorInfo("F16", tuple(tensor.shape)) for name, tensor in found.state_dict().items()}
    claims = [claim for family in families().values() if (claim := family.detect(tensors))]
    assert [(claim.family, claim.variant, claim.layout) for claim in claims] == [("sd3", "", "diffusers")]


@pytest.mark.parametrize("config", ["transformer", "transformer_35_medium", "transformer_35_large"])
def test_the_authors_own_files_fit_our_configs(config: str) -> None:
    stated = json.loads(resource("families", "sd3", config, "config.json").read_text())
    with torch.device("meta"):
        ours = SD3Transformer2DModel.from_config(stated)
        weights = original(ours)
        converted = convert_sd3_transformer_checkpoint_to_diffusers(dict(weights))
    tensors = {name: TensorInfo("F16", tuple(tensor.shape)) for name, tensor in weights.items()}
    claims = [claim for family in families().values() if (claim := family.detect(tensors))]
    assert [(claim.family, claim.variant, claim.layout) for claim in claims] == [("sd3", "", "ldm")]
    assert _config_of(tensors) == config
    expected = {name: one.shape for name, one in ours.state_dict().items()}
    assert {name: one.shape for name, one in converted.items()} == expected


def test_a_folder_is_identified_and_has_the_size_it_was_trained_at(sd3: Checkpoint, folder: Path) -> None:
    assert identify(folder).detected.family == "sd3"
    assert sd3.model.size == (32, 32)
    assert sd3.model.latents.patch == 2
    assert sd3.text_encoder is not None
    assert len(sd3.text_encoder.encoders) == 3


def original(transformer: Foreign) -> dict[str, Tensor]:
    """The network as Stability's own file has it: query, key and value in one, blocks of a context half and a picture half."""
    weights: dict[str, Tensor] = transformer.state_dict()
    names = {
        "pos_embed.pos_embed": "pos_embed",
        "pos_embed.proj": "x_embedder.proj",
        "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
        "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
        "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
        "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
        "context_embedder": "context_embedder",
        "proj_out": "final_layer.linear",
        "norm_out.linear": "final_layer.adaLN_modulation.1",
    }
    parts = {
        "norm1.linear": "x_block.adaLN_modulation.1",
        "norm1_context.linear": "context_block.adaLN_modulation.1",
        "ff.net.0.proj": "x_block.mlp.fc1",
        "ff.net.2": "x_block.mlp.fc2",
        "ff_context.net.0.proj": "context_block.mlp.fc1",
        "ff_context.net.2": "context_block.mlp.fc2",
        "attn.to_out.0": "x_block.attn.proj",
        "attn.to_add_out": "context_block.attn.proj",
        "attn2.to_out.0": "x_block.attn2.proj",
        "attn.norm_q": "x_block.attn.ln_q",
        "attn.norm_k": "x_block.attn.ln_k",
        "attn2.norm_q": "x_block.attn2.ln_q",
        "attn2.norm_k": "x_block.attn2.ln_k",
        "attn.norm_added_q": "context_block.attn.ln_q",
        "attn.norm_added_k": "context_block.attn.ln_k",
    }
    renamed: dict[str, Tensor] = {}
    layers = transformer.config.num_layers
    for name, tensor in weights.items():
        stem = name if name.endswith("pos_embed") else name.rpartition(".")[0]
        kind = name.removeprefix(stem)
        swap = "norm_out" in name or f"transformer_blocks.{layers - 1}.norm1_context" in name
        value = torch.cat(tensor.chunk(2)[::-1]) if swap else tensor
        if stem in names:
            renamed[names[stem] + kind] = value
            continue
        _, block, part = stem.split(".", 2)
        if part in parts:
            renamed[f"joint_blocks.{block}.{parts[part]}{kind}"] = value
    for block in range(layers):
        for part, projections in (
            ("x_block.attn", ("attn.to_q", "attn.to_k", "attn.to_v")),
            ("context_block.attn", ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")),
            ("x_block.attn2", ("attn2.to_q", "attn2.to_k", "attn2.to_v")),
        ):
            for kind in ("weight", "bias"):
                rows = [weights.get(f"transformer_blocks.{block}.{name}.{kind}") for name in projections]
                if whole := [row for row in rows if row is not None]:
                    renamed[f"joint_blocks.{block}.{part}.qkv.{kind}"] = torch.cat(whole)
    return {f"model.diffusion_model.{name}": tensor.contiguous() for name, tensor in renamed.items()}


def test_a_single_file_of_the_network_is_the_folders_network(sd3: Checkpoint, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "sd3.safetensors"
    save_file(original(network()), file)
    assert identify(file).detected.layout == "ldm"
    loaded = load_checkpoint(file, FLOAT32, config=folder)
    saved = sd3.model.network.state_dict()
    assert all(torch.equal(tensor, saved[name]) for name, tensor in loaded.model.network.state_dict().items())
    assert (loaded.text_encoder, loaded.vae) == (None, None)
    assert loaded.model.latents == sd3.model.latents


def test_a_whole_single_file_is_the_folder(sd3: Checkpoint, folder: Path, tmp_path: Path) -> None:
    from tests.diffusion import original as layouts

    made = pipeline()
    weights = original(made.transformer) | layouts.vae(made.vae.state_dict(), 2)
    for part, prefix in ((made.text_encoder, "clip_l"), (made.text_encoder_2, "clip_g")):
        weights |= {f"text_encoders.{prefix}.transformer.{k}": v for k, v in part.state_dict().items()}
    weights |= {f"text_encoders.t5xxl.transformer.{k}": v for k, v in made.text_encoder_3.state_dict().items()}
    file = tmp_path / "sd3.safetensors"
    # Stability's files have no projection for the smaller CLIP; it is the identity there.
    weights.pop("text_encoders.clip_l.transformer.text_projection.weight")
    save_file({name: tensor.clone().contiguous() for name, tensor in weights.items()}, file)
    loaded = load_checkpoint(file, FLOAT32, config=folder, tokenizer=folder / "tokenizer")
    assert loaded.text_encoder is not None
    assert sd3.text_encoder is not None
    pairs = list(zip(loaded.text_encoder.encoders, sd3.text_encoder.encoders, strict=True))
    for mine, other in pairs:
        saved = other.state_dict()
        for name, tensor in mine.state_dict().items():
            assert torch.equal(tensor, saved[name]) or (mine is pairs[0][0] and name == "text_projection.weight")
    assert loaded.vae is not None


def test_a_missing_t5_tokenizer_is_named(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(folder, tmp_path / "model"))
    for file in (copy / "tokenizer_3").iterdir():
        if file.name != "tokenizer_config.json":
            file.unlink()
    with pytest.raises(ModelUnreadable) as caught:
        load_checkpoint(copy, FLOAT32)
    assert caught.value.field == "tokenizer_3"


def test_a_tokenizer_that_needs_another_package_names_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    copy = Path(shutil.copytree(folder, tmp_path / "model"))
    (copy / "tokenizer_3" / "tokenizer.json").unlink()
    (copy / "tokenizer_3" / "spiece.model").write_bytes(b"pieces")
    monkeypatch.setattr("studio.diffusion.weights.tokenizers._installed", lambda module: module != "google.protobuf")
    with pytest.raises(ModelUnreadable, match="package protobuf") as caught:
        load_checkpoint(copy, FLOAT32)
    assert caught.value.field == "tokenizer_3"


def test_what_does_not_fit_is_refused(sd3: Checkpoint) -> None:
    positive, negative = conditionings(sd3, PROMPTS[:1])
    for edges, socket in (((5, 8), "latent"), ((64, 8), "latent")):
        with pytest.raises(ValueRefused) as caught:
            list(sample(sd3.model, positive, negative, torch.zeros(1, 16, *edges), (1.0, 0.0), guidance=4.0))
        assert caught.value.socket == socket
    plain = Conditioned(torch.zeros(1, 4, 96))
    with pytest.raises(ValueRefused) as caught:
        list(sample(sd3.model, plain, None, torch.zeros(1, 16, 8, 8), (1.0, 0.0), guidance=1.0))
    assert caught.value.socket == "positive"


def test_pictures_are_cut_to_what_the_network_takes(sd3: Checkpoint) -> None:
    assert sd3.vae is not None
    assert encode(sd3.vae, torch.rand(1, 19, 23, 3)).shape == (1, 16, 8, 10)
    assert sd3.model.latents.shape(23, 19) == (1, 16, 8, 10)


def test_the_nodes_make_a_picture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = through_the_nodes(folder, monkeypatch)
    assert image.pixels.shape == (1, HEIGHT, WIDTH, 3)
    assert image.pixels.std() > 0


def test_guidance_away_from_skipped_layers_is_the_pipeline(sd3: Checkpoint, folder: Path) -> None:
    found = opened(folder)
    random = torch.Generator().manual_seed(5)
    latent = found(
        PROMPTS[0],
        negative_prompt=NEGATIVE,
        num_inference_steps=4,
        guidance_scale=6.0,
        generator=random,
        width=24,
        height=32,
        skip_guidance_layers=[1],
        skip_layer_guidance_scale=2.8,
        skip_layer_guidance_start=0.01,
        skip_layer_guidance_stop=0.75,
        output_type="latent",
    ).images
    positive, negative = conditionings(sd3, PROMPTS[:1])
    weak = AwayFromWeak(SkippedLayers((1,)), 2.8, Window(0.25, 0.75))
    model, steps = sd3.model, FlowMatchEulerDiscreteScheduler.from_config(found.scheduler.config)
    steps.set_timesteps(4)
    sigmas = [float(sigma) for sigma in steps.sigmas]
    guided = Guided(model, OneForward(model), positive, negative, Guidance(6.0, weak=(weak,)), sigmas=sigmas)
    x = seeded_noise(5, model.latents.shape(24, 32))
    for step, time in enumerate(steps.timesteps):
        x = steps.step(guided.prediction(x, float(time), step), time, x).prev_sample
    assert torch.equal(x, latent)


def test_a_control_net_is_the_pipeline_bit_for_bit(sd3: Checkpoint, folder: Path) -> None:
    net = tiny.awake(
        SD3ControlNetModel.from_transformer(sd3.model.network, num_layers=1, num_extra_conditioning_channels=0)
    )
    found = StableDiffusion3ControlNetPipeline(**opened(folder).components, controlnet=net)
    found.set_progress_bar_config(disable=True)
    hint = torch.randn(sd3.model.latents.shape(WIDTH, HEIGHT), generator=torch.Generator().manual_seed(2))
    # The pipeline encodes the hint with a sample of the posterior: ours is given as it is.
    scaled = hint * sd3.vae.latents.scaling if sd3.vae is not None else hint
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            found.vae,
            "encode",
            lambda _: SimpleNamespace(latent_dist=SimpleNamespace(sample=lambda: hint.repeat(2, 1, 1, 1))),
        )
        latent = found(
            PROMPTS[0],
            negative_prompt=NEGATIVE,
            num_inference_steps=4,
            guidance_scale=6.0,
            generator=torch.Generator().manual_seed(5),
            control_image=torch.zeros(1, 3, HEIGHT, WIDTH),
            controlnet_conditioning_scale=0.7,
            control_guidance_end=0.75,
            width=WIDTH,
            height=HEIGHT,
            output_type="latent",
        ).images
    steering = Controlled(LoadedControlNet("SD3ControlNetModel", net), lambda height, width: scaled, b"")
    positive, negative = conditionings(sd3, PROMPTS[:1])
    part = Part(positive, controls=(Control(steering, Curve.level(0.7), Window(0, 0.75)),))
    steps = FlowMatchEulerDiscreteScheduler.from_config(found.scheduler.config)
    steps.set_timesteps(4)
    guided = Guided(
        sd3.model, OneForward(sd3.model), [part], negative, 6.0, sigmas=[float(sigma) for sigma in steps.sigmas]
    )
    x = seeded_noise(5, sd3.model.latents.shape(WIDTH, HEIGHT))
    for step, time in enumerate(steps.timesteps):
        x = steps.step(guided.prediction(x, float(time), step), time, x).prev_sample
    assert torch.equal(x, latent)
