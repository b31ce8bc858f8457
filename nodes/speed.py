"""How fast a model runs, and how much memory it takes. The settings ride on the model."""

from __future__ import annotations

from nodes.steered import with_adapter
from studio.diffusion.speed import ATTENTIONS, Attention, Compiled
from studio.diffusion.step_cache import FirstBlockCache
from studio.diffusion.timing import Window
from studio.sdk import Choice, Model, Slider, node


@node("model/StepCache", title="Step cache", aliases=("first block cache", "FBCache", "TeaCache", "faster", "speed"))
def step_cache(
    model: Model,
    threshold: float = Slider(0.1, 0, 1, step=0.01),
    start: float = Slider(0.0, 0, 1),
    end: float = Slider(1.0, 0, 1),
) -> Model:
    """Leave most of the network out in steps that would change little. Half as long and hardly different, or quicker and coarser.

    For transformers such as Flux, Stable Diffusion 3 and Qwen-Image. A run with it begins anew when it is resumed.

    Args:
        model: The model to be hastened.
        threshold: How much may change before a step is computed whole; 0 leaves nothing out, 0.1 is careful, 0.3 is bold.
        start: From where, as a share of the run.
        end: Up to where.
    """
    return with_adapter(model, FirstBlockCache(threshold, Window(start, end)))


@node("model/Attention", aliases=("flash attention", "sage", "xformers", "sliced", "memory", "speed"))
def attention(model: Model, kernel: str = Choice(*ATTENTIONS, default="auto")) -> Model:
    """Choose how attention is computed. The picture stays the same up to rounding; speed and memory change.

    Args:
        model: The model that is to take it.
        kernel: auto: torch chooses. math: plain and exact, much memory. flash, efficient, cudnn: torch's own for graphics cards. sliced:
            least memory, for U-Nets. flash_attn, sageattention, xformers: from packages that you installed.
    """
    return with_adapter(model, Attention(kernel))


@node("model/Compile", title="Compile", aliases=("torch.compile", "inductor", "faster", "speed"))
def compile_(model: Model) -> Model:
    """Compile the network: the first step takes minutes, all later ones of that size are faster, until Wirelight closes.

    Args:
        model: The model to be compiled.
    """
    return with_adapter(model, Compiled())
