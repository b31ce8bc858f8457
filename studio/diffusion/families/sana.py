"""Sana (Xie et al. 2024, arXiv:2410.10629).

A transformer with linear attention, trained with flow matching on the latents of DC-AE, of which one pixel stands for 32 x 32. The text
encoder is a language model (Gemma 2), which is first told to enhance the prompt; the network sees its last hidden states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from studio.diffusion.device import Dtypes, device_of
from studio.diffusion.families.shared import (
    check_channels,
    check_conditioning,
    check_prompts,
    flow_model,
    folders_only,
    times_of,
)
from studio.diffusion.family import Detected, Encoded, Family
from studio.diffusion.foreign import config_of
from studio.diffusion.model import Checkpoint, Conditioned, LatentFormat, LoadedModel, LoadedTextEncoder, LoadedVAE
from studio.diffusion.text import no_layers_skipped
from studio.diffusion.weights.components import load_clip, load_network
from studio.diffusion.weights.folder import ModelFolder
from studio.diffusion.weights.header import TensorInfo
from studio.diffusion.weights.single_file import SingleFile
from studio.diffusion.weights.tokenizers import load_auto_tokenizer
from studio.graph.errors import ModelUnreadable

WINDOW = 300
INSTRUCTION = """\
Given a user prompt, generate an 'Enhanced prompt' that provides detailed visual descriptions suitable for image generation. \
Evaluate the level of detail in the user prompt:
- If the prompt is simple, focus on adding specifics about colors, shapes, sizes, textures, and spatial relationships to create \
vivid and concrete scenes.
- If the prompt is already detailed, refine and enhance the existing details slightly without overcomplicating.
Here are examples of how to transform or refine prompts:
- User Prompt: A cat sleeping -> Enhanced: A small, fluffy white cat curled up in a round shape, sleeping peacefully on a warm \
sunny windowsill, surrounded by pots of blooming red flowers.
- User Prompt: A busy city street -> Enhanced: A bustling city street scene at dusk, featuring glowing street lamps, a diverse \
crowd of people in colorful clothing, and a double-decker bus passing by towering glass skyscrapers.
Please generate only the enhanced description for the prompt below and avoid including any additional commentary or evaluations:
User Prompt: """
"""What the models were trained with, word for word."""


class Sana(Family):
    """Sana and Sana 1.5, from diffusers folders."""

    name: ClassVar[str] = "sana"
    title: ClassVar[str] = "Sana"
    masks: ClassVar[bool] = True

    def detect(self, tensors: Mapping[str, TensorInfo]) -> Detected | None:
        parts = ("patch_embed.proj.weight", "caption_norm.weight", "transformer_blocks.0.ff.conv_depth.weight")
        if not all(part in tensors for part in parts):
            return None
        sprint = "time_embed.guidance_embedder.linear_1.weight" in tensors
        return Detected(self.name, "sprint" if sprint else "")

    def load_folder(self, folder: ModelFolder, dtypes: Dtypes) -> Checkpoint:
        import diffusers
        import transformers

        network = load_network(folder, "transformer", diffusers.SanaTransformer2DModel, dtypes.network)
        config = config_of(network)
        if config.guidance_embeds:
            raise ModelUnreadable(
                folder.path,
                "Sana Sprint is not sampled by these nodes.",
                field="transformer",
                mend="Run the folder with the Pipeline node.",
            )
        vae = load_network(folder, "vae", diffusers.AutoencoderDC, dtypes.vae)
        encoder = load_clip(folder, "text_encoder", transformers.Gemma2Model, dtypes.text_encoder)
        tokenizer = load_auto_tokenizer(folder.component("tokenizer"), "tokenizer", encoder)
        schedule = folder.config("scheduler", "scheduler_config.json")
        dc_ae = config_of(vae)
        factor = 2 ** (len(dc_ae.encoder_block_out_channels) - 1)
        latents = LatentFormat(dc_ae.latent_channels, factor, dc_ae.scaling_factor, patch=config.patch_size)
        loaded = LoadedVAE(self, vae, latents)
        model = flow_model(self, network, schedule, latents, loaded, config.sample_size)
        return Checkpoint(model, LoadedTextEncoder(self, (tokenizer,), (encoder,)), loaded)

    def load_file(self, file: SingleFile, dtypes: Dtypes) -> Checkpoint:
        folders_only(file, self.title)

    @torch.no_grad()
    def encode(self, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        check_prompts(prompts)
        no_layers_skipped(skip_layers)
        (tokenizer,), (network,) = encoder.tokenizers, encoder.encoders
        given = INSTRUCTION if encoder.instruction is None else encoder.instruction
        # An empty prompt, such as the negative one often is, has nothing to enhance.
        told = [given if prompt.strip() else "" for prompt in prompts]
        # Of an instruction's tokens the network sees the first alone.
        before = [len(tokenizer(text).input_ids) - 2 if text else 0 for text in told]
        # Lower-case and trimmed, as in diffusers' pipeline, except for the instruction.
        asked = [text + prompt.lower().strip() for text, prompt in zip(told, prompts, strict=True)]
        whole: list[list[int]] = [tokenizer(text, truncation=False, verbose=False).input_ids for text in asked]
        cut = tuple(tokenizer.decode(ids[WINDOW + skip :]).strip() for ids, skip in zip(whole, before, strict=True))
        padded = tokenizer(
            asked,
            padding="max_length",
            padding_side="right",
            max_length=WINDOW + max(before),
            truncation=True,
            return_tensors="pt",
        )
        device = device_of(network)
        hidden = network(padded.input_ids.to(device), attention_mask=padded.attention_mask.to(device))[0]
        rows = torch.arange(len(prompts))[:, None]
        seen = torch.tensor([[0, *range(skip + 1, skip + WINDOW)] for skip in before])
        conditioned = Conditioned(hidden[rows, seen], mask=padded.attention_mask[rows, seen])
        return Encoded(
            conditioned, tuple(len(ids) - skip for ids, skip in zip(whole, before, strict=True)), WINDOW, cut
        )

    def call(
        self, model: LoadedModel, x: Tensor, time: float, conditioned: Conditioned, guidance: float | None
    ) -> Tensor:
        network, embeds = model.network, conditioned.embeds
        config = config_of(network)
        check_channels(x, config.in_channels)
        check_conditioning(embeds, config.caption_channels, conditioned.mask is not None, self.title)
        output: Tensor = network(
            x.to(embeds.dtype),
            encoder_hidden_states=embeds,
            encoder_attention_mask=conditioned.mask,
            timestep=times_of(x, time) * config.timestep_scale,
            return_dict=False,
        )[0]
        return output[:, : x.shape[1]].float()


FAMILY = Sana()
