"""Sana: equal to its pipeline bit for bit, instruction and all; found by its headers; made by the nodes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderDC,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    SanaPipeline,
    SanaTransformer2DModel,
)
from safetensors.torch import save_file
from tokenizers.processors import TemplateProcessing
from transformers import Gemma2Config, Gemma2Model, GemmaTokenizer

from studio.diffusion.decode import decode, encode
from studio.diffusion.families.sana import INSTRUCTION
from studio.diffusion.family import families
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Checkpoint, Conditioned, LoadedTextEncoder
from studio.diffusion.noise import seeded_noise
from studio.diffusion.noise_schedule import FlowSchedule
from studio.diffusion.sampling import make_denoiser, sample
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.diffusion.weights.header import TensorInfo
from studio.graph.errors import ModelUnreadable, ValueRefused
from tests.diffusion import tiny
from tests.diffusion.analytic import distance
from tests.diffusion.conftest import FLOAT32
from tests.diffusion.pipelines import NEGATIVE, PROMPTS, Theirs, drive, encoded, opened, run_theirs

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'.,:->\n▁"


def tokenizer() -> GemmaTokenizer:
    """Letters, digits and a few signs, after a mark of the beginning as Gemma has it."""
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *LETTERS]
    made = GemmaTokenizer(vocab={token: place for place, token in enumerate(tokens)}, merges=[])
    begin = [("<bos>", tokens.index("<bos>"))]
    made.backend_tokenizer.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=begin)
    return made


def network(**more: Foreign) -> SanaTransformer2DModel:
    torch.manual_seed(1)
    config: dict[str, Foreign] = {
        "in_channels": 4,
        "out_channels": 4,
        "num_attention_heads": 2,
        "attention_head_dim": 8,
        "num_layers": 2,
        "num_cross_attention_heads": 2,
        "cross_attention_head_dim": 8,
        "cross_attention_dim": 16,
        "caption_channels": 24,
        "sample_size": 16,
    }
    return tiny.awake(SanaTransformer2DModel(**{**config, **more}))


def dc_ae() -> AutoencoderDC:
    torch.manual_seed(2)
    half: dict[str, Foreign] = {}
    for side in ("encoder", "decoder"):
        half |= {
            f"{side}_block_types": ("ResBlock", "EfficientViTBlock"),
            f"{side}_block_out_channels": (8, 8),
            f"{side}_qkv_multiscales": ((), (5,)),
            f"{side}_layers_per_block": (1, 1),
        }
    model = AutoencoderDC(latent_channels=4, attention_head_dim=2, scaling_factor=0.41407, **half)
    return tiny.awake(model)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    gemma = Gemma2Config(
        vocab_size=len(tokenizer()),
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=12,
    )
    made = SanaPipeline(
        tokenizer=tokenizer(),
        text_encoder=Gemma2Model(gemma).eval(),
        vae=dc_ae(),
        transformer=network(),
        scheduler=DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0),
    )
    return tiny.save(made, tmp_path_factory.mktemp("models") / "sana")


@pytest.fixture(scope="module")
def sana(folder: Path) -> Checkpoint:
    return load_checkpoint(folder, FLOAT32)


def encoder_of(checkpoint: Checkpoint, instruction: str | None = None) -> LoadedTextEncoder:
    own = checkpoint.text_encoder
    assert own is not None
    return LoadedTextEncoder(own.family, own.tokenizers, own.encoders, instruction)


def read(checkpoint: Checkpoint, prompts: Sequence[str], instruction: str | None = None) -> Conditioned:
    encoder = encoder_of(checkpoint, instruction)
    return encoder.family.encode(encoder, list(prompts)).conditioned


def theirs(pipeline: Foreign, negative: str = NEGATIVE) -> Theirs:
    options = {"width": 32, "height": 64, "use_resolution_binning": False, "guidance_scale": 4.5}
    return run_theirs(pipeline, negative_prompt=negative, num_inference_steps=4, **options)


@pytest.mark.parametrize("negative", [NEGATIVE, ""])
def test_denoising_with_the_pipelines_own_scheduler_is_the_pipeline_bit_for_bit(
    sana: Checkpoint, folder: Path, negative: str
) -> None:
    pipeline = opened(folder)
    latent, picture = theirs(pipeline, negative)
    model = sana.model
    # The pipeline reads a negative prompt without the instruction; so do we where it is empty.
    unwanted = read(sana, [negative] * 2, "" if negative else None)
    denoiser = make_denoiser(model, encoded(sana), unwanted, 4.5)
    pipeline.scheduler.set_timesteps(4)
    x = drive(denoiser.prediction, pipeline.scheduler, seeded_noise(5, model.latents.shape(32, 64, batch=2)))
    assert torch.equal(x, latent)
    assert sana.vae is not None
    assert torch.equal(decode(sana.vae, x), picture)


def test_a_whole_run_of_ours_is_the_pipeline_up_to_rounding(sana: Checkpoint, folder: Path) -> None:
    pipeline = opened(folder, scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0))
    latent, _ = theirs(pipeline)
    sigmas = tuple(float(sigma) for sigma in pipeline.scheduler.sigmas)
    empty = torch.zeros(sana.model.latents.shape(32, 64))
    *_, state = sample(sana.model, encoded(sana), read(sana, [NEGATIVE], ""), empty, sigmas, guidance=4.5, seed=5)
    assert distance(state.latent, latent) < 1e-5


def test_the_instruction_is_the_pipelines_and_steers_the_prompt(sana: Checkpoint) -> None:
    stated = inspect.signature(SanaPipeline.__call__).parameters["complex_human_instruction"].default
    assert "\n".join(stated) == INSTRUCTION
    plain, told, other = (read(sana, PROMPTS, text).embeds for text in ("", None, "User Prompt: "))
    assert plain.shape == told.shape == other.shape == (2, 300, 24)
    assert not torch.equal(plain, told)
    assert not torch.equal(other, told)
    mixed = read(sana, [PROMPTS[0], ""]).embeds
    assert distance(mixed[:1], told[:1]) < 1e-5
    assert distance(mixed[1:, :1], read(sana, [""]).embeds[:, :1]) < 1e-5


def test_what_is_too_long_is_cut_and_said(sana: Checkpoint) -> None:
    encoder = encoder_of(sana)
    found = encoder.family.encode(encoder, ["short", "x" * 400])
    assert found.cut[0] == ""
    assert set(found.cut[1]) == {"x"}
    assert found.tokens[0] < found.window == 300 < found.tokens[1]
    assert found.tokens[1] - found.window == len(found.cut[1])


def test_a_folder_says_what_it_is(sana: Checkpoint, folder: Path) -> None:
    assert identify(folder).detected.family == "sana"
    assert sana.model.noise == FlowSchedule(3.0)
    assert sana.model.latents.shape(24, 32) == (1, 4, 16, 12)
    assert sana.vae is not None
    assert encode(sana.vae, torch.rand(1, 32, 24, 3)).shape == (1, 4, 16, 12)


def test_full_size_networks_are_known_by_their_headers() -> None:
    for sprint, variant in ((False, ""), (True, "sprint")):
        with torch.device("meta"):
            found = SanaTransformer2DModel(guidance_embeds=sprint, qk_norm="rms_norm_across_heads" if sprint else None)
        tensors = {name: TensorInfo("BF16", tuple(tensor.shape)) for name, tensor in found.state_dict().items()}
        claims = [claim for family in families().values() if (claim := family.detect(tensors))]
        assert [(claim.family, claim.variant) for claim in claims] == [("sana", variant)]


def test_what_does_not_fit_is_refused(sana: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ValueRefused) as caught:
        list(
            sample(
                sana.model, Conditioned(torch.zeros(1, 4, 24)), None, torch.zeros(1, 4, 8, 8), (1.0, 0.0), guidance=1.0
            )
        )
    assert caught.value.socket == "positive"
    encoder = encoder_of(sana)
    with pytest.raises(ValueRefused) as caught:
        encoder.family.encode(encoder, ["cat"], 1)
    assert caught.value.socket == "skip_layers"
    file = tmp_path / "sana.safetensors"
    save_file(network().state_dict(), file)
    with pytest.raises(ModelUnreadable, match="diffusers folder"):
        load_checkpoint(file, FLOAT32)
