"""Diffusers weights under the names of the original one-file layout ("LDM"), the inverse of what loaders do."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from studio.diffusion.foreign import Foreign

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def checkpoint(pipeline: Foreign) -> dict[str, Tensor]:
    """Everything of a Stable Diffusion 1 pipeline as one file holds it."""
    weights = unet(pipeline.unet.state_dict(), pipeline.unet.config)
    weights |= vae(pipeline.vae.state_dict(), len(pipeline.vae.config.block_out_channels))
    return weights | clip(pipeline.text_encoder.state_dict(), "cond_stage_model.transformer.")


def unet(weights: Mapping[str, Tensor], config: Foreign) -> dict[str, Tensor]:
    """U-Net: `input_blocks`, `middle_block` and `output_blocks` count what diffusers nests."""
    blocks, layers = len(config.block_out_channels), config.layers_per_block
    prefixes = {
        "time_embedding.linear_1.": "time_embed.0.",
        "time_embedding.linear_2.": "time_embed.2.",
        "add_embedding.linear_1.": "label_emb.0.0.",
        "add_embedding.linear_2.": "label_emb.0.2.",
        "conv_in.": "input_blocks.0.0.",
        "conv_norm_out.": "out.0.",
        "conv_out.": "out.2.",
        "mid_block.resnets.0.": "middle_block.0.",
        "mid_block.attentions.0.": "middle_block.1.",
        "mid_block.resnets.1.": "middle_block.2.",
    }
    place = 1
    for block in range(blocks):
        for layer in range(layers):
            prefixes[f"down_blocks.{block}.resnets.{layer}."] = f"input_blocks.{place}.0."
            prefixes[f"down_blocks.{block}.attentions.{layer}."] = f"input_blocks.{place}.1."
            place += 1
        prefixes[f"down_blocks.{block}.downsamplers.0.conv."] = f"input_blocks.{place}.0.op."
        place += 1
    for block in range(blocks):
        attends = any(name.startswith(f"up_blocks.{block}.attentions.") for name in weights)
        for layer in range(layers + 1):
            place = block * (layers + 1) + layer
            prefixes[f"up_blocks.{block}.resnets.{layer}."] = f"output_blocks.{place}.0."
            prefixes[f"up_blocks.{block}.attentions.{layer}."] = f"output_blocks.{place}.1."
        prefixes[f"up_blocks.{block}.upsamplers.0.conv."] = f"output_blocks.{place}.{2 if attends else 1}.conv."
    renamed = {}
    for name, tensor in weights.items():
        prefix = next(prefix for prefix in prefixes if name.startswith(prefix))
        rest = name.removeprefix(prefix)
        if ".resnets." in prefix:
            part, rest = rest.split(".", 1)
            rest = f"{_RESNET[part]}.{rest}"
        renamed[f"model.diffusion_model.{prefixes[prefix]}{rest}"] = tensor
    return renamed


def vae(weights: Mapping[str, Tensor], blocks: int) -> dict[str, Tensor]:
    """The autoencoder; its decoder counts blocks from the picture, and its attention is made of 1x1 convolutions."""
    renamed = {}
    for name, tensor in weights.items():
        new = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", name)
        new = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", new)
        new = re.sub(r"up_blocks\.(\d+)\.resnets\.", lambda found: f"up.{blocks - 1 - int(found[1])}.block.", new)
        new = re.sub(
            r"up_blocks\.(\d+)\.upsamplers\.0\.", lambda found: f"up.{blocks - 1 - int(found[1])}.upsample.", new
        )
        new = new.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
        new = new.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        value = tensor
        if "mid_block.attentions.0" in new:
            new = (
                new.replace("mid_block.attentions.0", "mid.attn_1")
                .replace("group_norm", "norm")
                .replace("to_out.0", "proj_out")
            )
            new = re.sub(r"\.to_([qkv])\.", r".\1.", new)
            value = tensor[:, :, None, None] if tensor.ndim == 2 else tensor
        renamed[f"first_stage_model.{new}"] = value
    return renamed


def clip(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """CLIP as transformers named it before it took `text_model` out."""
    return {f"{prefix}text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in weights.items()}


def open_clip(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """CLIP as open_clip names it, with query, key and value in one."""
    names = {
        "embeddings.token_embedding.weight": "token_embedding.weight",
        "embeddings.position_embedding.weight": "positional_embedding",
        "final_layer_norm": "ln_final",
        "encoder.layers": "transformer.resblocks",
        "layer_norm1": "ln_1",
        "layer_norm2": "ln_2",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
        "self_attn.out_proj": "attn.out_proj",
    }
    renamed: dict[str, Tensor] = {}
    joined: dict[str, list[Tensor]] = {}
    for name, tensor in weights.items():
        new = name.removeprefix("text_model.")
        for old, other in names.items():
            new = new.replace(old, other)
        if new == "text_projection.weight":
            renamed[f"{prefix}text_projection"] = tensor.T.contiguous()
        elif found := re.match(r"(.*)\.self_attn\.[qkv]_proj\.(weight|bias)", new):
            joined.setdefault(f"{prefix}{found[1]}.attn.in_proj_{found[2]}", []).append(tensor)
        else:
            renamed[prefix + new] = tensor
    # transformers lists the projections as k, v, q
    return renamed | {name: torch.cat([parts[2], parts[0], parts[1]]) for name, parts in joined.items()}
