"""SDXL's refiner: equal to its pipeline bit for bit, alone and where it takes over from SDXL; found by its headers; single files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline, EulerDiscreteScheduler, StableDiffusionXLImg2ImgPipeline
from safetensors.torch import save_file
from transformers import CLIPTextModelWithProjection

from nodes.refine import Halves, aesthetic_score, split
from studio.diffusion.decode import decode
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Checkpoint, Conditioned
from studio.diffusion.sampling import sample
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.graph.errors import ValueRefused
from studio.sdk import Conditioning, Schedule
from studio.sdk.testing import run_node
from tests.diffusion import original, tiny
from tests.diffusion.conftest import FLOAT32
from tests.diffusion.pipelines import NEGATIVE, PROMPTS, conditionings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WIDTH = 1280
"""Of the text encoder: the refiner is known by it."""


def pipeline() -> StableDiffusionXLImg2ImgPipeline:
    torch.manual_seed(0)
    text = tiny.text_config(WIDTH, layers=2, hidden_act="gelu")
    text.intermediate_size = 32
    text.projection_dim = 16
    made = StableDiffusionXLImg2ImgPipeline(
        unet=tiny.unet(
            WIDTH,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=5 * 8 + 16,
        ),
        vae=tiny.vae(0.13025),
        text_encoder=None,
        text_encoder_2=CLIPTextModelWithProjection(text).eval(),
        tokenizer=None,
        tokenizer_2=tiny.tokenizer("!"),
        scheduler=scheduler(),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


def scheduler() -> EulerDiscreteScheduler:
    return EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(pipeline(), tmp_path_factory.mktemp("models") / "refiner")


@pytest.fixture(scope="module")
def refiner(folder: Path) -> Checkpoint:
    return load_checkpoint(folder, FLOAT32)


def scored(conditioned: Conditioned, score: float) -> Conditioned:
    scores = torch.full((conditioned.prompts, 1), score)
    return Conditioned(conditioned.embeds, conditioned.pooled, extras={"aesthetic_score": scores})


def opened(folder: Path) -> Foreign:
    found = StableDiffusionXLImg2ImgPipeline.from_pretrained(
        folder, dtype=torch.float32, text_encoder=None, tokenizer=None
    )
    found.set_progress_bar_config(disable=True)
    found.vae.enable_slicing()
    return found


def test_a_picture_that_sdxl_began_is_finished_as_the_pipelines_do_it_bit_for_bit(
    refiner: Checkpoint, folder: Path, sdxl: Checkpoint, sdxl_folder: Path
) -> None:
    base = DiffusionPipeline.from_pretrained(sdxl_folder, dtype=torch.float32)
    base.set_progress_bar_config(disable=True)
    base.scheduler = scheduler()
    options = {"negative_prompt": [NEGATIVE] * 2, "num_inference_steps": 5, "guidance_scale": 6.0}
    generators = [torch.Generator().manual_seed(5 + item) for item in range(2)]
    begun = base(list(PROMPTS), generator=generators, denoising_end=0.6, output_type="latent", **options).images
    found = opened(folder)
    results = [
        found(prompt=list(PROMPTS), image=begun, denoising_start=0.6, output_type=kind, **options).images
        for kind in ("latent", "pt")
    ]
    sigmas = tuple(float(sigma) for sigma in found.scheduler.sigmas)
    empty = torch.zeros(sdxl.model.latents.shape(*sdxl.model.size))
    *_, handed = sample(sdxl.model, *conditionings(sdxl), empty, sigmas[:4], guidance=6.0, seed=5)
    assert torch.equal(handed.latent, begun)
    positive, negative = conditionings(refiner)
    *_, state = sample(refiner.model, positive, scored(negative, 2.5), empty, sigmas, guidance=6.0, start=handed)
    assert torch.equal(state.latent, results[0])
    assert refiner.vae is not None
    assert torch.equal(decode(refiner.vae, state.latent), results[1].permute(0, 2, 3, 1))


def test_the_score_counts_and_is_6_where_nothing_is_said(refiner: Checkpoint) -> None:
    positive, negative = conditionings(refiner, PROMPTS[:1])
    empty = torch.zeros(refiner.model.latents.shape(32, 32))
    found = []
    for said in (positive, scored(positive, 6.0), scored(positive, 2.0)):
        *_, state = sample(refiner.model, said, negative, empty, (2.0, 1.0, 0.0), seed=1)
        found.append(state.latent)
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2], atol=1e-4)


def test_a_folder_and_a_file_say_what_they_are(refiner: Checkpoint, folder: Path, tmp_path: Path) -> None:
    assert identify(folder).detected.family == "sdxl_refiner"
    made = pipeline()
    weights = original.unet(made.unet.state_dict(), made.unet.config) | original.vae(made.vae.state_dict(), 2)
    weights |= original.open_clip(made.text_encoder_2.state_dict(), "conditioner.embedders.0.model.")
    file = tmp_path / "refiner.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, file)
    shutil.copytree(folder / "tokenizer_2", tmp_path / "tokenizer")
    found = load_checkpoint(file, FLOAT32, config=folder)
    assert identify(file).detected.layout == "ldm"
    assert found.text_encoder is not None
    assert refiner.text_encoder is not None
    for ours, theirs in (
        (found.model.network, refiner.model.network),
        (found.text_encoder.encoders[0], refiner.text_encoder.encoders[0]),
    ):
        expected = theirs.state_dict()
        assert all(torch.equal(one, expected[name]) for name, one in ours.state_dict().items())


def test_the_nodes_cut_a_schedule_and_tell_the_score() -> None:
    halves = Halves(*run_node(split, schedule=Schedule((4.0, 2.0, 1.0, 0.0)), step=1))
    assert (halves.first.sigmas, halves.rest.sigmas) == ((4.0, 2.0), (2.0, 1.0, 0.0))
    with pytest.raises(ValueRefused, match="cannot be cut after step 3"):
        run_node(split, schedule=Schedule((4.0, 2.0, 1.0, 0.0)), step=3)
    plain = {"embeds": torch.zeros(2, 4, WIDTH)}
    told = run_node(aesthetic_score, conditioning=Conditioning(plain, "sdxl_refiner"), score=2.5)
    assert told.tensors["extras.aesthetic_score"].tolist() == [[2.5], [2.5]]
    with pytest.raises(ValueRefused, match="no score"):
        run_node(aesthetic_score, conditioning=Conditioning(plain, "sdxl"), score=2.5)
