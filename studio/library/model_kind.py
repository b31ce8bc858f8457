"""What kind of model a file or folder is: by the folder that it lies in, or else by what its first bytes say. Nothing is loaded."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

INDEX: Final = "model_index.json"
"""Of a whole pipeline in the layout of diffusers."""
_CONFIG: Final = "config.json"
WEIGHTS: Final = frozenset({".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth", ".bin"})
_LARGEST_HEADER: Final = 100_000_000

FOLDERS: Final = {
    "checkpoint": ("checkpoints", "checkpoint", "stable-diffusion", "diffusion_models", "diffusers", "unet"),
    "vae": ("vae", "vaes"),
    "text_encoder": ("text_encoders", "clip"),
    "lora": ("loras", "lora", "lycoris"),
    "controlnet": ("controlnet", "controlnets", "t2i_adapter", "t2iadapter"),
    "upscaler": ("upscale_models", "upscalers", "upscaler", "esrgan", "realesrgan", "swinir"),
    "embedding": ("embeddings", "embedding", "textual_inversion"),
    "preview": ("vae_approx", "vae-approx"),
}
"""Kinds, and the folders where this and other programs keep them. The first is the one that we propose."""
_KIND_OF_FOLDER: Final = {name: kind for kind, names in FOLDERS.items() for name in names}
_KIND_OF_CLASS: Final = {
    "AutoencoderTiny": "preview",
    "AutoencoderKL": "vae",
    "AutoencoderDC": "vae",
    "AutoencoderKLFlux2": "vae",
    "AutoencoderKLQwenImage": "vae",
    "VQModel": "vae",
    "ControlNetModel": "controlnet",
    "SD3ControlNetModel": "controlnet",
    "FluxControlNetModel": "controlnet",
    "T2IAdapter": "controlnet",
}


def kind_of_folder(name: str) -> str | None:
    """The kind of what lies in a folder of this name, or None where it says nothing."""
    return _KIND_OF_FOLDER.get(name.casefold())


def kind_of_component(folder: Path) -> str | None:
    """The kind of a single network in the layout of diffusers, or None where the folder is none that we know."""
    try:
        config: Any = json.loads((folder / _CONFIG).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    name = config.get("_class_name") if isinstance(config, dict) else None
    return _KIND_OF_CLASS.get(name) if isinstance(name, str) else None


def kind_of_file(path: Path) -> str | None:
    """The kind of a weights file by its tensors' names; None where they say nothing that we know."""
    if path.suffix.casefold() in (".safetensors", ".sft"):
        return _kind_of_tensors(_tensor_names(path))
    return "checkpoint" if path.suffix.casefold() in (".ckpt", ".gguf") else None


def _tensor_names(path: Path) -> Collection[str]:
    """Of a safetensors file (8 bytes of length, then JSON); empty where it is damaged."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header: Any = json.loads(file.read(length)) if length <= _LARGEST_HEADER else {}
    except (OSError, ValueError, RecursionError):
        return ()
    return header.keys() if isinstance(header, dict) else ()


_LORA: Final = (".lora_", "lora_up.", "lora_down.", ".lora.", ".hada_", ".lokr_", ".oft_")
_STARTS: Final = (
    ("controlnet", ("control_model.", "controlnet_", "input_hint_block.")),
    (
        "checkpoint",
        (
            "model.diffusion_model.",
            "double_blocks.",
            "joint_blocks.",
            "transformer_blocks.",
            "noise_refiner.",
            "down_blocks.",
        ),
    ),
    ("text_encoder", ("text_model.", "encoder.block.", "shared.weight", "model.embed_tokens.")),
    ("vae", ("first_stage_model.", "decoder.up", "encoder.down", "quant_conv.")),
    ("upscaler", ("body.", "conv_first.", "model.0.", "model.1.sub.", "layers.0.residual_group.", "params_ema.")),
    ("embedding", ("emb_params", "clip_l", "clip_g", "string_to_param")),
)


def _kind_of_tensors(names: Collection[str]) -> str | None:
    if any(mark in name for name in names for mark in _LORA):
        return "lora"
    return next((kind for kind, starts in _STARTS if any(name.startswith(starts) for name in names)), None)
