"""The denoiser: a UNet over 16x16 latents, told by the text encoder."""

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTextModel

from train import latents, text
from train.judge import tally
from train.loop import Place, Task, autocast, fit
from train.noise import Noise
from train.pictures import Picture, draw
from train.prompts import SHEET
from train.sample import Parts, sample
from train.sheet import write_sheet
from train.words import load_tokenizer, token_ids

BATCH = 14
WITHOUT_TEXT = 0.1  # share of pictures learnt without their caption, for classifier-free guidance


def build() -> UNet2DConditionModel:
    """7.0 M parameters, attention at every resolution: at 16x16 it is what binds a colour to a place."""
    widths = (64, 128, 128)
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=widths,
        down_block_types=("CrossAttnDownBlock2D",) * len(widths),
        up_block_types=("CrossAttnUpBlock2D",) * len(widths),
        cross_attention_dim=text.WIDTH,
        attention_head_dim=tuple(w // 32 for w in widths),  # the number of heads, whatever its name says
        norm_num_groups=16,
    )


def load_text_encoder(folder: Path) -> CLIPTextModel:
    """The frozen text encoder of the `text` stage's checkpoint."""
    tokenizer = load_tokenizer(folder / "tokenizer")
    reader = text.Reader(len(tokenizer))
    reader.load_state_dict(torch.load(folder / "text.pt", map_location="cpu", weights_only=True)["averaged"])
    return reader.encoder.eval().requires_grad_(False)


def load_parts(folder: Path, device: torch.device) -> Parts:
    """All that the picture starter is made of, as far as it is trained; the UNet with its averaged weights."""
    unet = build()
    if (folder / "unet.pt").exists():
        unet.load_state_dict(torch.load(folder / "unet.pt", map_location="cpu", weights_only=True)["averaged"])
    vae = AutoencoderKL.from_pretrained(folder / "vae").eval().requires_grad_(False)
    return Parts(
        unet.eval().to(device),
        load_text_encoder(folder).to(device),
        load_tokenizer(folder / "tokenizer"),
        vae.to(device),
    )


@contextlib.contextmanager
def fast_arithmetic(device: torch.device) -> Iterator[None]:
    """bfloat16, with the plain attention kernel on a CPU: its fused one is four times slower backwards in bfloat16."""
    kernels = [SDPBackend.MATH] if device.type == "cpu" else [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]
    with sdpa_kernel(kernels), autocast(device):
        yield


def denoise(unet: nn.Module, noisy: Tensor, timesteps: Tensor, states: Tensor, **more: object) -> Tensor:
    with fast_arithmetic(noisy.device):
        return unet(noisy, timesteps, states, **more).sample


def train(minutes: float, resume: bool, place: Place) -> None:
    data = latents.load(place.folder)
    parts = load_parts(place.folder, place.device)
    torch.manual_seed(0)
    unet = build()
    noise = Noise(place.device)
    empty = token_ids(parts.tokenizer, [""])[0].to(place.device)

    def loss(step: int) -> Tensor:
        clean, ids = data.pick(BATCH, place.device)
        ids[torch.rand(BATCH, device=place.device) < WITHOUT_TEXT] = empty
        with torch.no_grad(), autocast(place.device):
            states = parts.text_encoder(ids)[0]
        timesteps = noise.timesteps(BATCH)
        noisy, velocity = noise.mix(clean, timesteps)
        return noise.loss(denoise(unet, noisy, timesteps, states), velocity, timesteps)

    task = Task(
        name="unet",
        model=unet,
        loss=loss,
        batch=BATCH,
        rate=1e-3,
        flat=0.45,
        warmup=100,
        ema=0.998,
        average_every=10,
        weight_decay=0.01,
        score=lambda model: adherence(Parts(model, parts.text_encoder, parts.tokenizer, parts.vae)),
        score_every=1500,
        sheet=lambda model, path: draw_sheet(Parts(model, parts.text_encoder, parts.tokenizer, parts.vae), path),
    )
    fit(task, minutes, place, resume)


def asked_prompts(each: int) -> list[Picture]:
    """Prompts to follow progress by, `each` of every kind; the drawn pictures are too small to look at."""
    rng = random.Random(31337)
    return [draw(rng, kind, size=8, plain=1.0) for kind in ("one", "two", "scene") for _ in range(each)]


def adherence(parts: Parts, each: int = 16) -> dict[str, float]:
    """Shares of prompts followed, by the judge."""
    asked = asked_prompts(each)
    found = tally(sample(parts, [p.caption for p in asked]), [p.attributes for p in asked])
    return {k: found[k] for k in ("one.shape", "one.colour", "one.all", "two.all", "scene.subject", "scene.all")}


def draw_sheet(parts: Parts, path: Path) -> None:
    write_sheet(sample(parts, list(SHEET), seed=11), path)
