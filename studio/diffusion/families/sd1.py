"""Stable Diffusion 1.x (Rombach et al. 2022, arXiv:2112.10752), and models of its shape of any size.

A U-Net with cross-attention to the last hidden states of one CLIP text encoder. Sizes, the token window and the VAE's factor come
from the configs: small models of this shape work as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from studio.diffusion.device import Dtypes, dtype_of
from studio.diffusion.families.shared import check_prompts, kl_latents, prediction_of, times_of
from studio.diffusion.family import Detected, Encoded, Family
from studio.diffusion.foreign import Foreign, config_of
from studio.diffusion.model import Checkpoint, Conditioned, LoadedModel, LoadedTextEncoder, LoadedVAE
from studio.diffusion.noise_schedule import BetaSchedule
from studio.diffusion.prediction import Prediction
from studio.diffusion.preview import projection_of
from studio.diffusion.text import clip_hidden, tokenize
from studio.diffusion.weights.components import (
    clip_from_file,
    load_clip,
    load_network,
    network_from_file,
    vae_from_file,
)
from studio.diffusion.weights.folder import ModelFolder, read_json
from studio.diffusion.weights.header import TensorInfo
from studio.diffusion.weights.single_file import SingleFile
from studio.diffusion.weights.tokenizers import find_tokenizer, load_tokenizer
from studio.graph.errors import ValueRefused
from studio.resources import resource

VARIANTS = {9: "inpaint", 8: "instruct-pix2pix", 5: "depth", 7: "upscaler"}
"""By the number of input channels."""
_ORIGINAL = "model.diffusion_model."
_BARE = ("input_blocks.", "middle_block.", "output_blocks.", "time_embed.", "label_emb.", "out.")
"""How names begin in files of the network alone that leave the prefix out."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text encoder of the family: the folders of encoder and tokenizer, and the class in transformers."""

    encoder: str
    tokenizer: str
    kind: str
    padding: str | None = None
    """Padding token where it is not the end marker."""


@dataclass(frozen=True, slots=True)
class UNetShape:
    """What tells one family of U-Nets from another."""

    layout: str
    """"diffusers" or "ldm"."""
    context: int
    """Width of the text embeddings."""
    channels: int
    """Input channels."""
    pooled: bool
    """Takes a vector for the whole prompt."""


class StableDiffusion1(Family):
    """SD 1.x."""

    name: ClassVar[str] = "sd1"
    title: ClassVar[str] = "Stable Diffusion 1"
    prediction: ClassVar[Prediction] = Prediction.EPSILON
    """Of single files, which don't say."""
    text_parts: ClassVar[tuple[TextPart, ...]] = (TextPart("text_encoder", "tokenizer", "CLIPTextModel"),)

    def is_mine(self, shape: UNetShape) -> bool:
        """Whether a U-Net of that shape is of this family."""
        return not shape.pooled and shape.context not in (1024, 1280)

    def detect(self, tensors: Mapping[str, TensorInfo]) -> Detected | None:
        shape = unet_shape(tensors)
        if shape is None or not self.is_mine(shape):
            return None
        return Detected(self.name, VARIANTS.get(shape.channels, ""), shape.layout)

    def load_folder(self, folder: ModelFolder, dtypes: Dtypes) -> Checkpoint:
        import diffusers
        import transformers

        unet = load_network(folder, "unet", diffusers.UNet2DConditionModel, dtypes.network)
        vae = load_network(folder, "vae", diffusers.AutoencoderKL, dtypes.vae)
        encoders, tokenizers = [], []
        for part in self.text_parts:
            encoders.append(load_clip(folder, part.encoder, getattr(transformers, part.kind), dtypes.text_encoder))
            tokenizers.append(load_tokenizer(folder.component(part.tokenizer), part.tokenizer, encoders[-1]))
        schedule = folder.config("scheduler", "scheduler_config.json")
        prediction = prediction_of(schedule, folder.path / "scheduler")
        return self._assemble(unet, config_of(vae), vae, encoders, tokenizers, schedule, prediction)

    def load_file(self, file: SingleFile, dtypes: Dtypes) -> Checkpoint:
        """Text encoder and VAE where the file holds them: files of GGUF and of the network alone do not."""
        import diffusers
        import transformers

        configs = file.config or resource("families", self.name)
        weights = file.weights()
        encoders, tokenizers = [], []
        if file.holds("cond_stage_model.", "conditioner.", "text_encoders."):
            for part in self.text_parts:
                kind = getattr(transformers, part.kind)
                encoders.append(clip_from_file(file, weights, configs, part.encoder, kind, dtypes.text_encoder))
                tokenizers.append(find_tokenizer(file.path, file.tokenizer, encoders[-1], part.padding))
        vae: nn.Module | None = None
        if file.holds("first_stage_model.", "vae."):
            vae = vae_from_file(file, weights, configs, dtypes.vae)
        network = {_ORIGINAL + name if name.startswith(_BARE) else name: one for name, one in weights.items()}
        unet = network_from_file(file, network, configs, "unet", diffusers.UNet2DConditionModel, dtypes.network)
        schedule = read_json(configs / "scheduler" / "scheduler_config.json", "scheduler")
        stated = config_of(vae) if vae is not None else read_json(configs / "vae" / "config.json", "vae")
        chosen = stated_prediction(file) or self.prediction
        return self._assemble(unet, stated, vae, encoders, tokenizers, schedule, chosen)

    def _assemble(
        self,
        unet: nn.Module,
        stated: Mapping[str, Foreign],
        vae: nn.Module | None,
        encoders: Sequence[nn.Module],
        tokenizers: Sequence[Foreign],
        schedule: Mapping[str, Foreign],
        prediction: Prediction,
    ) -> Checkpoint:
        latents = kl_latents(stated)
        loaded = LoadedVAE(self, vae, latents) if vae is not None else None
        edge = config_of(unet).sample_size
        height, width = (edge, edge) if isinstance(edge, int) else edge
        return Checkpoint(
            LoadedModel(
                self,
                unet,
                prediction,
                BetaSchedule.from_config(schedule),
                latents,
                (width * latents.factor, height * latents.factor),
                projection_of(self, loaded),
            ),
            LoadedTextEncoder(self, tuple(tokenizers), tuple(encoders)) if encoders else None,
            loaded,
        )

    def encode(self, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        check_prompts(prompts)
        tokens = tokenize(encoder.tokenizers[0], encoder.encoders[0], prompts)
        hidden, _ = clip_hidden(encoder.encoders[0], tokens.ids, skip_layers)
        return Encoded(Conditioned(hidden), tokens.counts, tokens.window, tokens.cut)

    def takes_guidance(self, model: LoadedModel) -> bool:
        return bool(config_of(model.network).time_cond_proj_dim)

    def call(
        self, model: LoadedModel, x: Tensor, time: float, conditioned: Conditioned, guidance: float | None
    ) -> Tensor:
        unet = model.network
        dtype = conditioned.embeds.dtype
        wanted: int = config_of(unet).in_channels
        if x.shape[1] != wanted:
            raise ValueRefused(
                f"This network takes {wanted} channels ({VARIANTS.get(wanted, 'unknown')}), the latent has {x.shape[1]}.",
                socket="model",
                mend="Prepare the latent with Inpaint, or choose a plain text-to-image model.",
            )
        context: int = config_of(unet).cross_attention_dim
        if conditioned.embeds.shape[-1] != context:
            raise ValueRefused(
                f"The conditioning is {conditioned.embeds.shape[-1]} wide, this network takes {context}.",
                socket="positive",
                mend="Encode the prompts with the text encoder of the same checkpoint.",
            )
        output: Tensor = unet(
            x.to(dtype),
            times_of(x, time),
            encoder_hidden_states=conditioned.embeds,
            timestep_cond=self._guidance_embedding(unet, x, guidance),
            added_cond_kwargs=self.added(model, x, conditioned),
            return_dict=False,
        )[0]
        return output.float()

    def added(self, model: LoadedModel, x: Tensor, conditioned: Conditioned) -> dict[str, Tensor] | None:
        """What the network takes beside the text embeddings."""
        return dict(conditioned.extras) or None

    def _guidance_embedding(self, unet: nn.Module, x: Tensor, guidance: float | None) -> Tensor | None:
        """Sines and cosines of 1000 (guidance - 1) (Meng et al. 2022, arXiv:2210.03142), for distilled networks that take it."""
        size = config_of(unet).time_cond_proj_dim
        if guidance is None or not size:
            return None
        half: int = size // 2
        frequencies = torch.exp(
            torch.arange(half, dtype=torch.float32, device=x.device) * -(math.log(10000.0) / (half - 1))
        )
        angles = (guidance - 1) * 1000.0 * frequencies[None, :]
        embedding = torch.cat([angles.sin(), angles.cos()], dim=1)
        embedding = torch.nn.functional.pad(embedding, (0, int(size) - 2 * half))
        return embedding.expand(x.shape[0], -1).to(dtype_of(unet))


def unet_shape(tensors: Mapping[str, TensorInfo]) -> UNetShape | None:
    """What the tensors of a U-Net with cross-attention say of it; None for others."""
    for layout, prefix, entry, pooled in (
        ("ldm", _ORIGINAL, "input_blocks.0.0.weight", "label_emb.0.0.weight"),
        ("ldm", "", "input_blocks.0.0.weight", "label_emb.0.0.weight"),
        ("diffusers", "", "conv_in.weight", "add_embedding.linear_1.weight"),
    ):
        first = tensors.get(prefix + entry)
        parts = [(name.removeprefix(prefix), info.shape) for name, info in tensors.items() if name.startswith(prefix)]
        contexts = {shape[-1] for name, shape in parts if name.endswith("attn2.to_k.weight") and len(shape) == 2}
        ups = any(name.startswith(("output_blocks.", "up_blocks.")) for name, _ in parts)
        if first is not None and len(first.shape) == 4 and len(contexts) == 1 and ups:
            return UNetShape(layout, contexts.pop(), first.shape[1], prefix + pooled in tensors)
    return None


def stated_prediction(file: SingleFile) -> Prediction | None:
    """What a single file says of its prediction: a marker tensor (a community convention) or its metadata; None where it is silent."""
    if "v_pred" in file.tensors:
        return Prediction.V
    return {"v": Prediction.V, "epsilon": Prediction.EPSILON}.get(file.metadata.get("modelspec.prediction_type", ""))


FAMILY = StableDiffusion1()
