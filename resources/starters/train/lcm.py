"""Latent consistency distillation into a LoRA: pictures in four steps (Luo et al. 2023)."""

from pathlib import Path

import numpy as np
import torch
from diffusers import LCMScheduler
from numpy.typing import NDArray
from torch import Tensor, nn

from train import latents
from train.base import load_base
from train.judge import tally
from train.loop import Place, Task, autocast, fit
from train.lora import add_lora, write_lora
from train.noise import SCHEDULE, STEPS, Noise
from train.pictures import to_pixels
from train.prompts import SHEET
from train.sample import Parts, starting_noise
from train.sheet import write_sheet
from train.unet import asked_prompts, denoise

RANK = 24
BATCH = 8
GUIDANCE = 3.0  # of the teacher; the student needs none
STRIDE = 50  # timesteps that the teacher goes down at once: 20 steps from noise to picture
ANCHORED = 300  # below this timestep the picture itself is the answer, which keeps plain areas clean
SIGMA_DATA = 0.5
TIMESTEP_SCALING = 10.0


def boundary(timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """How much of its input and of its prediction a consistency model's answer is made of (as LCMScheduler)."""
    scaled = timesteps.float() * TIMESTEP_SCALING
    skip = SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2)
    out = scaled / (scaled**2 + SIGMA_DATA**2).sqrt()
    return skip[:, None, None, None], out[:, None, None, None]


class Teacher:
    """One DDIM step of the guided base model."""

    def __init__(self, noise: Noise) -> None:
        self.signal = torch.cat([torch.ones(1, device=noise.device), noise.signal])  # index 0 is the clean picture

    def parts(self, noisy: Tensor, velocity: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """The clean latents and the noise that a velocity stands for."""
        kept = self.signal[timesteps + 1].sqrt()[:, None, None, None]
        added = (1 - self.signal[timesteps + 1]).sqrt()[:, None, None, None]
        return kept * noisy - added * velocity, kept * velocity + added * noisy

    def step(self, clean: Tensor, noise: Tensor, to: Tensor) -> Tensor:
        kept = self.signal[to + 1][:, None, None, None]
        return kept.sqrt() * clean + (1 - kept).sqrt() * noise


@torch.no_grad()
def sample_lcm(parts: Parts, captions: list[str], seed: int, steps: int = 4) -> NDArray[np.uint8]:
    scheduler = LCMScheduler(**SCHEDULE, clip_sample=False)
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(seed)
    states = parts.states(captions)
    noisy = starting_noise(len(captions), seed).to(parts.device)
    for timestep in scheduler.timesteps:
        with autocast(parts.device):
            predicted = parts.unet(noisy, timestep, states).sample.float()
        noisy, denoised = scheduler.step(predicted, timestep, noisy, generator=generator, return_dict=False)
    with autocast(parts.device):
        return to_pixels(parts.vae.decode(denoised).sample.cpu())


def train(minutes: float, resume: bool, place: Place) -> None:
    """Needs the latents of the picture starter's training beside it."""
    data = latents.load(latents.of_base(place))
    parts, base = load_base(place.base, place.device), load_base(place.base, place.device)
    torch.manual_seed(0)
    student = parts.unet
    add_lora(student, RANK)
    noise = Noise(place.device)
    teacher = Teacher(noise)

    def answer(noisy: Tensor, timesteps: Tensor, states: Tensor) -> Tensor:
        clean, _ = teacher.parts(noisy, denoise(student, noisy, timesteps, states).float(), timesteps)
        skip, out = boundary(timesteps)
        return skip * noisy + out * clean

    @torch.no_grad()
    def ahead(noisy: Tensor, timesteps: Tensor, states: Tensor) -> Tensor:
        """The student's answer one guided step of the teacher further on."""
        empty = parts.states([""]).expand(len(noisy), -1, -1)
        with autocast(place.device):
            both = base.unet(noisy.repeat(2, 1, 1, 1), timesteps.repeat(2), torch.cat([empty, states])).sample
        without, with_text = both.float().chunk(2)
        before = timesteps - STRIDE
        less_noisy = teacher.step(*teacher.parts(noisy, without + GUIDANCE * (with_text - without), timesteps), before)
        return answer(less_noisy, before, states)

    def loss(step: int) -> Tensor:
        clean, ids = data.pick(BATCH, place.device)
        timesteps = torch.randint(1, STEPS, (BATCH,), device=place.device)
        noisy, _ = noise.mix(clean, timesteps)
        with torch.no_grad():
            states = parts.text_encoder(ids)[0]
        target = clean.clone()
        led = timesteps >= ANCHORED
        target[led] = ahead(noisy[led], timesteps[led], states[led])
        off = answer(noisy, timesteps, states) - target
        return ((off**2 + 1e-6).sqrt() - 1e-3).mean()

    prompts = asked_prompts(16)

    def score(model: nn.Module) -> dict[str, float]:
        own = Parts(model, parts.text_encoder, parts.tokenizer, parts.vae)
        found = tally(sample_lcm(own, [p.caption for p in prompts], seed=0), [p.attributes for p in prompts])
        return {k: found[k] for k in ("one.shape", "one.all", "two.all", "scene.all")}

    def sheet(model: nn.Module, path: Path) -> None:
        own = Parts(model, parts.text_encoder, parts.tokenizer, parts.vae)
        write_sheet(sample_lcm(own, list(SHEET), seed=11), path)

    task = Task("lcm", student, loss, BATCH, rate=4e-4, flat=0.3, ema=0.99, score=score, score_every=240, sheet=sheet)
    trained = fit(task, minutes, place, resume)
    if place.rank == 0:
        write_lora(trained, place.folder.parents[1] / place.folder.name, "lcm")
