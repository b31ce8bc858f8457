"""The sound starter, in AudioLDM's layout: text to mel latents, to mels, to sound by the vocoder."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AudioLDMPipeline, AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from transformers import ClapTextModelWithProjection, RobertaTokenizer, SpeechT5HifiGan

from train import sound_text, vocoder
from train.listen import judge_sound
from train.loop import Place, Task, autocast, fit, write_checkpoint
from train.mel import FRAMES, log_mel, to_picture
from train.noise import Noise, ddim, dpmpp_2m
from train.sounds import Sound, Wave, synthesise
from train.unet import WITHOUT_TEXT, fast_arithmetic
from train.vae import loss_of, start_from_colours, whiten

LATENT_CHANNELS = 8
LATENT_SHAPE = (LATENT_CHANNELS, FRAMES // 8, 8)
BATCH = 4
UNET_BATCH = 14
COUNT = 32_000


def build_vae() -> AutoencoderKL:
    """Mels of 256 frames by 64 bins to latents of 32 by 8, eight channels."""
    widths = (16, 32, 64, 64)
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=LATENT_CHANNELS,
        block_out_channels=widths,
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        mid_block_add_attention=False,
        scaling_factor=1.0,
        force_upcast=False,
    )


def build_unet() -> UNet2DConditionModel:
    """As AudioLDM's: told by one vector beside the timestep, attention among the latents only."""
    widths = (64, 128, 128)
    return UNet2DConditionModel(
        sample_size=LATENT_SHAPE[1],
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        layers_per_block=1,
        block_out_channels=widths,
        down_block_types=("CrossAttnDownBlock2D",) * len(widths),
        up_block_types=("CrossAttnUpBlock2D",) * len(widths),
        cross_attention_dim=widths,
        attention_head_dim=tuple(w // 32 for w in widths),
        norm_num_groups=16,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=sound_text.EMBEDDING,
        class_embeddings_concat=True,
    )


def mel_pictures(sounds: list[Sound]) -> Tensor:
    """(n, 1, 256, 64) scaled log-mels."""
    return to_picture(log_mel(torch.from_numpy(np.stack([s.wave for s in sounds]))))


def train_vae(minutes: float, resume: bool, place: Place) -> None:
    torch.manual_seed(0)
    vae = build_vae()
    start_from_colours(vae)
    rng = random.Random("mels")
    known = mel_pictures([synthesise(rng) for _ in range(24)]).to(place.device)

    def loss(step: int) -> Tensor:
        rng = random.Random(f"mels {place.rank} {step}")
        return loss_of(vae, mel_pictures([synthesise(rng) for _ in range(BATCH)]).to(place.device))

    @torch.no_grad()
    def score(model: nn.Module) -> dict[str, float]:
        error = ((model(known).sample - known) ** 2).mean((1, 2, 3))
        return {"psnr": float((10 * torch.log10(4 / error)).mean())}

    fit(Task("vae", vae, loss, BATCH, rate=1.3e-3, flat=0.35, ema=0.996, score=score), minutes, place, resume)


def averaged(folder: Path, name: str, model: nn.Module) -> nn.Module:
    """The model with the averaged weights of a stage's checkpoint."""
    model.load_state_dict(torch.load(folder / f"{name}.pt", map_location="cpu", weights_only=True)["averaged"])
    return model.eval().requires_grad_(False)


def load_text(folder: Path) -> tuple[RobertaTokenizer, ClapTextModelWithProjection]:
    tokenizer = sound_text.load_tokenizer(folder / "tokenizer")
    return tokenizer, averaged(folder, "text", sound_text.Reader(len(tokenizer))).encoder


@torch.no_grad()
def encode(minutes: float, resume: bool, place: Place) -> None:
    """Synthesise, encode and whiten: writes `latents.pt` with latents and text embeddings, and the `vae` folder."""
    if resume and (place.folder / "latents.pt").exists():
        return
    rng = random.Random("sound latents")
    vae = averaged(place.folder, "vae", build_vae()).to(place.device)
    tokenizer, encoder = load_text(place.folder)
    latents, told = [], []
    for _ in range(COUNT // 32):
        sounds = [synthesise(rng) for _ in range(32)]
        with autocast(place.device):
            latents.append(vae.encode(mel_pictures(sounds).to(place.device)).latent_dist.mode().float().cpu())
        told.append(sound_text.embed(encoder, *sound_text.tokens(tokenizer, [s.caption for s in sounds])))
    joined = torch.cat(latents)
    mean, std = joined.mean((0, 2, 3)), joined.std((0, 2, 3))
    whiten(vae.cpu(), mean, std)
    vae.save_pretrained(place.folder / "vae")
    state = {"latents": ((joined - mean[:, None, None]) / std[:, None, None]).half(), "told": torch.cat(told).half()}
    write_checkpoint(place.folder / "latents.pt", state)


@dataclass
class SoundParts:
    unet: nn.Module
    vae: AutoencoderKL
    vocoder: SpeechT5HifiGan
    tokenizer: RobertaTokenizer
    text_encoder: ClapTextModelWithProjection


@torch.no_grad()
def sample_sounds(
    parts: SoundParts, captions: list[str], seed: int, steps: int = 20, guidance: float = 2.5
) -> list[Wave]:
    """(40960,) float32 waves at 16 kHz, by DPM++ 2M."""
    scheduler = dpmpp_2m()
    scheduler.set_timesteps(steps)
    device = next(parts.text_encoder.parameters()).device
    words = [""] * len(captions) + captions
    told = sound_text.embed(parts.text_encoder, *(t.to(device) for t in sound_text.tokens(parts.tokenizer, words)))
    noise = torch.randn(len(captions), *LATENT_SHAPE, generator=torch.Generator().manual_seed(seed))
    latents = noise.to(device)
    for timestep in scheduler.timesteps:
        with autocast(device):
            both = parts.unet(torch.cat([latents, latents]), timestep, None, class_labels=told).sample.float()
        without, with_text = both.chunk(2)
        latents = scheduler.step(without + guidance * (with_text - without), timestep, latents).prev_sample
    mels = parts.vae.decode(latents).sample[:, 0]
    return list(parts.vocoder(mels).clamp(-1, 1).cpu().numpy())


def heard(parts: SoundParts, each: int, seed: int = 0) -> dict[str, float]:
    """Shares of prompts followed: class, loudness and, of beeps, pitch."""
    rng = random.Random(f"heard {seed}")
    asked = [synthesise(rng) for _ in range(each)] + [synthesise(rng, "beep") for _ in range(each // 2)]
    waves = sample_sounds(parts, [s.caption for s in asked], seed)
    answers: dict[str, list[bool]] = {}
    for wave, sound in zip(waves, asked, strict=True):
        for name, right in judge_sound(wave, sound.attributes).items():
            answers.setdefault(name, []).append(right)
    return {name: sum(values) / len(values) for name, values in answers.items()}


def load_parts(folder: Path, device: torch.device) -> SoundParts:
    tokenizer, encoder = load_text(folder)
    unet = averaged(folder, "unet", build_unet()) if (folder / "unet.pt").exists() else build_unet()
    vae = AutoencoderKL.from_pretrained(folder / "vae").eval().requires_grad_(False)
    voice = averaged(folder, "vocoder", vocoder.build())
    return SoundParts(unet.to(device), vae.to(device), voice.to(device), tokenizer, encoder.to(device))


def train_unet(minutes: float, resume: bool, place: Place) -> None:
    state = torch.load(place.folder / "latents.pt", map_location="cpu", weights_only=True)
    parts = load_parts(place.folder, place.device)
    torch.manual_seed(0)
    unet = build_unet()
    noise = Noise(place.device)
    ids, mask = sound_text.tokens(parts.tokenizer, [""])
    with torch.no_grad():
        empty = sound_text.embed(parts.text_encoder, ids.to(place.device), mask.to(place.device))[0]

    def loss(step: int) -> Tensor:
        rows = torch.randint(len(state["latents"]), (UNET_BATCH,))
        clean, told = (state[name][rows].float().to(place.device) for name in ("latents", "told"))
        told[torch.rand(UNET_BATCH, device=place.device) < WITHOUT_TEXT] = empty
        timesteps = noise.timesteps(UNET_BATCH)
        noisy, velocity = noise.mix(clean, timesteps)
        with fast_arithmetic(place.device):
            predicted = unet(noisy, timesteps, None, class_labels=told).sample
        return noise.loss(predicted, velocity, timesteps)

    def score(model: nn.Module) -> dict[str, float]:
        own = SoundParts(model, parts.vae, parts.vocoder, parts.tokenizer, parts.text_encoder)
        return heard(own, 32)

    task = Task(
        "unet",
        unet,
        loss,
        UNET_BATCH,
        rate=1e-3,
        warmup=100,
        average_every=4,
        weight_decay=0.01,
        score=score,
        score_every=600,
    )
    fit(task, minutes, place, resume)


def export(minutes: float, resume: bool, place: Place) -> None:
    """Write an AudioLDM folder: float16 safetensors, both kinds of tokenizer files, DDIM scheduler."""
    parts = load_parts(place.folder, torch.device("cpu"))
    pipeline = AudioLDMPipeline(
        vae=parts.vae,
        text_encoder=parts.text_encoder,
        tokenizer=parts.tokenizer,
        unet=parts.unet,
        scheduler=ddim(),
        vocoder=parts.vocoder,
    )
    to = place.folder.parents[1] / place.folder.name
    pipeline.to(torch.float16).save_pretrained(to, safe_serialization=True)
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):
        (to / "tokenizer" / name).write_bytes((place.folder / "tokenizer" / name).read_bytes())
