"""Prompts to token ids and embeddings, for the text encoders of CLIP and T5 and for chat models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from studio.diffusion.device import device_of
from studio.diffusion.foreign import Foreign, config_of
from studio.graph.errors import ValueRefused


@dataclass(frozen=True, slots=True)
class Tokens:
    """Prompts as one batch of token ids."""

    ids: Tensor
    """(prompts, window) int64, padded and cut to the window."""
    counts: tuple[int, ...]
    """Tokens of every prompt, markers included, before cutting."""
    cut: tuple[str, ...]
    """What was cut off, as text; "" where all fitted."""
    mask: Tensor
    """(prompts, window) int64: 1 for tokens, 0 for padding."""

    @property
    def window(self) -> int:
        """Tokens that fit."""
        return self.ids.shape[1]


def window_of(tokenizer: Foreign, encoder: nn.Module) -> int:
    """Tokens that the encoder takes. A tokenizer may claim more, or nothing; it may also stop earlier."""
    return min(int(tokenizer.model_max_length), int(config_of(encoder).max_position_embeddings))


def tokenize(tokenizer: Foreign, encoder: nn.Module, prompts: Sequence[str], window: int | None = None) -> Tokens:
    """All prompts at once; what does not fit the window, by default the encoder's own, is cut off and reported."""
    window = window or window_of(tokenizer, encoder)
    whole: list[list[int]] = [tokenizer(prompt, truncation=False, verbose=False).input_ids for prompt in prompts]
    padded = tokenizer(list(prompts), padding="max_length", max_length=window, truncation=True, return_tensors="pt")
    # The last token of a cut prompt is the end marker, which replaces one of the prompt's own.
    cut = tuple(tokenizer.decode(ids[window - 1 : -1]).strip() if len(ids) > window else "" for ids in whole)
    return Tokens(padded.input_ids, tuple(len(ids) for ids in whole), cut, padded.attention_mask)


def tokenize_chat(tokenizer: Foreign, messages: Sequence[str], window: int, *, fill: bool = True) -> Tokens:
    """Whole messages of a chat, markers included, at once; what does not fit the window is cut off and reported.

    All are padded to the window, or without `fill` to the longest. What is cut off is told without the markers at the end.
    """
    whole: list[list[int]] = [
        tokenizer(message, add_special_tokens=False, verbose=False).input_ids for message in messages
    ]
    padding = "max_length" if fill else "longest"
    padded = tokenizer(
        list(messages),
        add_special_tokens=False,
        padding=padding,
        max_length=window,
        truncation=True,
        return_tensors="pt",
    )
    cut = tuple(tokenizer.decode(ids[window:], skip_special_tokens=True).strip() for ids in whole)
    return Tokens(padded.input_ids, tuple(len(ids) for ids in whole), cut, padded.attention_mask)


@torch.no_grad()
def chat_hidden(encoder: nn.Module, tokens: Tokens) -> tuple[Tensor, ...]:
    """(prompts, tokens, width) hidden states of a chat model: of its embedding, then of every layer; the last after the final norm."""
    device = device_of(encoder)
    output = encoder(
        input_ids=tokens.ids.to(device),
        attention_mask=tokens.mask.to(device),
        output_hidden_states=True,
        use_cache=False,
    )
    return tuple(output.hidden_states)


@torch.no_grad()
def clip_hidden(
    encoder: nn.Module, ids: Tensor, skip_layers: int = 0, *, final_norm: bool = True
) -> tuple[Tensor, Tensor]:
    """((prompts, window, width) hidden states, (prompts, width) pooled output), float32 or the encoder's own format.

    `skip_layers` takes the hidden states that many layers before the last ("CLIP skip" counts from 1: clip skip 2 is skip_layers
    1). With `final_norm` the last layer norm is applied to them, as Stable Diffusion 1 and 2 do and SDXL does not.
    Raises ValueRefused for more layers than there are.
    """
    layers = int(config_of(encoder).num_hidden_layers)
    if not 0 <= skip_layers <= layers:
        raise ValueRefused(
            f"{skip_layers} layers cannot be skipped.", socket="skip_layers", mend=f"The text encoder has {layers}."
        )
    inputs = ids.to(device_of(encoder))
    if skip_layers == 0 and final_norm:
        output = encoder(inputs)
        return output.last_hidden_state, _pooled(output)
    output = encoder(inputs, output_hidden_states=True)
    hidden: Tensor = output.hidden_states[-1 - skip_layers]
    if final_norm:
        # transformers 5.6 took the inner `text_model` out of CLIPTextModel, not out of CLIPTextModelWithProjection.
        hidden = inner(encoder).final_layer_norm(hidden)
    return hidden, _pooled(output)


@torch.no_grad()
def t5_hidden(encoder: nn.Module, ids: Tensor, mask: Tensor | None = None) -> Tensor:
    """(prompts, window, width) last hidden states of a T5 encoder; without a mask, padding is read like any token."""
    device = device_of(encoder)
    hidden: Tensor = encoder(ids.to(device), attention_mask=None if mask is None else mask.to(device))[0]
    return hidden


def no_layers_skipped(skip_layers: int) -> None:
    """For families that have no CLIP hidden states to take earlier. Raises ValueRefused for anything but 0."""
    if skip_layers:
        raise ValueRefused(
            "The text encoder of this family has no layers to skip.", socket="skip_layers", mend="Set it to 0."
        )


def inner(encoder: nn.Module) -> Foreign:
    """The part of a CLIP text encoder that holds its layers."""
    return getattr(encoder, "text_model", encoder)


def _pooled(output: Foreign) -> Tensor:
    """The projected embedding where the encoder has a projection, else the end marker's state."""
    pooled: Tensor = output.text_embeds if "text_embeds" in output else output.pooler_output
    return pooled
