"""Z-Image: equal to the pipeline bit for bit, guided or not; found by its headers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import Qwen3Config, Qwen3Model

from studio.diffusion.decode import decode
from studio.diffusion.model import Checkpoint, Conditioned
from studio.diffusion.noise import seeded_noise
from studio.diffusion.noise_schedule import FlowSchedule
from studio.diffusion.sampling import make_denoiser, sample
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.graph.errors import ModelUnreadable, ValueRefused
from studio.resources import resource
from tests.diffusion import tiny
from tests.diffusion.analytic import distance
from tests.diffusion.conftest import FLOAT32
from tests.diffusion.pipelines import HEIGHT, NEGATIVE, WIDTH, claims, conditionings, drive, encoded, opened, run_theirs

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*SwigPy.*:DeprecationWarning"),
]

PROMPTS = ("the cat on red", "a dog 42 and more")


def network() -> ZImageTransformer2DModel:
    torch.manual_seed(1)
    return tiny.awake(
        ZImageTransformer2DModel(
            dim=32,
            n_layers=2,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=24,
            axes_dims=[4, 6, 6],
            axes_lens=[1024, 64, 64],
        )
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    encoder = Qwen3Config(
        vocab_size=len(tiny.chat_tokenizer()),
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=12,
    )
    made = ZImagePipeline(
        transformer=network(),
        vae=tiny.vae(0.3611, latent_channels=16, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=Qwen3Model(encoder).eval(),
        tokenizer=tiny.chat_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    return tiny.save(made, tmp_path_factory.mktemp("models") / "z_image")


@pytest.fixture(scope="module")
def z_image(folder: Path) -> Checkpoint:
    return load_checkpoint(folder, FLOAT32)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_denoising_with_the_pipelines_own_scheduler_is_the_pipeline_bit_for_bit(
    z_image: Checkpoint, folder: Path, guidance: float
) -> None:
    pipeline = opened(folder)
    # The authors' guidance s is our 1 + s.
    options = {"negative_prompt": NEGATIVE, "num_inference_steps": 4, "guidance_scale": guidance - 1}
    latent, picture = run_theirs(pipeline, PROMPTS, width=WIDTH, height=HEIGHT, **options)
    model, (positive, negative) = z_image.model, conditionings(z_image, PROMPTS)
    denoiser = make_denoiser(model, positive, negative, guidance)
    x = drive(denoiser.prediction, pipeline.scheduler, seeded_noise(5, model.latents.shape(WIDTH, HEIGHT, batch=2)))
    assert torch.equal(x, latent)
    assert z_image.vae is not None
    assert torch.equal(decode(z_image.vae, x), picture)


def test_our_own_run_is_the_pipeline_up_to_rounding(z_image: Checkpoint, folder: Path) -> None:
    pipeline = opened(folder)
    options = {"negative_prompt": NEGATIVE, "num_inference_steps": 4, "guidance_scale": 3.0}
    latent, _ = run_theirs(pipeline, PROMPTS, width=WIDTH, height=HEIGHT, **options)
    sigmas = tuple(float(sigma) for sigma in pipeline.scheduler.sigmas)
    positive, negative = encoded(z_image, PROMPTS), encoded(z_image, [NEGATIVE])
    empty = torch.zeros(z_image.model.latents.shape(WIDTH, HEIGHT))
    *_, state = sample(z_image.model, positive, negative, empty, sigmas, guidance=4.0, seed=5)
    assert distance(state.latent, latent) < 1e-5


def test_a_folder_says_what_it_is(z_image: Checkpoint, folder: Path) -> None:
    assert identify(folder).detected.family == "z_image"
    assert z_image.model.noise == FlowSchedule(3.0)
    assert z_image.model.latents.patch == 2


def original(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network as other programs keep it: query, key and value in one."""
    names = {
        "all_x_embedder.2-1.": "x_embedder.",
        "all_final_layer.2-1.": "final_layer.",
        ".attention.to_out.0.": ".attention.out.",
        ".attention.norm_q.": ".attention.q_norm.",
        ".attention.norm_k.": ".attention.k_norm.",
    }
    made: dict[str, Tensor] = {}
    for name, tensor in ours.items():
        if name.endswith(".to_q.weight"):
            stem = name.removesuffix(".to_q.weight")
            made[f"{stem}.qkv.weight"] = torch.cat([ours[f"{stem}.to_{part}.weight"] for part in "qkv"])
        elif not name.endswith((".to_k.weight", ".to_v.weight")):
            for old, new in names.items():
                name = name.replace(old, new)
            made[name] = tensor
    return made


def test_full_size_networks_are_known_by_their_headers() -> None:
    config = ZImageTransformer2DModel.load_config(resource("families", "z_image", "transformer"))
    with torch.device("meta"):
        weights = ZImageTransformer2DModel.from_config(config).state_dict()
    assert claims(weights) == [("z_image", "", "diffusers")]
    assert claims(original(weights)) == [("z_image", "", "ldm")]


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
@pytest.mark.parametrize("layout", ["diffusers", "ldm"])
def test_a_single_file_holds_the_network(folder: Path, tmp_path: Path, layout: str, prefix: str) -> None:
    expected = network().state_dict()
    weights = expected if layout == "diffusers" else original(expected)
    file = tmp_path / "z_image.safetensors"
    save_file({f"{prefix}{name}": one.contiguous() for name, one in weights.items()}, file)
    found = load_checkpoint(file, FLOAT32, config=folder)
    assert found.vae is None
    loaded = found.model.network.state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(one, expected[name]) for name, one in loaded.items())
    assert found.model.noise == FlowSchedule(3.0)


def test_a_tokenizer_without_a_chat_template_is_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(folder, tmp_path / "model"))
    (copy / "tokenizer" / "chat_template.jinja").unlink(missing_ok=True)
    config = copy / "tokenizer" / "tokenizer_config.json"
    stated = json.loads(config.read_text())
    stated.pop("chat_template", None)
    config.write_text(json.dumps(stated))
    with pytest.raises(ModelUnreadable, match="chat template"):
        load_checkpoint(copy, FLOAT32)


def test_what_is_too_long_is_cut_and_said(z_image: Checkpoint) -> None:
    assert z_image.text_encoder is not None
    found = z_image.model.family.encode(z_image.text_encoder, ["short", "x" * 600])
    assert found.cut[0] == ""
    assert "x" in found.cut[1]
    assert found.tokens[1] > found.window == 512


def test_what_does_not_fit_is_refused(z_image: Checkpoint) -> None:
    with pytest.raises(ValueRefused) as caught:
        list(
            sample(
                z_image.model,
                Conditioned(torch.zeros(1, 4, 24)),
                None,
                torch.zeros(1, 16, 8, 8),
                (1.0, 0.0),
                guidance=1.0,
            )
        )
    assert caught.value.socket == "positive"
