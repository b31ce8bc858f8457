"""The exported picture starter, as the add-ons that build on it load it."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from train.sample import Parts


def load_base(folder: Path, device: torch.device) -> Parts:
    """The frozen models of a diffusers folder, in float32."""
    options = {"dtype": torch.float32, "local_files_only": True}
    return Parts(
        UNet2DConditionModel.from_pretrained(folder / "unet", **options).eval().requires_grad_(False).to(device),
        CLIPTextModel.from_pretrained(folder / "text_encoder", **options).eval().requires_grad_(False).to(device),
        CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        AutoencoderKL.from_pretrained(folder / "vae", **options).eval().requires_grad_(False).to(device),
    )
