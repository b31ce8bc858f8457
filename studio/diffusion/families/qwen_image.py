"""Qwen-Image (Qwen team 2025, arXiv:2508.02324).

A transformer over text and picture tokens, trained with flow matching. The text encoder is a chat model (Qwen2.5-VL), whose last hidden
states are taken for the prompt inside a fixed message; the message's own beginning is left out. The VAE is one for videos: a picture is a
video of one frame. Guidance keeps the length that every patch of the positive prediction has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor

from studio.diffusion.device import Dtypes, dtype_of
from studio.diffusion.families.shared import (
    ORIGINAL,
    check_channels,
    check_conditioning,
    check_prompts,
    flow_file,
    flow_model,
    pack,
    times_of,
    unpack,
)
from studio.diffusion.family import Detected, Encoded, Family
from studio.diffusion.foreign import Foreign, config_of
from studio.diffusion.model import Checkpoint, Conditioned, LatentFormat, LoadedModel, LoadedTextEncoder, LoadedVAE
from studio.diffusion.text import chat_hidden, no_layers_skipped, tokenize_chat
from studio.diffusion.weights.components import load_clip, load_network
from studio.diffusion.weights.folder import ModelFolder
from studio.diffusion.weights.header import TensorInfo
from studio.diffusion.weights.single_file import SingleFile
from studio.diffusion.weights.tokenizers import load_auto_tokenizer

WINDOW = 1024
"""Tokens of a prompt, the message's end included."""
EDGE = 128
"""Latent pixels along an edge of the pictures that the models were trained at."""
PATCH = 2
INSTRUCTION = """\
Describe the image by detailing the color, shape, size, texture, quantity, text, spatial relationships of the objects \
and background:"""
"""What the models were trained with, word for word."""
BEGINNING = 34
"""Tokens before the prompt, with that instruction."""
_BEFORE, _AFTER = "<|im_start|>system\n{}<|im_end|>\n<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"


class QwenImage(Family):
    """Qwen-Image; its editing models look the same and run as this one does, from the prompt alone."""

    name: ClassVar[str] = "qwen_image"
    title: ClassVar[str] = "Qwen-Image"
    masks: ClassVar[bool] = True

    def detect(self, tensors: Mapping[str, TensorInfo]) -> Detected | None:
        parts = ("img_in.weight", "txt_norm.weight", "transformer_blocks.0.img_mod.1.weight")
        for prefix in ("", ORIGINAL):
            if all(prefix + part in tensors for part in parts):
                layers = f"{prefix}time_text_embed.addition_t_embedding.weight" in tensors
                return Detected(self.name, "layered" if layers else "", "ldm" if prefix else "diffusers")
        return None

    def load_folder(self, folder: ModelFolder, dtypes: Dtypes) -> Checkpoint:
        import diffusers
        import transformers

        network = load_network(folder, "transformer", diffusers.QwenImageTransformer2DModel, dtypes.network)
        vae = load_network(folder, "vae", diffusers.AutoencoderKLQwenImage, dtypes.vae)
        kind = transformers.Qwen2_5_VLForConditionalGeneration
        encoder = load_clip(folder, "text_encoder", kind, dtypes.text_encoder)
        # What sees pictures, and what turns hidden states into words, is not needed.
        encoder = cast("Foreign", encoder).model.language_model
        tokenizer = load_auto_tokenizer(folder.component("tokenizer"), "tokenizer", encoder)
        loaded = LoadedVAE(self, vae, _latents(config_of(vae)))
        schedule = folder.config("scheduler", "scheduler_config.json")
        model = flow_model(self, network, schedule, loaded.latents, loaded, EDGE)
        return Checkpoint(model, LoadedTextEncoder(self, (tokenizer,), (encoder,)), loaded)

    def load_file(self, file: SingleFile, dtypes: Dtypes) -> Checkpoint:
        """The network alone: files of Qwen-Image hold nothing else."""
        import diffusers

        return flow_file(self, file, dtypes, diffusers.QwenImageTransformer2DModel, _latents, EDGE)

    def encode(self, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        check_prompts(prompts)
        no_layers_skipped(skip_layers)
        tokenizer, beginning, before = encoder.tokenizers[0], BEGINNING, _BEFORE.format(INSTRUCTION)
        if encoder.instruction is not None:
            before = _BEFORE.format(encoder.instruction)
            beginning = len(tokenizer(before).input_ids)
        messages = [f"{before}{prompt}{_AFTER}" for prompt in prompts]
        tokens = tokenize_chat(tokenizer, messages, beginning + WINDOW, fill=False)
        hidden = chat_hidden(encoder.encoders[0], tokens)[-1]
        seen = [states[there.bool()][beginning:] for states, there in zip(hidden, tokens.mask, strict=True)]
        embeds = torch.nn.utils.rnn.pad_sequence(seen, batch_first=True)
        lengths = torch.tensor([len(states) for states in seen])
        mask = (torch.arange(embeds.shape[1]) < lengths[:, None]).long()
        # Attention is quicker without a mask, and nothing to hide is the usual case.
        conditioned = Conditioned(embeds, mask=None if mask.all() else mask)
        counts = tuple(count - beginning for count in tokens.counts)
        return Encoded(conditioned, counts, WINDOW, tuple(_without_end(cut) for cut in tokens.cut))

    def input_channels(self, model: LoadedModel) -> int:
        return int(config_of(model.network).in_channels) // PATCH**2

    def takes_guidance(self, model: LoadedModel) -> bool:
        return bool(config_of(model.network).guidance_embeds)

    def guide(self, model: LoadedModel, negative: Tensor, positive: Tensor, scale: float) -> Tensor:
        guided = pack(negative + scale * (positive - negative), PATCH)
        length = torch.linalg.vector_norm(pack(positive, PATCH), dim=-1, keepdim=True)
        guided = guided * (length / torch.linalg.vector_norm(guided, dim=-1, keepdim=True))
        height, width = positive.shape[2:]
        return unpack(guided, height, width, PATCH)

    def call(
        self, model: LoadedModel, x: Tensor, time: float, conditioned: Conditioned, guidance: float | None
    ) -> Tensor:
        network, embeds = model.network, conditioned.embeds
        config = config_of(network)
        check_channels(x, self.input_channels(model))
        check_conditioning(embeds, config.joint_attention_dim, conditioned.pooled is None, self.title)
        height, width = x.shape[2:]
        output: Tensor = network(
            hidden_states=pack(x.to(embeds.dtype), PATCH),
            timestep=times_of(x, time) / 1000,
            guidance=None if guidance is None else times_of(x, guidance),
            encoder_hidden_states_mask=conditioned.mask,
            encoder_hidden_states=embeds,
            img_shapes=[[(1, height // PATCH, width // PATCH)]] * len(x),
            return_dict=False,
        )[0]
        return unpack(output.float(), height, width, PATCH)

    def to_pixels(self, vae: LoadedVAE, latent: Tensor) -> Tensor:
        mean, inverse = _moments(vae, latent)
        frames = (latent / inverse + mean).to(dtype_of(vae.network)).unsqueeze(2)
        picture: Tensor = cast("Foreign", vae.network).decode(frames, return_dict=False)[0]
        return picture.squeeze(2)

    def to_latent(self, vae: LoadedVAE, picture: Tensor, generator: torch.Generator | None = None) -> Tensor:
        posterior = cast("Foreign", vae.network).encode(picture.unsqueeze(2), return_dict=False)[0]
        latent: Tensor = (posterior.mode() if generator is None else posterior.sample(generator)).float().squeeze(2)
        mean, inverse = _moments(vae, latent)
        return (latent - mean) * inverse


def _latents(config: Mapping[str, Foreign]) -> LatentFormat:
    """Latent format of the VAE, from its config."""
    return LatentFormat(int(config["z_dim"]), 2 ** len(config["temperal_downsample"]), patch=PATCH)


def _moments(vae: LoadedVAE, like: Tensor) -> tuple[Tensor, Tensor]:
    """((1, channels, 1, 1) means, 1 / standard deviations) of what the VAE encodes, in which latents are centred and scaled."""
    config = config_of(vae.network)
    mean, deviation = (
        like.new_tensor(values)[None, :, None, None] for values in (config.latents_mean, config.latents_std)
    )
    return mean, 1.0 / deviation


def _without_end(cut: str) -> str:
    """What was cut off of a prompt, without the end of the message, of which a part may have been cut off alone."""
    end = _AFTER.replace("<|im_end|>", "").replace("<|im_start|>", "").strip()
    return "" if end.endswith(cut) else cut.removesuffix(end).strip()


FAMILY = QwenImage()
