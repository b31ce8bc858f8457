"""LoRAs on models and text encoders."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from nodes.model import dtypes_of
from nodes.steered import with_adapter
from studio.diffusion.device import computed
from studio.diffusion.lora import LoadedLoRA, LoRA, load_lora
from studio.diffusion.model import LoadedModel, LoadedTextEncoder
from studio.diffusion.timing import Window
from studio.library import models
from studio.sdk import Model, ModelPicker, Resident, Slider, TextEncoder, TextLine, ValueRefused, node, running

_SHORT: Final = {"down": "down_blocks", "middle": "mid_block", "mid": "mid_block", "up": "up_blocks"}


class Adapted(NamedTuple):
    model: Model
    text_encoder: TextEncoder


@dataclass(frozen=True, slots=True, eq=False)
class RidingLoRA:
    """A LoRA on a value."""

    weights: Resident[LoadedLoRA]
    weight: float
    window: Window
    blocks: tuple[tuple[str, float], ...]

    def residents(self) -> tuple[Resident[Any], ...]:
        return (self.weights,)

    def adapter(self) -> LoRA:
        """For the denoising network, its weights on the device."""
        return LoRA(running().use(self.weights), self.weights.key, self.weight, self.window, self.blocks)

    def attach(self, encoder: LoadedTextEncoder, attached: ExitStack) -> None:
        """To the text encoders, until the stack is left."""
        held = running().use(self.weights)
        for part, module in zip(("text_encoder", "text_encoder_2"), encoder.encoders, strict=False):
            attached.enter_context(LoRA(held, self.weights.key, self.weight, part=part).attached(module))


def _content(lora: str) -> str:
    return models.content_hash(models.resolve(lora, "lora"))


@node("model/ApplyLoRA", title="Apply LoRA", fingerprint=_content, aliases=("style", "LoraLoader", "adapter"))
def apply_lora(
    model: Model,
    text_encoder: TextEncoder,
    lora: str = ModelPicker("lora"),
    weight: float = Slider(1.0, -2, 2),
    text_weight: float = Slider(1.0, -2, 2),
    start: float = Slider(0.0, 0, 1, advanced=True),
    end: float = Slider(1.0, 0, 1, advanced=True),
    blocks: str = TextLine("", placeholder="down=0.5, middle=0, up_blocks.1=1", advanced=True),
) -> Adapted:
    """Add a LoRA: a style, a character, a thing that a model learnt afterwards. Any number can follow one another.

    Args:
        model: The model that it was made for, or another of its family.
        text_encoder: The one that belongs to the model.
        lora: The LoRA's file.
        weight: How strongly the model is changed; 0 leaves it as it is.
        text_weight: How strongly the reading of prompts is changed, where the LoRA does that.
        start: Where it begins to change the model, as a share of the run.
        end: Where it ends.
        blocks: Factors on the weight for parts of the network: names or beginnings of names, with down, middle and up for those of a U-Net.

    Returns:
        model: With the LoRA.
        text_encoder: With the LoRA.
    """
    path = models.resolve(lora, "lora")
    dtype = computed(dtypes_of("auto", "", "").network)
    window, factors = Window(start, end), _factors(blocks)

    def load() -> LoadedLoRA:
        network: LoadedModel = model.weights.load()
        return load_lora(path, dtype, network.network)

    key = f"{models.content_hash(path)}/{model.family}/{dtype}"
    weights: Resident[LoadedLoRA] = Resident(key, lora, load, lambda held: held.modules)
    adapted, reader = model, text_encoder
    if weight:
        adapted = with_adapter(model, RidingLoRA(weights, weight, window, factors))
    if text_weight:
        riding = RidingLoRA(weights, text_weight, window, ())
        reader = text_encoder.with_options(adapters=(*text_encoder.options.get("adapters", ()), riding))
    return Adapted(adapted, reader)


def _factors(blocks: str) -> tuple[tuple[str, float], ...]:
    """`down=0.5, up_blocks.1=0`: the beginnings of names, and factors. Raises `ValueRefused` for what cannot be read."""
    found = []
    for one in blocks.replace(";", ",").split(","):
        if not one.strip():
            continue
        name, _, factor = one.partition("=")
        try:
            found.append((_SHORT.get(name.strip(), name.strip()), float(factor)))
        except ValueError as error:
            raise ValueRefused(
                f"'{one.strip()}' is no name with a number.", socket="blocks", mend="Write down=0.5, up_blocks.1=0."
            ) from error
    return tuple(found)
