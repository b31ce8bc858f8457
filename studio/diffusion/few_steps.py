"""Models that were distilled to make a picture in a few steps: how they want to be sampled, and a word to the artist who does otherwise.

What their authors published: LCM (Luo et al. 2023, arXiv:2310.04378) and its LoRAs (arXiv:2311.05556), SD and SDXL Turbo (Sauer et
al. 2023, arXiv:2311.17042), SDXL Lightning (Lin et al. 2024, arXiv:2402.13929), TCD (Zheng et al. 2024, arXiv:2402.19159), Hyper-SD (Ren
et al. 2024, arXiv:2404.13686), consistency models (Song et al. 2023, arXiv:2303.01469), FLUX.1 schnell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from studio.diffusion.foreign import config_of
from studio.diffusion.model import LoadedModel


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a kind of distilled model is sampled."""

    title: str
    steps: int
    """Most steps that it is meant for."""
    samplers: tuple[str, ...]
    """That suit it, the best first; empty where any does."""
    schedules: tuple[str, ...]
    guided: bool = False
    """Whether guidance above 1 does it good."""


RECIPES: Final[Mapping[str, Recipe]] = {
    "lcm": Recipe("latent consistency model", 8, ("lcm",), ("lcm", "sgm_uniform", "trailing"), guided=True),
    "lcm_lora": Recipe("latent consistency model", 8, ("lcm",), ("lcm", "sgm_uniform", "trailing")),
    "consistency": Recipe("consistency model", 4, ("lcm",), ("trailing",)),
    "turbo": Recipe("Turbo model", 4, ("euler_ancestral", "euler", "dpmpp_sde", "lcm"), ("trailing", "sgm_uniform")),
    "lightning": Recipe("Lightning model", 8, ("euler",), ("sgm_uniform", "trailing")),
    "tcd": Recipe("TCD model", 8, ("tcd",), ("lcm", "sgm_uniform", "trailing")),
    "hyper": Recipe("Hyper-SD model", 8, ("tcd", "ddim", "euler", "lcm"), ("sgm_uniform", "trailing", "lcm")),
    "schnell": Recipe("schnell model", 4, (), ()),
}
_WORDS: Final = (
    ("lightning", "lightning"),
    ("turbo", "turbo"),
    ("hyper", "hyper"),
    ("schnell", "schnell"),
    ("tcd", "tcd"),
    ("lcm", "lcm_lora"),
)
"""In the names of files, and what they mean. The weights of most of these models do not tell."""


def recipe_of(model: LoadedModel, title: str = "") -> Recipe | None:
    """How the model wants to be sampled, from what is known of its network, else from its `title`; None for ordinary models."""
    from studio.diffusion.families.unconditional import Consistency

    parametrization = getattr(model.prediction, "inner", model.prediction)
    if isinstance(parametrization, Consistency):
        return RECIPES["consistency"]
    if getattr(config_of(model.network), "time_cond_proj_dim", None):
        return RECIPES["lcm"]
    words = re.split(r"[^a-z]+", title.lower())
    named = next((kind for word, kind in _WORDS if word in words), None)
    # Other families call their own few-step models Turbo, and sample them in their own way.
    return RECIPES[named] if named is not None and (model.family.name in _FAMILIES[named]) else None


_FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "lightning": ("sdxl",),
    "turbo": ("sd1", "sd2", "sdxl"),
    "hyper": ("sd1", "sdxl"),
    "schnell": ("flux",),
    "tcd": ("sd1", "sd2", "sdxl"),
    "lcm_lora": ("sd1", "sd2", "sdxl"),
}


def advice(recipe: Recipe, sampler: str, schedule: str, steps: int, guidance: float) -> str:
    """What to change for a better picture, in a sentence; "" where nothing is. `schedule` is "" where the noise levels are given."""
    changes = []
    if steps > recipe.steps:
        changes.append(f"at most {recipe.steps} steps")
    if recipe.samplers and sampler not in recipe.samplers:
        changes.append(f"the sampler {recipe.samplers[0]}")
    if schedule and recipe.schedules and schedule not in recipe.schedules:
        changes.append(f"the schedule {recipe.schedules[0]}")
    if guidance > (14 if recipe.guided else 2):
        changes.append("less guidance" if recipe.guided else "guidance 1")
    if not changes:
        return ""
    whole = f"{', '.join(changes[:-1])} and {changes[-1]}" if len(changes) > 1 else changes[0]
    return f"This looks like a {recipe.title}, which wants {whole}."
