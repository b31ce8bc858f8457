"""Flux.2 (Black Forest Labs 2025, https://bfl.ai/blog/flux-2): dev, and klein, of which some are distilled to a few steps.

A transformer over text and picture tokens, trained with flow matching. The text encoder is a chat model, Mistral for dev and Qwen3 for
klein, of which the hidden states after three layers lie side by side. A latent pixel stands for 16 x 16: the VAE's patches of 2 x 2,
normalized with the statistics in its batch norm. Pictures to go by join the picture's own tokens. dev takes guidance as an input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from studio.diffusion.device import Dtypes, Format, dtype_of
from studio.diffusion.families.shared import (
    ORIGINAL,
    check_channels,
    check_conditioning,
    check_prompts,
    flow_file,
    flow_model,
    pack,
    places,
    references,
    times_of,
    unpack,
)
from studio.diffusion.family import Detected, Encoded, Family
from studio.diffusion.foreign import Foreign, config_of
from studio.diffusion.model import Checkpoint, Conditioned, LatentFormat, LoadedModel, LoadedTextEncoder, LoadedVAE
from studio.diffusion.noise_schedule import FlowSchedule
from studio.diffusion.text import chat_hidden, no_layers_skipped, tokenize_chat
from studio.diffusion.weights.components import load_clip, load_network
from studio.diffusion.weights.folder import ModelFolder
from studio.diffusion.weights.header import TensorInfo
from studio.diffusion.weights.single_file import SingleFile
from studio.diffusion.weights.tokenizers import load_chat_tokenizer
from studio.graph.errors import ModelUnreadable

WINDOW = 512
EDGE = 64
"""Latent pixels along an edge of the pictures that the models were trained at."""
PATCH = 2
"""The VAE's latent pixels along an edge of one of ours."""
STEPS, FEW_STEPS = 50, 4
"""Steps for which sigmas are shifted, as the authors do it; the few are those of the distilled models."""
LAYERS = {"mistral": (10, 20, 30), "qwen3": (9, 18, 27)}
"""Layers whose hidden states condition the network, by the kind of the text encoder."""
WIDTHS = {15360: "", 12288: "klein_9b", 7680: "klein_4b"}
"""The network's config, by the width of its conditioning."""
INSTRUCTION = """\
You are an AI that reasons about image descriptions. You give structured responses focusing on object relationships, object
attribution and actions without speculation."""
"""What dev was trained with, word for word; klein's text encoder is told nothing."""


class Flux2(Family):
    """Flux.2 dev and klein."""

    name: ClassVar[str] = "flux2"
    title: ClassVar[str] = "Flux.2"
    refers: ClassVar[bool] = True

    def detect(self, tensors: Mapping[str, TensorInfo]) -> Detected | None:
        for prefix in ("", ORIGINAL):
            for layout, modulation, guidance in (
                ("diffusers", "single_stream_modulation.linear.weight", "time_guidance_embed.guidance_embedder."),
                ("ldm", "single_stream_modulation.lin.weight", "guidance_in."),
            ):
                if prefix + modulation in tensors:
                    guided = any(name.startswith(prefix + guidance) for name in tensors)
                    return Detected(self.name, "" if guided else "klein", "ldm" if prefix else layout)
        return None

    def load_folder(self, folder: ModelFolder, dtypes: Dtypes) -> Checkpoint:
        import diffusers

        network = load_network(folder, "transformer", diffusers.Flux2Transformer2DModel, dtypes.network)
        vae = load_network(folder, "vae", diffusers.AutoencoderKLFlux2, dtypes.vae)
        encoder = _text_encoder(folder, dtypes.text_encoder)
        tokenizer = load_chat_tokenizer(folder.component("tokenizer"), "tokenizer", encoder)
        loaded = LoadedVAE(self, vae, _latents(config_of(vae)))
        schedule = folder.config("scheduler", "scheduler_config.json")
        model = flow_model(self, network, schedule, loaded.latents, loaded, EDGE)
        model = replace(model, noise=_noise(bool(folder.index.get("is_distilled"))))
        return Checkpoint(model, LoadedTextEncoder(self, (tokenizer,), (encoder,)), loaded)

    def load_file(self, file: SingleFile, dtypes: Dtypes) -> Checkpoint:
        """The network alone: files of Flux.2 hold nothing else. A klein is taken for a distilled one."""
        import diffusers

        entry = ("context_embedder.weight", "txt_in.weight")
        widths = [info.shape[1] for name, info in file.tensors.items() if name.removeprefix(ORIGINAL) in entry]
        if file.config is None and (not widths or widths[0] not in WIDTHS):
            raise ModelUnreadable(
                file.path,
                f"This is no Flux.2 network of a known size (conditioning {widths[0] if widths else 'unknown'} wide).",
                mend="Choose its diffusers folder, the one that holds model_index.json.",
            )
        variant = "" if file.config is not None else WIDTHS[widths[0]]
        found = flow_file(self, file, dtypes, diffusers.Flux2Transformer2DModel, _latents, EDGE, variant)
        return replace(found, model=replace(found.model, noise=_noise(not self.takes_guidance(found.model))))

    def encode(self, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        check_prompts(prompts)
        no_layers_skipped(skip_layers)
        (tokenizer,), (network,) = encoder.tokenizers, encoder.encoders
        mistral = config_of(network).model_type == "mistral"
        told = encoder.instruction if encoder.instruction is not None else INSTRUCTION if mistral else ""
        asked = [
            tokenizer.apply_chat_template(
                _messages(prompt, told, mistral),
                tokenize=False,
                add_generation_prompt=not mistral,
                enable_thinking=False,
            )
            for prompt in prompts
        ]
        tokens = tokenize_chat(tokenizer, asked, WINDOW)
        hidden = chat_hidden(network, tokens)
        layers = LAYERS["mistral" if mistral else "qwen3"]
        embeds = torch.cat([hidden[layer] for layer in layers], dim=-1)
        return Encoded(Conditioned(embeds), tokens.counts, tokens.window, tokens.cut)

    def takes_guidance(self, model: LoadedModel) -> bool:
        return bool(config_of(model.network).guidance_embeds)

    def call(
        self, model: LoadedModel, x: Tensor, time: float, conditioned: Conditioned, guidance: float | None
    ) -> Tensor:
        network, embeds = model.network, conditioned.embeds
        config = config_of(network)
        check_channels(x, config.in_channels)
        check_conditioning(embeds, config.joint_attention_dim, conditioned.pooled is None, self.title)
        # Pictures to go by lie at times of their own, ten apart.
        pictures = [x.to(embeds.dtype), *references(conditioned, config.in_channels)]
        output: Tensor = network(
            hidden_states=torch.cat([pack(picture, 1) for picture in pictures], dim=1),
            timestep=times_of(x, time) / 1000,
            guidance=None if guidance is None else times_of(x, guidance),
            encoder_hidden_states=embeds,
            txt_ids=F.pad(torch.arange(embeds.shape[1], device=x.device)[:, None], (3, 0)),
            img_ids=torch.cat([places(picture, 1, 10 * number, 4) for number, picture in enumerate(pictures)]),
            return_dict=False,
        )[0]
        height, width = x.shape[2:]
        return unpack(output[:, : height * width].float(), height, width, 1)

    def to_pixels(self, vae: LoadedVAE, latent: Tensor) -> Tensor:
        mean, deviation = _moments(vae)
        latent = F.pixel_shuffle(latent * deviation + mean, PATCH)
        picture: Tensor = cast("Foreign", vae.network).decode(latent.to(dtype_of(vae.network)), return_dict=False)[0]
        return picture

    def to_latent(self, vae: LoadedVAE, picture: Tensor, generator: torch.Generator | None = None) -> Tensor:
        posterior = cast("Foreign", vae.network).encode(picture, return_dict=False)[0]
        latent: Tensor = (posterior.mode() if generator is None else posterior.sample(generator)).float()
        mean, deviation = _moments(vae)
        return (F.pixel_unshuffle(latent, PATCH) - mean) / deviation


def _text_encoder(folder: ModelFolder, dtype: Format) -> nn.Module:
    """The part of the chat model that reads: without what sees pictures, and without what turns hidden states into words."""
    import transformers

    named = str((folder.index.get("text_encoder") or ["", ""])[1])
    if named == "Mistral3ForConditionalGeneration":
        whole = load_clip(folder, "text_encoder", transformers.Mistral3ForConditionalGeneration, dtype)
        reader: nn.Module = cast("Foreign", whole).model.language_model
        return reader
    if named in ("Qwen3ForCausalLM", "Qwen3Model"):
        return load_clip(folder, "text_encoder", transformers.Qwen3Model, dtype)
    raise ModelUnreadable(
        folder.path, f"A text encoder of the kind '{named}' is not known for Flux.2.", field="text_encoder"
    )


def _messages(prompt: str, instruction: str, mistral: bool) -> list[dict[str, Foreign]]:
    """The prompt as a user's message, in the form that the model's template takes; `[IMG]` would stand for a picture."""
    if not mistral:
        told = [{"role": "system", "content": instruction}] if instruction else []
        return [*told, {"role": "user", "content": prompt}]
    said = (("system", instruction), ("user", prompt.replace("[IMG]", "")))
    return [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in said]


def _noise(distilled: bool) -> FlowSchedule:
    """Sigmas shifted as the authors do it for a picture of 1024 x 1024 pixels, in a usual number of steps.

    mu is linear in the steps, through its values at 10 and 200, which are linear in the picture's tokens
    (`compute_empirical_mu` of the authors' published code).
    """
    tokens = EDGE**2
    few, many = 8.73809524e-05 * tokens + 1.89833333, 0.00016927 * tokens + 0.45666666
    mu = many + (few - many) * (200 - (FEW_STEPS if distilled else STEPS)) / 190
    return FlowSchedule(math.exp(mu))


def _latents(config: Mapping[str, Foreign]) -> LatentFormat:
    """Latent format of the VAE, from its config: its patches."""
    return LatentFormat(int(config["latent_channels"]) * PATCH**2, 2 ** (len(config["block_out_channels"]) - 1) * PATCH)


def _moments(vae: LoadedVAE) -> tuple[Tensor, Tensor]:
    """(1, channels, 1, 1) float32 means and standard deviations of the VAE's patches."""
    norm = cast("Foreign", vae.network).bn
    mean, variance = (one.float()[None, :, None, None] for one in (norm.running_mean, norm.running_var))
    return mean, torch.sqrt(variance + config_of(vae.network).batch_norm_eps)


FAMILY = Flux2()
