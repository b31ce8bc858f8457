"""Models without prompts: DDPM, DDIM, consistency models and latent diffusion equal to their pipelines; found by their headers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import (
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DiffusionPipeline,
    LDMPipeline,
    UNet2DModel,
    VQModel,
)
from torch import Tensor

from studio.diffusion.decode import decode, encode
from studio.diffusion.family import families
from studio.diffusion.foreign import Foreign
from studio.diffusion.model import Checkpoint, Conditioned
from studio.diffusion.noise import seeded_noise
from studio.diffusion.preview import preview
from studio.diffusion.sampling import make_denoiser, sample
from studio.diffusion.schedules import sigmas
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.diffusion.weights.header import TensorInfo
from studio.graph.errors import ModelUnreadable, ValueRefused
from tests.diffusion import tiny
from tests.diffusion.analytic import distance
from tests.diffusion.conftest import FLOAT32
from tests.diffusion.pipelines import drive

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BATCH = 2


def network(**more: Foreign) -> UNet2DModel:
    torch.manual_seed(1)
    config: dict[str, Foreign] = {
        "sample_size": 8,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    }
    return tiny.awake(UNet2DModel(**{**config, **more}))


def saved(folder: Path, kind: Foreign, scheduler: Foreign, **more: Foreign) -> Path:
    return tiny.save(kind(unet=network(**more), scheduler=scheduler), folder)


def theirs(folder: Path, steps: int, **more: Foreign) -> tuple[Tensor, Foreign]:
    """(pictures, scheduler) of the pipeline, item i with the seed 5 + i."""
    found = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    found.set_progress_bar_config(disable=True)
    generators = [torch.Generator().manual_seed(5 + i) for i in range(BATCH)]
    run = found(BATCH, num_inference_steps=steps, generator=generators, output_type="np", **more)
    return torch.as_tensor(run.images), found.scheduler


def driven(checkpoint: Checkpoint, steps: Foreign, conditioned: Conditioned | None = None, **more: Foreign) -> Tensor:
    """Our denoiser with the pipeline's own scheduler, from the noise to the decoded pictures."""
    model = checkpoint.model
    denoiser = make_denoiser(model, conditioned or Conditioned.nothing(), None, 1.0)
    generators = [torch.Generator().manual_seed(5 + i) for i in range(BATCH)]
    x = torch.cat([torch.randn(model.latents.shape(*model.size), generator=one) for one in generators])
    x = drive(denoiser.prediction, steps, x, generator=generators, **more)
    assert checkpoint.vae is not None
    return decode(checkpoint.vae, x)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize(("pipeline", "scheduler"), [(DDPMPipeline, DDPMScheduler), (DDIMPipeline, DDIMScheduler)])
def test_ddpm_and_ddim_are_their_pipelines_bit_for_bit(
    tmp_path: Path, pipeline: Foreign, scheduler: Foreign, prediction: str
) -> None:
    folder = saved(tmp_path / "model", pipeline, scheduler(prediction_type=prediction))
    pictures, steps = theirs(folder, 4)
    assert torch.equal(driven(load_checkpoint(folder, FLOAT32), steps), pictures)


def test_a_consistency_model_told_its_class_is_the_pipeline_bit_for_bit(tmp_path: Path) -> None:
    folder = saved(
        tmp_path / "model",
        ConsistencyModelPipeline,
        CMStochasticIterativeScheduler(),
        num_class_embeds=10,
        resnet_time_scale_shift="scale_shift",
    )
    found = load_checkpoint(folder, FLOAT32)
    classes = Conditioned(torch.zeros(2, 0, 0), extras={"class_labels": torch.tensor([3, 7])})
    for count in (1, 2):
        pictures, steps = theirs(folder, count, class_labels=[3, 7])
        assert torch.equal(driven(found, steps, classes), pictures)


def test_our_own_samplers_agree_with_the_pipelines(tmp_path: Path) -> None:
    folder = saved(tmp_path / "cm", ConsistencyModelPipeline, CMStochasticIterativeScheduler())
    found = load_checkpoint(folder, FLOAT32)
    model, empty = found.model, torch.zeros(BATCH, 3, 8, 8)
    assert found.vae is not None
    pictures, steps = theirs(folder, 2)
    levels = sigmas("trailing", model.noise, 2)
    assert levels[:2] == pytest.approx(steps.sigmas[:2].tolist())
    *_, state = sample(model, None, None, empty, levels, sampler="lcm", seed=5)
    assert distance(decode(found.vae, state.latent), pictures) < 1e-5
    folder = saved(tmp_path / "ddim", DDIMPipeline, DDIMScheduler(clip_sample=False, steps_offset=1))
    found = load_checkpoint(folder, FLOAT32)
    model = found.model
    noise = seeded_noise(5, model.latents.shape(8, 8, BATCH))
    levels = sigmas("leading", model.noise, 4)
    # The pipeline begins with noise alone, where we put noise on a picture of zeros.
    *_, state = sample(
        model, None, None, empty, levels, sampler="ddim", noise=noise * (levels[0] ** 2 + 1) ** 0.5 / levels[0]
    )
    pictures, _ = theirs(folder, 4)
    assert found.vae is not None
    assert distance(decode(found.vae, state.latent), pictures) < 1e-5


def test_latent_diffusion_without_a_prompt_is_its_pipeline(tmp_path: Path) -> None:
    torch.manual_seed(2)
    vqvae = VQModel(
        block_out_channels=(8, 8),
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=3,
        num_vq_embeddings=16,
        norm_num_groups=4,
        scaling_factor=0.5,
    )
    made = LDMPipeline(
        vqvae=tiny.awake(vqvae), unet=network(), scheduler=DDIMScheduler(clip_sample=False, steps_offset=1)
    )
    folder = tiny.save(made, tmp_path / "ldm")
    found = load_checkpoint(folder, FLOAT32)
    assert found.model.size == (16, 16)
    pictures, steps = theirs(folder, 4, eta=0.0)
    ours = driven(found, steps)  # decoded item by item, which may differ in the last bit
    assert ours.shape == (BATCH, 16, 16, 3)
    assert distance(ours, pictures) < 1e-6
    assert found.vae is not None
    latent = encode(found.vae, pictures)
    assert latent.shape == (BATCH, 3, 8, 8)


def test_predicted_pixels_stay_between_black_and_white_where_the_model_was_trained_so(tmp_path: Path) -> None:
    for clips in (True, False):
        folder = saved(tmp_path / str(clips), DDPMPipeline, DDPMScheduler(clip_sample=clips))
        model = load_checkpoint(folder, FLOAT32).model
        states = list(sample(model, None, None, torch.zeros(1, 3, 8, 8), sigmas("normal", model.noise, 4)))
        assert (max(float(state.denoised.abs().max()) for state in states) <= 1) is clips


def test_pixels_are_their_own_preview_and_go_there_and_back(tmp_path: Path) -> None:
    for channels in (1, 3):
        folder = saved(
            tmp_path / str(channels), DDPMPipeline, DDPMScheduler(), in_channels=channels, out_channels=channels
        )
        found = load_checkpoint(folder, FLOAT32)
        assert found.vae is not None
        picture = torch.rand(1, 8, 8, 1).expand(1, 8, 8, 3)
        latent = encode(found.vae, picture)
        assert latent.shape == (1, channels, 8, 8)
        assert distance(decode(found.vae, latent), picture) < 1e-6
        shown = torch.from_numpy(preview(latent, found.model.projection()))
        assert shown.shape == (8, 8, 3)
        assert (shown.float() / 255 - picture[0]).abs().max() < 0.01


def test_full_size_networks_are_known_by_their_headers() -> None:
    sizes = {
        "": {
            "block_out_channels": (128, 128, 256, 256, 512, 512),
            "down_block_types": (*["DownBlock2D"] * 4, "AttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "AttnUpBlock2D", *["UpBlock2D"] * 4),
        },
        "class": {
            "block_out_channels": (192, 384, 576, 768),
            "layers_per_block": 3,
            "down_block_types": ("ResnetDownsampleBlock2D", *["AttnDownBlock2D"] * 3),
            "up_block_types": (*["AttnUpBlock2D"] * 3, "ResnetUpsampleBlock2D"),
            "num_class_embeds": 1000,
            "attention_head_dim": 64,
        },
    }
    for variant, config in sizes.items():
        with torch.device("meta"):
            found = UNet2DModel(**config)
        tensors = {name: TensorInfo("F32", tuple(tensor.shape)) for name, tensor in found.state_dict().items()}
        claims = [claim for family in families().values() if (claim := family.detect(tensors))]
        assert [(claim.family, claim.variant) for claim in claims] == [("unconditional", variant)]
    shown = {
        name: TensorInfo("F32", tuple(one.shape))
        for name, one in network(in_channels=6, out_channels=3).state_dict().items()
    }
    assert not any(family.detect(shown) for family in families().values())


@pytest.mark.parametrize(
    ("config", "field"),
    [({"_class_name": "ScoreSdeVeScheduler"}, "_class_name"), ({"thresholding": True}, "thresholding")],
)
def test_what_is_not_sampled_here_is_refused(tmp_path: Path, config: dict[str, Foreign], field: str) -> None:
    folder = saved(tmp_path / "model", DDPMPipeline, DDPMScheduler())
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    with pytest.raises(ModelUnreadable) as caught:
        load_checkpoint(folder, FLOAT32)
    assert caught.value.field == field


def test_a_class_is_asked_for_where_there_are_classes_and_refused_where_there_are_none(tmp_path: Path) -> None:
    empty, levels = torch.zeros(1, 3, 8, 8), (1.0, 0.0)
    plain = load_checkpoint(saved(tmp_path / "plain", DDPMPipeline, DDPMScheduler()), FLOAT32).model
    told = load_checkpoint(saved(tmp_path / "told", DDPMPipeline, DDPMScheduler(), num_class_embeds=10), FLOAT32).model
    for model, label in ((plain, 3), (told, None), (told, 10)):
        classes = (
            None if label is None else Conditioned(torch.zeros(1, 0, 0), extras={"class_labels": torch.tensor([label])})
        )
        with pytest.raises(ValueRefused) as caught:
            list(sample(model, classes, None, empty, levels))
        assert caught.value.socket == "positive"
        assert caught.value.mend
    assert identify(tmp_path / "told").detected.variant == "class"


def test_a_model_that_takes_prompts_asks_for_one(sd1: Checkpoint) -> None:
    with pytest.raises(ValueRefused) as caught:
        sample(sd1.model, None, None, torch.zeros(1, 4, 8, 8), (1.0, 0.0))
    assert caught.value.socket == "positive"
