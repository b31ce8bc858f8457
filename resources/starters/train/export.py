"""Writes trained starters as standard diffusers folders."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
)
from safetensors.torch import load_file, save_file

from train.flow_text import TOKENS, both_encoders
from train.noise import ddim
from train.sample import Parts
from train.unet import load_parts


def rename_text_keys(file: Path) -> None:
    """Give the text encoder's weights the `text_model.` prefix that transformers 5 leaves out and older programs need."""
    state = load_file(file)
    renamed = {k if k.startswith("text_model.") else f"text_model.{k}": v.contiguous() for k, v in state.items()}
    save_file(renamed, file, metadata={"format": "pt"})


def add_to_json(file: Path, entries: dict[str, object]) -> None:
    known = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(known | entries, indent=2) + "\n", encoding="utf-8")


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


def export_flow(
    transformer: SD3Transformer2DModel, schedule: FlowMatchEulerDiscreteScheduler, parts: Parts, base: Path, to: Path
) -> None:
    """Write a Stable Diffusion 3 without T5 to `to`: float16 safetensors, the tokenizer of `base`, for captions of TOKENS tokens."""
    parts.vae.register_to_config(shift_factor=0.0)  # which the pipeline adds
    first, second = both_encoders(parts.text_encoder)
    pipeline = StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=schedule,
        vae=parts.vae,
        text_encoder=first,
        tokenizer=parts.tokenizer,
        text_encoder_2=second,
        tokenizer_2=parts.tokenizer,
        text_encoder_3=None,
        tokenizer_3=None,
    )
    pipeline.to(torch.float16).save_pretrained(to, safe_serialization=True)
    absent = dict.fromkeys(("text_encoder_3", "tokenizer_3", "image_encoder", "feature_extractor"), (None, None))
    add_to_json(to / "model_index.json", absent)  # the pipeline loads only where they are said to be absent
    for tokenizer in ("tokenizer", "tokenizer_2"):
        shutil.copytree(base / "tokenizer", to / tokenizer, dirs_exist_ok=True)
        add_to_json(to / tokenizer / "tokenizer_config.json", {"model_max_length": TOKENS})
