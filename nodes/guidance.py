"""Kinds of guidance. They ride on the model; a sampler that gets it guides that way."""

from __future__ import annotations

from nodes.steered import with_adapter, with_guidance, with_weakening
from studio.diffusion.freeu import FreeU
from studio.diffusion.guidance import AwayFromWeak
from studio.diffusion.timing import Curve, Window
from studio.diffusion.weaken import PerturbedAttention, SkippedLayers
from studio.sdk import Conditioning, Model, Number, Slider, TextLine, ValueRefused, node


@node("guidance/Curve", title="Guidance curve", aliases=("cfg", "schedule", "dynamic", "interval"))
def curve(
    model: Model,
    first: float = Slider(7.0, 0, 30, step=0.1),
    last: float = Slider(1.0, 0, 30, step=0.1),
    start: float = Slider(0.0, 0, 1),
    end: float = Slider(1.0, 0, 1),
) -> Model:
    """Change the guidance over the run, on a straight line from one strength to another. It replaces the sampler's own.

    Args:
        model: The model to be guided.
        first: Guidance up to the start.
        last: Guidance from the end on; at 1 a step takes half the time.
        start: Where the change begins, as a share of the run.
        end: Where it is done.
    """
    if start >= end:
        raise ValueRefused("The change ends before it begins.", socket="end", mend="Set the end after the start.")
    return with_guidance(model, curve=Curve(((start, first), (end, last))))


@node("guidance/Rescale", title="Rescale guidance", aliases=("cfg", "RescaleCFG", "overexposed"))
def rescale(model: Model, amount: float = Slider(0.7, 0, 1)) -> Model:
    """Take back the harsh contrast of strong guidance.

    Args:
        model: The model to be guided.
        amount: How much of it; 0 changes nothing.
    """
    return with_guidance(model, rescale=amount)


@node("guidance/Projected", title="Projected guidance", aliases=("apg", "cfg", "APG", "oversaturation"))
def projected(
    model: Model, parallel: float = Slider(0.0, 0, 1), longest: float = Slider(15.0, 0, 50, step=0.1)
) -> Model:
    """Strong guidance without burnt colours: what would only make the prediction stronger is left out (adaptive projected guidance).

    Args:
        model: The model to be guided.
        parallel: Share of it that is kept; 1 is plain guidance.
        longest: Guidance is shortened to this length; 0 is no bound.
    """
    return with_guidance(model, method="projected", parallel=parallel, longest=longest)


@node("guidance/Optimized", title="Optimized guidance", aliases=("cfg zero star", "CFGZeroStar"))
def optimized(model: Model, still: int = Slider(0, 0, 10)) -> Model:
    """Guidance whose negative is first brought close to the positive (CFG-Zero*), made for flow models.

    Args:
        model: The model to be guided.
        still: So many first steps do nothing, where a model's first predictions are poor.
    """
    return with_guidance(model, method="optimized", still=still)


@node("guidance/NegativeScale", title="Negative scale", aliases=("cfg", "dual", "negative prompt strength"))
def negative_scale(model: Model, empty: Conditioning, scale: float = Slider(3.0, 0, 30, step=0.1)) -> Model:
    """A strength of its own for the negative prompt. The sampler's guidance then holds for the positive one alone.

    A step takes half as long again, since the model is asked for the empty prompt too.

    Args:
        model: The model to be guided.
        empty: An empty prompt, from which both are counted.
        scale: How far away from the negative prompt.
    """
    return with_guidance(model, neutral=empty, negative_scale=scale)


@node("guidance/PerturbedAttention", title="Perturbed-attention guidance", aliases=("pag", "PAG", "structure"))
def perturbed_attention(
    model: Model,
    scale: float = Slider(3.0, 0, 30, step=0.1),
    start: float = Slider(0.0, 0, 1),
    end: float = Slider(1.0, 0, 1),
    layers: str = TextLine("mid_block", advanced=True),
) -> Model:
    """More structure: lead away from what the model says when its self-attention is switched off. Works without a prompt too.

    Args:
        model: A model with a U-Net: Stable Diffusion 1, 2 or XL.
        scale: How far away.
        start: Where it begins, as a share of the run.
        end: Where it ends.
        layers: A part of the names of the layers that are switched off.
    """
    return with_weakening(model, AwayFromWeak(PerturbedAttention(layers), scale, Window(start, end)))


@node("guidance/SkipLayers", title="Skip-layer guidance", aliases=("slg", "SkipLayerGuidanceSD3", "anatomy"))
def skip_layers(
    model: Model,
    layers: str = TextLine("7, 8, 9"),
    scale: float = Slider(2.8, 0, 30, step=0.1),
    start: float = Slider(0.01, 0, 1),
    end: float = Slider(0.2, 0, 1),
) -> Model:
    """Better anatomy: lead away from what the model says when some of its layers are left out.

    Args:
        model: A model of the family Stable Diffusion 3.
        layers: The numbers of the layers, counted from 0.
        scale: How far away.
        start: Where it begins, as a share of the run.
        end: Where it ends.
    """
    words = layers.replace(",", " ").split()
    if not words or not all(word.isdecimal() for word in words):
        raise ValueRefused(f"'{layers}' are no numbers of layers.", socket="layers", mend="Write them as 7, 8, 9.")
    weak = SkippedLayers(tuple(int(word) for word in words))
    return with_weakening(model, AwayFromWeak(weak, scale, Window(start, end)))


@node("model/FreeU", title="FreeU", aliases=("FreeU_V2", "quality"))
def freeu(
    model: Model,
    backbone_1: float = Number(1.3, 0, 10, step=0.01),
    backbone_2: float = Number(1.4, 0, 10, step=0.01),
    skip_1: float = Number(0.9, 0, 10, step=0.01),
    skip_2: float = Number(0.2, 0, 10, step=0.01),
) -> Model:
    """Another balance inside a U-Net: more of its own features, less of what skips past them. Costs nothing.

    Args:
        model: A model with a U-Net: Stable Diffusion 1, 2 or XL.
        backbone_1: Factor on the features of the lowest level.
        backbone_2: Factor on those of the next.
        skip_1: Factor on the skip connections of the lowest level.
        skip_2: Factor on those of the next.
    """
    return with_adapter(model, FreeU((backbone_1, backbone_2), (skip_1, skip_2)))
