"""The pictures that the denoisers learn from, encoded once."""

import hashlib
import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import CLIPTokenizer

from train import vae as autoencoder
from train.base import load_base
from train.loop import Place, autocast, write_checkpoint
from train.pictures import draw_to_learn, to_tensor
from train.words import token_ids

COUNT = 48_000
CHUNK = 32


@dataclass(frozen=True, slots=True)
class Latents:
    """Whitened latents (n, 4, 16, 16) float16, and their captions' token ids (n, 77) int16."""

    latents: Tensor
    ids: Tensor

    def pick(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """`count` at random: float32 latents and int64 ids on `device`."""
        rows = torch.randint(len(self.latents), (count,))
        return self.latents[rows].float().to(device), self.ids[rows].long().to(device)


def encode(vae: AutoencoderKL, tokenizer: CLIPTokenizer, count: int, place: Place) -> None:
    """Draw this process's share of `count` pictures, encode them, and write them beside the checkpoints."""
    rng = random.Random(f"latents {place.rank}")
    vae = vae.to(place.device).eval()
    latents, ids = [], []
    for _ in range(-(-count // place.world // CHUNK)):
        pictures = [draw_to_learn(rng) for _ in range(CHUNK)]
        images = to_tensor(np.stack([p.pixels for p in pictures])).to(place.device)
        with torch.no_grad(), autocast(place.device):
            latents.append(vae.encode(images).latent_dist.mode().half().cpu())
        ids.append(token_ids(tokenizer, [p.caption for p in pictures]).short())
    state = {"latents": torch.cat(latents), "ids": torch.cat(ids)}
    write_checkpoint(place.folder / f"latents-{place.rank}.pt", state)


def gather(folder: Path) -> Latents:
    """The shares of all processes together; their files are removed."""
    files = sorted(folder.glob("latents-*.pt"))
    parts = [torch.load(file, weights_only=True) for file in files]
    for file in files:
        file.unlink()
    return Latents(torch.cat([p["latents"] for p in parts]), torch.cat([p["ids"] for p in parts]))


def collect(folder: Path) -> None:
    """Join the shares, whiten them, and write the whitened autoencoder as `<folder>/vae`."""
    raw = gather(folder)
    some = raw.latents[::4].float()
    mean, std = some.mean((0, 2, 3)), some.std((0, 2, 3))
    vae = load_trained_vae(folder)
    autoencoder.whiten(vae, mean, std)
    vae.save_pretrained(folder / "vae")
    whitened = ((raw.latents.float() - mean[:, None, None]) / std[:, None, None]).half()
    write_checkpoint(folder / "latents.pt", {"latents": whitened, "ids": raw.ids})


def of_base(place: Place) -> Path:
    """Where the latents of the finished picture starter `place.base` are kept, for every model that learns on them."""
    weights = (place.base / "vae" / "diffusion_pytorch_model.safetensors").read_bytes()
    return place.folder.parent / f"latents-{hashlib.sha256(weights).hexdigest()[:12]}"


def encode_base(minutes: float, resume: bool, place: Place) -> None:
    """As `encode`, by the base's autoencoder, which is whitened; nothing where that was done before."""
    folder = of_base(place)
    if not (folder / "latents.pt").exists():
        folder.mkdir(exist_ok=True)
        parts = load_base(place.base, place.device)
        encode(parts.vae, parts.tokenizer, COUNT, replace(place, folder=folder))


def collect_base(minutes: float, resume: bool, place: Place) -> None:
    """Join the shares of `encode_base`."""
    folder = of_base(place)
    if not (folder / "latents.pt").exists():
        joined = gather(folder)
        write_checkpoint(folder / "latents.pt", {"latents": joined.latents, "ids": joined.ids})


def load_trained_vae(folder: Path) -> AutoencoderKL:
    """The autoencoder of the `vae` stage's checkpoint, not whitened yet."""
    vae = autoencoder.build()
    vae.load_state_dict(torch.load(folder / "vae.pt", map_location="cpu", weights_only=True)["averaged"])
    return vae.eval()


def load(folder: Path) -> Latents:
    state = torch.load(folder / "latents.pt", map_location="cpu", weights_only=True, mmap=True)
    return Latents(state["latents"], state["ids"])
