"""ControlNets for the picture starter: Canny edges, and depth."""

import random
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import ControlNetModel
from numpy.typing import NDArray
from torch import Tensor, nn

from train.base import load_base
from train.loop import Place, Task, autocast, fit
from train.noise import Noise, dpmpp_2m
from train.pictures import Picture, draw, to_pixels, to_tensor
from train.sample import Parts, starting_noise
from train.shapes import COLOURS, POSITIONS, SIZES, with_article
from train.sheet import write_sheet
from train.styles import edges
from train.unet import denoise, fast_arithmetic
from train.words import token_ids

COUNT = 12_000
BATCH = 8
WITHOUT_CAPTION = 0.5  # captions say position and size too; without them only the control tells


def control_image(kind: str, picture: Picture) -> NDArray[np.uint8]:
    """(h, w) uint8: "canny" edges 0 or 255, or "depth", 255 nearest."""
    return edges(picture.pixels) if kind == "canny" else picture.depth


def build(parts: Parts) -> ControlNetModel:
    """A copy of the UNet's first half. Its hint does not start at zero, so that gradients reach it from the first step;
    the zero convolutions after it alone make the untrained model change nothing."""
    controlnet = ControlNetModel.from_unet(parts.unet, conditioning_embedding_out_channels=(16, 32, 48, 64))
    nn.init.kaiming_normal_(controlnet.controlnet_cond_embedding.conv_out.weight)
    return controlnet.requires_grad_(True)


@dataclass(frozen=True, slots=True)
class Examples:
    """Latents (n, 4, 16, 16) float16, control images (n, h, w) uint8, token ids (n, 77)."""

    latents: Tensor
    controls: Tensor
    ids: Tensor


@torch.no_grad()
def examples(parts: Parts, kind: str, count: int, seed: str) -> Examples:
    rng = random.Random(seed)
    latents, controls, captions = [], [], []
    for _ in range(count // 16):
        drawn = [draw(rng) for _ in range(16)]
        images = to_tensor(np.stack([p.pixels for p in drawn])).to(parts.device)
        with autocast(parts.device):
            latents.append(parts.vae.encode(images).latent_dist.mode().half())
        controls.append(torch.from_numpy(np.stack([control_image(kind, p) for p in drawn])))
        captions += ["" if rng.random() < WITHOUT_CAPTION else p.caption for p in drawn]
    return Examples(torch.cat(latents), torch.cat(controls), token_ids(parts.tokenizer, captions))


def as_hint(controls: Tensor) -> Tensor:
    """(n, h, w) uint8 to (n, 3, h, w) float32 in [0, 1]."""
    return (controls.float() / 255)[:, None].expand(-1, 3, -1, -1).contiguous()


@torch.no_grad()
def sample_controlled(
    parts: Parts, controlnet: nn.Module, captions: list[str], hints: Tensor, seed: int, scale: float = 1.0
) -> NDArray[np.uint8]:
    """Pictures by DPM++ 2M, 20 steps, guidance 3, with the control at `scale`; 0 leaves it out."""
    scheduler = dpmpp_2m()
    scheduler.set_timesteps(20)
    states = torch.cat([parts.states([""] * len(captions)), parts.states(captions)])
    latents = starting_noise(len(captions), seed).to(parts.device)
    both_hints = torch.cat([hints, hints])
    for timestep in scheduler.timesteps:
        twice = torch.cat([latents, latents])
        more: dict[str, object] = {}
        with autocast(parts.device):
            if scale:
                down, middle = controlnet(
                    twice, timestep, states, controlnet_cond=both_hints, conditioning_scale=scale, return_dict=False
                )
                more = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
            without, with_text = parts.unet(twice, timestep, states, **more).sample.float().chunk(2)
        latents = scheduler.step(without + 3.0 * (with_text - without), timestep, latents).prev_sample
    with autocast(parts.device):
        return to_pixels(parts.vae.decode(latents).sample.cpu())


def edge_f1(made: NDArray[np.uint8], wanted: NDArray[np.uint8], tolerance: int = 2) -> float:
    """Agreement of a picture's edges with the wanted ones, both (h, w) 0 or 255, within `tolerance` pixels."""
    around = np.ones((2 * tolerance + 1,) * 2, np.uint8)
    hit = ((made > 0) & (cv2.dilate(wanted, around) > 0)).sum()
    met = ((wanted > 0) & (cv2.dilate(made, around) > 0)).sum()
    precision, recall = hit / max(1, (made > 0).sum()), met / max(1, (wanted > 0).sum())
    return float(2 * precision * recall / max(1e-9, precision + recall))


def other_colours(rng: random.Random, count: int) -> tuple[list[Picture], list[str]]:
    """Single shapes anywhere and of any size, and prompts that name shape and other colours, not place and size."""
    drawn, prompts = [], []
    for _ in range(count):
        fixed = {"position": rng.choice(list(POSITIONS)), "size": rng.choice(list(SIZES))}
        picture = draw(rng, "one", fixed, plain=1.0)
        colour, behind = rng.sample(list(COLOURS), 2)
        drawn.append(picture)
        thing = with_article(f"{colour} {picture.attributes['shape']}")
        prompts.append(f"{thing} on {with_article(behind)} background")
    return drawn, prompts


def train(kind: str, minutes: float, resume: bool, place: Place) -> None:
    parts = load_base(place.base, place.device)
    torch.manual_seed(0)
    controlnet = build(parts)
    noise = Noise(place.device)
    data = examples(parts, kind, COUNT // place.world, f"control {kind} {place.rank}")
    drawn, prompts = other_colours(random.Random(4711), 24)
    wanted = np.stack([control_image(kind, p) for p in drawn])
    hints = as_hint(torch.from_numpy(wanted)).to(place.device)

    def loss(step: int) -> Tensor:
        rows = torch.randint(len(data.latents), (BATCH,))
        clean = data.latents[rows].float().to(place.device)
        hint = as_hint(data.controls[rows]).to(place.device)
        with torch.no_grad(), autocast(place.device):
            states = parts.text_encoder(data.ids[rows].to(place.device))[0]
        timesteps = noise.timesteps(BATCH)
        noisy, velocity = noise.mix(clean, timesteps)
        with fast_arithmetic(place.device):
            down, middle = controlnet(noisy, timesteps, states, controlnet_cond=hint, return_dict=False)
        predicted = denoise(
            parts.unet,
            noisy,
            timesteps,
            states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        )
        return noise.loss(predicted, velocity, timesteps)

    def score(model: nn.Module) -> dict[str, float]:
        made = sample_controlled(parts, model, prompts, hints, seed=3)
        outlines = [edges(p.pixels) for p in drawn]
        return {"edge_f1": float(np.mean([edge_f1(edges(m), w) for m, w in zip(made, outlines, strict=True)]))}

    def sheet(model: nn.Module, path: Path) -> None:
        made = sample_controlled(parts, model, prompts, hints, seed=3)
        grey = np.repeat(wanted[..., None], 3, -1)
        write_sheet(np.concatenate([grey[:16], made[:16]]), path, columns=16)

    task = Task(
        f"controlnet-{kind}",
        controlnet,
        loss,
        BATCH,
        rate=1e-3,
        flat=0.5,
        ema=0.995,
        average_every=4,
        score=score,
        score_every=240,
        sheet=sheet,
        factors={"controlnet_down": 3.0, "controlnet_mid": 3.0, "controlnet_cond": 2.0},
    )
    trained = fit(task, minutes, place, resume)
    if place.rank == 0:
        trained.half().save_pretrained(place.folder.parents[1] / place.folder.name)
