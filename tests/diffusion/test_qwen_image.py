"""Qwen-Image: equal to the pipeline bit for bit, guided or not; prompts of any length; found by its headers; single files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
)
from safetensors.torch import save_file
from torch import Tensor
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from studio.diffusion.decode import decode, encode
from studio.diffusion.denoise import OneForward
from studio.diffusion.foreign import Foreign
from studio.diffusion.guidance import Guided
from studio.diffusion.model import Checkpoint, Conditioned
from studio.diffusion.noise import seeded_noise
from studio.diffusion.sampling import sample
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.graph.errors import ValueRefused
from studio.resources import resource
from tests.diffusion import tiny
from tests.diffusion.analytic import distance
from tests.diffusion.conftest import FLOAT32
from tests.diffusion.pipelines import (
    HEIGHT,
    NEGATIVE,
    PROMPTS,
    WIDTH,
    apart,
    claims,
    conditionings,
    drive,
    encoded,
    opened,
    run_theirs,
    through_the_nodes,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*SwigPy.*:DeprecationWarning"),
]


def network() -> QwenImageTransformer2DModel:
    torch.manual_seed(1)
    return tiny.awake(
        QwenImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(8, 4, 4),
        )
    )


def pipeline() -> QwenImagePipeline:
    torch.manual_seed(0)
    size = len(tiny.chat_tokenizer())
    text = {
        "vocab_size": size,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
        "rope_theta": 1000000.0,
    }
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, vocab_size=size, hidden_size=16)
    vae = AutoencoderKLQwenImage(
        base_dim=12,
        z_dim=4,
        dim_mult=[1, 2],
        num_res_blocks=1,
        temperal_downsample=[False],
        latents_mean=[0.1, -0.2, 0.3, 0.0],
        latents_std=[1.5, 0.7, 2.0, 1.1],
    )
    return QwenImagePipeline(
        transformer=network(),
        vae=tiny.awake(vae),
        text_encoder=Qwen2_5_VLForConditionalGeneration(config).eval(),
        tokenizer=tiny.chat_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, max_shift=0.9, shift_terminal=0.02),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(pipeline(), tmp_path_factory.mktemp("models") / "qwen_image")


@pytest.fixture(scope="module")
def qwen(folder: Path) -> Checkpoint:
    return load_checkpoint(folder, FLOAT32)


def theirs(folder: Path, prompts: Sequence[str], guidance: float) -> tuple[Tensor, Tensor, Foreign]:
    """(latent in our layout, picture, the scheduler as the run left it)."""
    found = opened(folder)
    options = {"negative_prompt": NEGATIVE, "num_inference_steps": 4, "true_cfg_scale": guidance}
    packed, picture = run_theirs(found, prompts, width=WIDTH, height=HEIGHT, **options)
    latent = found._unpack_latents(packed, HEIGHT, WIDTH, found.vae_scale_factor)
    return latent.squeeze(2), picture, found.scheduler


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("prompts", [PROMPTS[:1], PROMPTS], ids=["one", "two"])
def test_denoising_with_the_pipelines_own_scheduler_is_the_pipeline_bit_for_bit(
    qwen: Checkpoint, folder: Path, prompts: Sequence[str], guidance: float
) -> None:
    latent, picture, steps = theirs(folder, prompts, guidance)
    model, (positive, negative) = qwen.model, conditionings(qwen, prompts)
    denoiser = Guided(model, apart(OneForward(model)), positive, negative, guidance)
    x = drive(denoiser.prediction, steps, seeded_noise(5, model.latents.shape(WIDTH, HEIGHT, batch=len(prompts))))
    assert torch.equal(x, latent)
    assert qwen.vae is not None
    assert torch.equal(decode(qwen.vae, x), picture)


def test_our_own_run_is_the_pipeline_up_to_rounding(qwen: Checkpoint, folder: Path) -> None:
    latent, _, scheduler = theirs(folder, PROMPTS, 4.0)
    sigmas = tuple(float(sigma) for sigma in scheduler.sigmas)
    positive, negative = encoded(qwen, PROMPTS), encoded(qwen, [NEGATIVE])
    empty = torch.zeros(qwen.model.latents.shape(WIDTH, HEIGHT))
    *_, state = sample(qwen.model, positive, negative, empty, sigmas, guidance=4.0, seed=5)
    assert distance(state.latent, latent) < 1e-5


def test_a_picture_comes_back_as_the_latent_that_the_authors_would_work_on(qwen: Checkpoint, folder: Path) -> None:
    vae = opened(folder).vae
    picture = torch.rand(1, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(1))
    mean, deviation = (torch.tensor(one).view(1, -1, 1, 1) for one in (vae.config.latents_mean, vae.config.latents_std))
    raw = vae.encode(picture.movedim(-1, 1).contiguous()[:, :, None] * 2 - 1).latent_dist.mode()[:, :, 0]
    assert qwen.vae is not None
    assert torch.allclose(encode(qwen.vae, picture), (raw - mean) / deviation, atol=1e-6)


def test_a_folder_says_what_it_is(qwen: Checkpoint, folder: Path) -> None:
    assert identify(folder).detected.family == "qwen_image"
    assert (qwen.model.latents.channels, qwen.model.latents.factor, qwen.model.latents.patch) == (4, 2, 2)
    assert qwen.text_encoder is not None
    assert not any("visual" in name for name, _ in qwen.text_encoder.encoders[0].named_modules())


def test_full_size_networks_are_known_by_their_headers() -> None:
    config = QwenImageTransformer2DModel.load_config(resource("families", "qwen_image", "transformer"))
    with torch.device("meta"):
        weights = QwenImageTransformer2DModel.from_config(config).state_dict()
    assert claims(weights) == [("qwen_image", "", "diffusers")]
    assert claims({f"model.diffusion_model.{name}": one for name, one in weights.items()}) == [
        ("qwen_image", "", "ldm")
    ]
    assert config["in_channels"] == weights["img_in.weight"].shape[1]


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_a_single_file_holds_the_network(folder: Path, tmp_path: Path, prefix: str) -> None:
    file = tmp_path / "qwen.safetensors"
    save_file({f"{prefix}{name}": one for name, one in network().state_dict().items()}, file)
    found = load_checkpoint(file, FLOAT32, config=folder)
    assert found.vae is None
    expected = network().state_dict()
    assert all(torch.equal(one, expected[name]) for name, one in found.model.network.state_dict().items())
    assert found.model.latents == load_checkpoint(folder, FLOAT32).model.latents


def test_what_is_too_long_is_cut_and_said_and_lengths_mix(qwen: Checkpoint) -> None:
    assert qwen.text_encoder is not None
    found = qwen.model.family.encode(qwen.text_encoder, ["short", "x" * 1100])
    assert found.cut[0] == ""
    assert set(found.cut[1]) == {"x"}
    assert found.tokens[1] > found.window == 1024
    assert found.conditioned.mask is not None
    assert encoded(qwen, ["short"]).mask is None


def test_another_instruction_is_left_out_whole(qwen: Checkpoint) -> None:
    assert qwen.text_encoder is not None
    told = replace(qwen.text_encoder, instruction="Draw.")
    found = qwen.model.family.encode(told, ["cat"])
    # Every character is a token, and so are the two markers after the prompt.
    assert found.tokens == (len("cat\n" + "assistant\n") + 2,)
    assert not torch.equal(found.conditioned.embeds[:, :3], encoded(qwen, ["cat"]).embeds[:, :3])


def test_the_nodes_make_a_picture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = through_the_nodes(folder, monkeypatch)
    assert image.pixels.shape == (1, HEIGHT, WIDTH, 3)
    assert image.pixels.std() > 0


def test_what_does_not_fit_is_refused(qwen: Checkpoint) -> None:
    other = Conditioned(torch.zeros(1, 4, 24))
    with pytest.raises(ValueRefused) as caught:
        list(sample(qwen.model, other, None, torch.zeros(1, 4, 8, 8), (1.0, 0.0), guidance=1.0))
    assert caught.value.socket == "positive"
