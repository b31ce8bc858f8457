"""Z-Image (Tongyi-MAI 2025, arXiv:2511.22699): Turbo, which is distilled to a few steps and not guided, and base.

A transformer in which text and picture tokens run in one stream, trained with flow matching. The text encoder is a chat model (Qwen3),
whose penultimate hidden states for the prompt as a user's message are taken. The network's time runs from noise, 0, to picture, 1,
and its output is x0 - noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from studio.diffusion.device import Dtypes
from studio.diffusion.families.shared import (
    ORIGINAL,
    check_channels,
    check_conditioning,
    check_prompts,
    flow_file,
    flow_model,
    kl_latents,
    times_of,
)
from studio.diffusion.family import Detected, Encoded, Family
from studio.diffusion.foreign import config_of
from studio.diffusion.model import Checkpoint, Conditioned, LoadedModel, LoadedTextEncoder, LoadedVAE
from studio.diffusion.text import chat_hidden, no_layers_skipped, tokenize_chat
from studio.diffusion.weights.components import load_clip, load_network
from studio.diffusion.weights.folder import ModelFolder
from studio.diffusion.weights.header import TensorInfo
from studio.diffusion.weights.single_file import SingleFile
from studio.diffusion.weights.tokenizers import load_chat_tokenizer

WINDOW = 512
EDGE = 128
"""Latent pixels along an edge of the pictures that the models were trained at."""
PATCH = 2


class ZImage(Family):
    """Z-Image. Guidance s of the authors, positive + s (positive - negative), is our guidance 1 + s."""

    name: ClassVar[str] = "z_image"
    title: ClassVar[str] = "Z-Image"
    masks: ClassVar[bool] = True

    def detect(self, tensors: Mapping[str, TensorInfo]) -> Detected | None:
        for prefix in ("", ORIGINAL):
            for layout, projection in (("diffusers", "to_q"), ("ldm", "qkv")):
                parts = ("cap_embedder.0.weight", f"noise_refiner.0.attention.{projection}.weight")
                if all(prefix + part in tensors for part in parts):
                    omni = f"{prefix}siglip_embedder.0.weight" in tensors
                    return Detected(self.name, "omni" if omni else "", "ldm" if prefix else layout)
        return None

    def load_folder(self, folder: ModelFolder, dtypes: Dtypes) -> Checkpoint:
        import diffusers
        import transformers

        network = load_network(folder, "transformer", diffusers.ZImageTransformer2DModel, dtypes.network)
        vae = load_network(folder, "vae", diffusers.AutoencoderKL, dtypes.vae)
        encoder = load_clip(folder, "text_encoder", transformers.Qwen3Model, dtypes.text_encoder)
        tokenizer = load_chat_tokenizer(folder.component("tokenizer"), "tokenizer", encoder)
        schedule = folder.config("scheduler", "scheduler_config.json")
        latents = kl_latents(config_of(vae), PATCH)
        loaded = LoadedVAE(self, vae, latents)
        model = flow_model(self, network, schedule, latents, loaded, EDGE)
        return Checkpoint(model, LoadedTextEncoder(self, (tokenizer,), (encoder,)), loaded)

    def load_file(self, file: SingleFile, dtypes: Dtypes) -> Checkpoint:
        """The network alone: files of Z-Image hold nothing else."""
        import diffusers

        return flow_file(self, file, dtypes, diffusers.ZImageTransformer2DModel, partial(kl_latents, patch=PATCH), EDGE)

    def encode(self, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        check_prompts(prompts)
        no_layers_skipped(skip_layers)
        (tokenizer,), (network,) = encoder.tokenizers, encoder.encoders
        asked = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=True
            )
            for prompt in prompts
        ]
        tokens = tokenize_chat(tokenizer, asked, WINDOW)
        conditioned = Conditioned(chat_hidden(network, tokens)[-2], mask=tokens.mask)
        return Encoded(conditioned, tokens.counts, tokens.window, tokens.cut)

    def call(
        self, model: LoadedModel, x: Tensor, time: float, conditioned: Conditioned, guidance: float | None
    ) -> Tensor:
        network, embeds = model.network, conditioned.embeds
        config = config_of(network)
        check_channels(x, config.in_channels)
        check_conditioning(embeds, config.cap_feat_dim, conditioned.mask is not None, self.title)
        assert conditioned.mask is not None
        outputs: list[Tensor] = network(
            list(x.to(embeds.dtype).unsqueeze(2).unbind()),
            (1000 - times_of(x, time)) / 1000,
            [one[seen.bool()] for one, seen in zip(embeds, conditioned.mask, strict=True)],
            return_dict=False,
        )[0]
        return -torch.stack([one.float() for one in outputs]).squeeze(2)

    def guide(self, model: LoadedModel, negative: Tensor, positive: Tensor, scale: float) -> Tensor:
        return positive + (scale - 1) * (positive - negative)


FAMILY = ZImage()
