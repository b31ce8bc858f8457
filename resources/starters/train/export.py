"""Writes a trained picture starter as a standard diffusers folder."""

import shutil
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from train.noise import ddim
from train.unet import load_parts


def rename_text_keys(file: Path) -> None:
    """Give the text encoder's weights the `text_model.` prefix that transformers 5 leaves out and older programs need."""
    state = load_file(file)
    renamed = {k if k.startswith("text_model.") else f"text_model.{k}": v.contiguous() for k, v in state.items()}
    save_file(renamed, file, metadata={"format": "pt"})


def export_picture(folder: Path, to: Path) -> None:
    """Write the checkpoints of `folder` to `to`: float16 safetensors, tokenizer files of both kinds, DDIM scheduler."""
    parts = load_parts(folder, torch.device("cpu"))
    pipeline = StableDiffusionPipeline(
        vae=parts.vae,
        text_encoder=parts.text_encoder,
        tokenizer=parts.tokenizer,
        unet=parts.unet,
        scheduler=ddim(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(to, safe_serialization=True)
    rename_text_keys(to / "text_encoder" / "model.safetensors")
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):
        shutil.copy(folder / "tokenizer" / name, to / "tokenizer" / name)
