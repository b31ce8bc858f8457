"""Prompts become what steers a model."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from studio.diffusion.model import Conditioned
from studio.sdk import Conditioning, Number, Prompt, Slider, TextArea, TextEncoder, ValueRefused, node, running

INSTRUCTION: Final = "instruction"
"""Option of a `TextEncoder`: what a language model is told before the prompt."""
SKIP_LAYERS: Final = "skip_layers"
_PENULTIMATE: Final = frozenset({"sd2", "sdxl", "sdxl_refiner"})
"""Families whose text encoders stop one layer early by themselves."""


@node("text/EncodePrompt", aliases=("clip", "conditioning", "positive", "negative", "CLIPTextEncode"))
def encode_prompt(
    text_encoder: TextEncoder,
    text: str = Prompt(placeholder="A prompt in plain words"),
    skip_layers: int = Slider(0, 0, 11, advanced=True),
) -> Conditioning:
    """Read a prompt with a model's text encoder. A list of prompts gives a list: one picture each.

    What is too long for the encoder is cut off at the end, and the log says so.

    Args:
        text_encoder: The one that belongs to the model.
        text: What should be in the picture; or, for a negative prompt, what should not.
        skip_layers: Take the encoder's output so many layers early. Some models want 1, which is called a CLIP skip of 2.
    """
    context = running()
    encoder = replace(context.use(text_encoder.weights), instruction=text_encoder.options.get(INSTRUCTION))
    skipped = skip_layers or text_encoder.options.get(SKIP_LAYERS, 0)
    with ExitStack() as attached:
        for riding in text_encoder.options.get("adapters", ()):
            riding.attach(encoder, attached)
        encoded = encoder.family.encode(encoder, [text], skipped)
    if encoded.cut[0]:
        context.log(
            f"The prompt has {encoded.tokens[0]} tokens, of which {encoded.window} fit. Cut off: {encoded.cut[0]}"
        )
    return from_conditioned(encoded.conditioned, text_encoder.family)


@node("text/ClipSkip", title="CLIP skip", aliases=("layers", "CLIPSetLastLayer"))
def clip_skip(text_encoder: TextEncoder, layers: int = Number(2, 1, 12, step=1)) -> TextEncoder:
    """Take what a text encoder says some layers before its end. Prompts that skip layers by themselves do as they say.

    Args:
        text_encoder: The one that belongs to the model.
        layers: 1 is the last layer, 2 the one before, as usually counted. SD 2 and SDXL take the one before anyway.
    """
    usual = 2 if text_encoder.family in _PENULTIMATE else 1
    return text_encoder.with_options(**{SKIP_LAYERS: max(layers - usual, 0)})


@node("text/Instruction", aliases=("system prompt", "complex human instruction", "Sana", "chat"))
def instruct(text_encoder: TextEncoder, text: str = TextArea()) -> TextEncoder:
    """Tell a text encoder that is a language model something else before the prompt than its authors do. Others ignore it.

    Args:
        text_encoder: The one that belongs to the model, such as those of Sana and Qwen-Image.
        text: The words before the prompt; left empty, there are none, which suits a negative prompt.
    """
    return text_encoder.with_options(**{INSTRUCTION: text})


def from_conditioned(conditioned: Conditioned, family: str) -> Conditioning:
    """As it travels on a wire: on the CPU, floating-point numbers as float32. Raises `ValueRefused` where some are not finite."""
    parts = {"embeds": conditioned.embeds, "pooled": conditioned.pooled, "mask": conditioned.mask}
    named = {name: tensor for name, tensor in parts.items() if tensor is not None}
    named.update((f"extras.{name}", tensor) for name, tensor in conditioned.extras.items())
    tensors = {name: (one.float() if one.is_floating_point() else one).cpu() for name, one in named.items()}
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise ValueRefused(
            "What was read holds numbers that are not finite: the text encoder overflows in its number format, or its file is damaged.",
            socket="text_encoder",
            mend="Set the checkpoint's text_precision to float32; if that does not help, download the file again.",
        )
    return Conditioning(tensors, family)
