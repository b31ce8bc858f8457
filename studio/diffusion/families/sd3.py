"""Stable Diffusion 3 and 3.5 (Esser et al. 2024, arXiv:2403.03206).

A transformer over text and picture tokens, trained with flow matching. Three text encoders: the penultimate hidden states of two
CLIPs lie side by side, T5's after them; the CLIPs' projected embeddings condition the network as a whole. T5 may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from studio.diffusion.device import Dtypes
from studio.diffusion.families.shared import ORIGINAL, check_channels, check_prompts, flow_model, kl_latents, times_of
from studio.diffusion.family import Detected, Encoded, Family
from studio.diffusion.foreign import Foreign, config_of
from studio.diffusion.model import Checkpoint, Conditioned, LoadedModel, LoadedTextEncoder, LoadedVAE
from studio.diffusion.text import clip_hidden, t5_hidden, tokenize
from studio.diffusion.weights.components import (
    clip_from_file,
    load_clip,
    load_network,
    network_from_file,
    t5_from_file,
    vae_from_file,
)
from studio.diffusion.weights.folder import ModelFolder, read_json
from studio.diffusion.weights.header import TensorInfo
from studio.diffusion.weights.single_file import SingleFile
from studio.diffusion.weights.tokenizers import (
    find_t5_tokenizer,
    find_tokenizer,
    load_t5_tokenizer,
    load_tokenizer,
)
from studio.graph.errors import ValueRefused
from studio.resources import resource

T5_WINDOW = 256
"""Tokens that T5 reads; without T5, as many zeros stand for them."""
CLIPS = (("text_encoder", "tokenizer", None), ("text_encoder_2", "tokenizer_2", "!"))
"""Encoder, tokenizer, and its padding token where it is not the end marker."""


class StableDiffusion3(Family):
    """SD 3 medium, 3.5 medium and 3.5 large."""

    name: ClassVar[str] = "sd3"
    title: ClassVar[str] = "Stable Diffusion 3"

    def detect(self, tensors: Mapping[str, TensorInfo]) -> Detected | None:
        parts = ("transformer_blocks.0.attn.add_q_proj.weight", "time_text_embed.text_embedder.linear_1.weight")
        if "pos_embed.proj.weight" in tensors and all(part in tensors for part in parts):
            return Detected(self.name, _variant(tensors["pos_embed.proj.weight"].shape[1]))
        for prefix in ("", ORIGINAL):
            entry = tensors.get(f"{prefix}x_embedder.proj.weight")
            if entry is not None and f"{prefix}joint_blocks.0.context_block.adaLN_modulation.1.weight" in tensors:
                return Detected(self.name, _variant(entry.shape[1]), "ldm")
        return None

    def load_folder(self, folder: ModelFolder, dtypes: Dtypes) -> Checkpoint:
        import diffusers
        import transformers

        network = load_network(folder, "transformer", diffusers.SD3Transformer2DModel, dtypes.network)
        vae = load_network(folder, "vae", diffusers.AutoencoderKL, dtypes.vae)
        encoders, tokenizers = [], []
        for encoder, tokenizer, _ in CLIPS:
            encoders.append(load_clip(folder, encoder, transformers.CLIPTextModelWithProjection, dtypes.text_encoder))
            tokenizers.append(load_tokenizer(folder.component(tokenizer), tokenizer, encoders[-1]))
        if folder.has("text_encoder_3"):
            encoders.append(load_clip(folder, "text_encoder_3", transformers.T5EncoderModel, dtypes.text_encoder))
            tokenizers.append(load_t5_tokenizer(folder.component("tokenizer_3"), "tokenizer_3", encoders[-1]))
        schedule = folder.config("scheduler", "scheduler_config.json")
        return self._assemble(network, config_of(vae), schedule, vae, encoders, tokenizers)

    def load_file(self, file: SingleFile, dtypes: Dtypes) -> Checkpoint:
        import diffusers
        import transformers

        configs = file.config or resource("families", self.name)
        weights = file.weights()
        shape = "transformer" if file.config else _config_of(file.tensors)
        network = network_from_file(file, weights, configs, shape, diffusers.SD3Transformer2DModel, dtypes.network)
        vae: nn.Module | None = None
        if file.holds("first_stage_model.", "vae."):
            vae = vae_from_file(file, weights, configs, dtypes.vae)
        encoders, tokenizers = [], []
        if file.holds("text_encoders.clip_l.") and file.holds("text_encoders.clip_g."):
            kind = transformers.CLIPTextModelWithProjection
            for encoder, _, padding in CLIPS:
                encoders.append(clip_from_file(file, weights, configs, encoder, kind, dtypes.text_encoder))
                tokenizers.append(find_tokenizer(file.path, file.tokenizer, encoders[-1], padding))
            if file.holds("text_encoders.t5xxl."):
                encoders.append(t5_from_file(file, weights, configs, "text_encoder_3", dtypes.text_encoder))
                tokenizers.append(find_t5_tokenizer(file.path, file.config, "tokenizer_3", encoders[-1]))
        schedule = read_json(configs / "scheduler" / "scheduler_config.json", "scheduler")
        stated = config_of(vae) if vae is not None else read_json(configs / "vae" / "config.json", "vae")
        return self._assemble(network, stated, schedule, vae, encoders, tokenizers)

    def _assemble(
        self,
        network: nn.Module,
        stated: Mapping[str, Foreign],
        schedule: Mapping[str, Foreign],
        vae: nn.Module | None,
        encoders: Sequence[nn.Module],
        tokenizers: Sequence[Foreign],
    ) -> Checkpoint:
        config = config_of(network)
        latents = kl_latents(stated, config.patch_size)
        loaded = LoadedVAE(self, vae, latents) if vae is not None else None
        # SD3's pipeline differs from the other flow pipelines in this default.
        model = flow_model(self, network, {"max_shift": 1.16, **schedule}, latents, loaded, config.sample_size)
        text = LoadedTextEncoder(self, tuple(tokenizers), tuple(encoders)) if encoders else None
        return Checkpoint(model, text, loaded)

    def encode(self, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        check_prompts(prompts)
        hidden, pooled = [], []
        for tokenizer, part in zip(encoder.tokenizers[:2], encoder.encoders[:2], strict=True):
            tokens = tokenize(tokenizer, part, prompts)
            states, vector = clip_hidden(part, tokens.ids, skip_layers + 1, final_norm=False)
            hidden.append(states)
            pooled.append(vector)
        embeds = torch.cat(hidden, dim=-1)
        for tokenizer, part in zip(encoder.tokenizers[2:], encoder.encoders[2:], strict=True):
            tokens = tokenize(tokenizer, part, prompts, T5_WINDOW)
            embeds = _with_t5(embeds, t5_hidden(part, tokens.ids))
        return Encoded(Conditioned(embeds, torch.cat(pooled, dim=-1)), tokens.counts, tokens.window, tokens.cut)

    def call(
        self, model: LoadedModel, x: Tensor, time: float, conditioned: Conditioned, guidance: float | None
    ) -> Tensor:
        network, embeds = model.network, conditioned.embeds
        config = config_of(network)
        check_channels(x, config.in_channels)
        if conditioned.pooled is None or embeds.shape[-1] > config.joint_attention_dim:
            raise ValueRefused(
                f"This conditioning ({embeds.shape[-1]} wide) is not one of a Stable Diffusion 3 text encoder.",
                socket="positive",
                mend="Encode the prompts with the text encoder of the same checkpoint.",
            )
        if max(x.shape[2:]) > config.pos_embed_max_size * config.patch_size:
            raise ValueRefused(
                f"The latent is {tuple(x.shape[2:])} large.",
                socket="latent",
                mend=f"This model makes at most {config.pos_embed_max_size * config.patch_size * model.latents.factor} pixels an edge.",
            )
        if embeds.shape[-1] < config.joint_attention_dim:
            embeds = _with_t5(embeds, embeds.new_zeros(len(embeds), T5_WINDOW, config.joint_attention_dim))
        output: Tensor = network(
            hidden_states=x.to(embeds.dtype),
            timestep=times_of(x, time),
            encoder_hidden_states=embeds,
            pooled_projections=conditioned.pooled,
            return_dict=False,
        )[0]
        return output.float()


def _with_t5(embeds: Tensor, states: Tensor) -> Tensor:
    """CLIP's tokens, as wide as T5's, and T5's after them."""
    return torch.cat([F.pad(embeds, (0, states.shape[-1] - embeds.shape[-1])), states.to(embeds.dtype)], dim=-2)


def _variant(channels: int) -> str:
    return "" if channels == 16 else f"{channels} channels"


def _config_of(tensors: Mapping[str, TensorInfo]) -> str:
    """Which of our config folders a network in the original layout has: by its depth and the norms of its attention."""
    names = {name.removeprefix(ORIGINAL) for name in tensors}
    if any(name.startswith("joint_blocks.37.") for name in names):
        return "transformer_35_large"
    return "transformer_35_medium" if "joint_blocks.0.x_block.attn2.qkv.weight" in names else "transformer"


FAMILY = StableDiffusion3()
