"""PixArt-Sigma (Chen et al. 2024, arXiv:2403.04692).

A diffusion transformer with cross-attention to T5's tokens, of which padding is masked out. It predicts noise, and a variance that is
left out. PixArt-alpha at 512 pixels has tensors of the same names and shapes, and is taken for this family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor

from studio.diffusion.device import Dtypes
from studio.diffusion.families.shared import (
    check_channels,
    check_conditioning,
    check_prompts,
    folders_only,
    kl_latents,
    prediction_of,
    times_of,
)
from studio.diffusion.family import Detected, Encoded, Family
from studio.diffusion.foreign import config_of
from studio.diffusion.model import Checkpoint, Conditioned, LoadedModel, LoadedTextEncoder, LoadedVAE
from studio.diffusion.noise_schedule import BetaSchedule
from studio.diffusion.preview import ProjectionOf
from studio.diffusion.text import no_layers_skipped, t5_hidden, tokenize
from studio.diffusion.weights.components import load_clip, load_network
from studio.diffusion.weights.folder import ModelFolder
from studio.diffusion.weights.header import TensorInfo
from studio.diffusion.weights.single_file import SingleFile
from studio.diffusion.weights.tokenizers import load_t5_tokenizer

T5_WINDOW = 300


class PixArtSigma(Family):
    """PixArt-Sigma of any size, from diffusers folders."""

    name: ClassVar[str] = "pixart_sigma"
    title: ClassVar[str] = "PixArt-Sigma"
    masks: ClassVar[bool] = True

    def detect(self, tensors: Mapping[str, TensorInfo]) -> Detected | None:
        parts = ("adaln_single.linear.weight", "caption_projection.linear_1.weight", "pos_embed.proj.weight")
        alpha = any(name.startswith("adaln_single.emb.resolution_embedder.") for name in tensors)
        if alpha or not all(part in tensors for part in parts):
            return None
        channels = tensors["pos_embed.proj.weight"].shape[1]
        return Detected(self.name, "" if channels == 4 else f"{channels} channels")

    def load_folder(self, folder: ModelFolder, dtypes: Dtypes) -> Checkpoint:
        import diffusers
        import transformers

        network = load_network(folder, "transformer", diffusers.PixArtTransformer2DModel, dtypes.network)
        vae = load_network(folder, "vae", diffusers.AutoencoderKL, dtypes.vae)
        t5 = load_clip(folder, "text_encoder", transformers.T5EncoderModel, dtypes.text_encoder)
        tokenizer = load_t5_tokenizer(folder.component("tokenizer"), "tokenizer", t5)
        schedule = folder.config("scheduler", "scheduler_config.json")
        config = config_of(network)
        latents = kl_latents(config_of(vae), config.patch_size)
        loaded = LoadedVAE(self, vae, latents)
        edge: int = config.sample_size * latents.factor
        model = LoadedModel(
            self,
            network,
            prediction_of(schedule, folder.path / "scheduler"),
            BetaSchedule.from_config(schedule),
            latents,
            (edge, edge),
            ProjectionOf(loaded),
        )
        return Checkpoint(model, LoadedTextEncoder(self, (tokenizer,), (t5,)), loaded)

    def load_file(self, file: SingleFile, dtypes: Dtypes) -> Checkpoint:
        folders_only(file, self.title)

    def encode(self, encoder: LoadedTextEncoder, prompts: Sequence[str], skip_layers: int = 0) -> Encoded:
        check_prompts(prompts)
        no_layers_skipped(skip_layers)
        # Lower-case and trimmed, as in diffusers' pipeline.
        lowered = [prompt.lower().strip() for prompt in prompts]
        tokens = tokenize(encoder.tokenizers[0], encoder.encoders[0], lowered, T5_WINDOW)
        embeds = t5_hidden(encoder.encoders[0], tokens.ids, tokens.mask)
        return Encoded(Conditioned(embeds, mask=tokens.mask), tokens.counts, tokens.window, tokens.cut)

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
            timestep=times_of(x, time),
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )[0]
        return output[:, : x.shape[1]].float()


FAMILY = PixArtSigma()
