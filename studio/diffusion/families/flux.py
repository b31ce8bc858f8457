"""Flux.1 (Black Forest Labs 2024): dev; schnell, distilled to a few steps; Kontext (arXiv:2506.15742), which edits; Fill, which inpaints.

A transformer over T5's tokens and 2 x 2 patches of the latent, trained with flow matching. CLIP's pooled output conditions the network
as a whole. dev takes guidance as an input; schnell is not guided (guidance 1). Their shared paper is that of Stable Diffusion 3
(Esser et al. 2024, arXiv:2403.03206); sigmas are shifted as for a picture of the size that the model was trained at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
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
    pack,
    places,
    references,
    times_of,
    unpack,
)
from studio.diffusion.family import Detected, Encoded, Family, beside_each_other
from studio.diffusion.foreign import config_of
from studio.diffusion.model import Checkpoint, Conditioned, LoadedModel, LoadedTextEncoder, LoadedVAE
from studio.diffusion.preview import ProjectionOf
from studio.diffusion.text import clip_hidden, no_layers_skipped, t5_hidden, tokenize
from studio.diffusion.weights.components import clip_from_file, load_clip, load_network, t5_from_file, vae_from_file
from studio.diffusion.weights.folder import ModelFolder
from studio.diffusion.weights.header import TensorInfo
from studio.diffusion.weights.single_file import SingleFile
from studio.diffusion.weights.tokenizers import (
    find_t5_tokenizer,
    find_tokenizer,
    load_t5_tokenizer,
    load_tokenizer,
)
from studio.resources import resource

T5_WINDOW = 512
EDGE = 128
"""Latent pixels along an edge of the pictures that the models were trained at."""
PATCH = 2
VARIANTS = {384: "fill", 128: "control"}
"""By the numbers in a patch of the input; `control` takes an edge or depth picture."""


class Flux(Family):
    """Flux.1 dev, schnell, Kontext and Fill. Files that hold the network alone are read in both layouts.

    Kontext looks like dev, and goes by the pictures in the conditioning's extras.
    """

    name: ClassVar[str] = "flux"
    title: ClassVar[str] = "Flux.1"
    refers: ClassVar[bool] = True

    def detect(self, tensors: Mapping[str, TensorInfo]) -> Detected | None:
        diffusers = ("single_transformer_blocks.0.attn.norm_q.weight", "time_text_embed.text_embedder.linear_1.weight")
        layouts = [("", "x_embedder.weight", diffusers, "time_text_embed.guidance_embedder.", "diffusers")]
        for prefix in ("", ORIGINAL):
            parts = ("double_blocks.0.img_attn.norm.key_norm.scale", "vector_in.in_layer.weight")
            layouts.append((prefix, "img_in.weight", parts, "guidance_in.", "ldm"))
        for prefix, entry, parts, guidance, layout in layouts:
            first = tensors.get(prefix + entry)
            if first is not None and all(prefix + part in tensors for part in parts):
                guided = any(name.startswith(prefix + guidance) for name in tensors)
                return Detected(self.name, VARIANTS.get(first.shape[1], "" if guided else "schnell"), layout)
        return None

    def load_folder(self, folder: ModelFolder, dtypes: Dtypes) -> Checkpoint:
        import diffusers
        import transformers

        network = load_network(folder, "transformer", diffusers.FluxTransformer2DModel, dtypes.network)
        vae = load_network(folder, "vae", diffusers.AutoencoderKL, dtypes.vae)
        clip = load_clip(folder, "text_encoder", transformers.CLIPTextModel, dtypes.text_encoder)
        t5 = load_clip(folder, "text_encoder_2", transformers.T5EncoderModel, dtypes.text_encoder)
        tokenizers = (
            load_tokenizer(folder.component("tokenizer"), "tokenizer", clip),
            load_t5_tokenizer(folder.component("tokenizer_2"), "tokenizer_2", t5),
        )
        latents = kl_latents(config_of(vae), PATCH)
        loaded = LoadedVAE(self, vae, latents)
        model = flow_model(self, network, folder.config("scheduler", "scheduler_config.json"), latents, loaded, EDGE)
        return Checkpoint(model, LoadedTextEncoder(self, tokenizers, (clip, t5)), loaded)

    def load_file(self, file: SingleFile, dtypes: Dtypes) -> Checkpoint:
        """The network; text encoders and VAE where the file, or files beside it, hold them."""
        import diffusers
        import transformers

        found = self.detect(file.tensors)
        variant = "schnell" if found is not None and found.variant == "schnell" else ""
        kind = diffusers.FluxTransformer2DModel
        alone = flow_file(self, file, dtypes, kind, partial(kl_latents, patch=PATCH), EDGE, variant)
        weights, configs = file.weights(), file.config or resource("families", self.name)
        text: LoadedTextEncoder | None = None
        if file.holds("text_encoders.clip_l.") and file.holds("text_encoders.t5xxl."):
            clip = clip_from_file(
                file, weights, configs, "text_encoder", transformers.CLIPTextModel, dtypes.text_encoder
            )
            t5 = t5_from_file(file, weights, configs, "text_encoder_2", dtypes.text_encoder)
            tokenizers = (
                find_tokenizer(file.path, file.tokenizer, clip),
                find_t5_tokenizer(file.path, file.config, "tokenizer_2", t5),
            )
            text = LoadedTextEncoder(self, tokenizers, (clip, t5))
        if not file.holds("first_stage_model.", "vae."):
            return replace(alone, text_encoder=text)
        vae = LoadedVAE(self, vae_from_file(file, weights, configs, dtypes.vae), alone.model.latents)
        return Checkpoint(replace(alone.model, projection=ProjectionOf(vae)), text, vae)

    def encode(self, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        check_prompts(prompts)
        no_layers_skipped(skip_layers)
        clip, t5 = encoder.encoders
        _, pooled = clip_hidden(clip, tokenize(encoder.tokenizers[0], clip, prompts).ids)
        tokens = tokenize(encoder.tokenizers[1], t5, prompts, T5_WINDOW)
        return Encoded(Conditioned(t5_hidden(t5, tokens.ids), pooled), tokens.counts, tokens.window, tokens.cut)

    def takes_guidance(self, model: LoadedModel) -> bool:
        return bool(config_of(model.network).guidance_embeds)

    def call(
        self, model: LoadedModel, x: Tensor, time: float, conditioned: Conditioned, guidance: float | None
    ) -> Tensor:
        network, embeds = model.network, conditioned.embeds
        config = config_of(network)
        height, width = x.shape[2:]
        check_channels(x, self.input_channels(model))
        check_conditioning(embeds, config.joint_attention_dim, conditioned.pooled is not None, self.title)
        pictures = [x.to(embeds.dtype), *references(conditioned, model.latents.channels)]
        output: Tensor = network(
            hidden_states=torch.cat([pack(picture, PATCH) for picture in pictures], dim=1),
            timestep=times_of(x, time) / 1000,
            guidance=None if guidance is None else times_of(x, guidance),
            pooled_projections=conditioned.pooled,
            encoder_hidden_states=embeds,
            txt_ids=torch.zeros(embeds.shape[1], 3, device=x.device),
            img_ids=torch.cat([places(picture, PATCH, number, 3) for number, picture in enumerate(pictures)]),
            return_dict=False,
        )[0]
        own = output[:, : height * width // PATCH**2]
        return unpack(own.float(), height, width, PATCH)

    def input_channels(self, model: LoadedModel) -> int:
        return int(config_of(model.network).in_channels) // PATCH**2

    def inpainting_channels(self, model: LoadedModel, mask: Tensor, surroundings: Tensor) -> Tensor:
        """The latent, and after it every pixel of the mask that belongs to a latent pixel, as Flux.1 Fill takes them."""
        factor = model.latents.factor
        size = [edge * factor for edge in surroundings.shape[-2:]]
        whole = F.interpolate((mask[:, None] >= 0.5).float(), size, mode="nearest")
        return beside_each_other(surroundings, F.pixel_unshuffle(whole, factor))


FAMILY = Flux()
