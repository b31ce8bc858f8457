"""What ships: loads with plain diffusers, offline, and does what it is asked."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, LCMScheduler, StableDiffusionPipeline
from safetensors import safe_open
from train.judge import judge

STARTERS = Path(__file__).resolve().parents[2] / "resources" / "starters"


ASKED = [
    (
        "a red circle on a blue background",
        {
            "kind": "one",
            "shape": "circle",
            "colour": "red",
            "size": "medium",
            "position": "center",
            "background_colour": "blue",
        },
    ),
    (
        "a blue boat on the sea at night",
        {"kind": "scene", "subject": "boat", "colour": "blue", "time": "night", "ground": "sea"},
    ),
    ("a red house under a night sky", {"kind": "scene", "subject": "house", "colour": "red", "time": "night"}),
]


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    loaded = StableDiffusionPipeline.from_pretrained(STARTERS / "picture", dtype=torch.float32, local_files_only=True)
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.fixture(scope="module")
def fast() -> StableDiffusionPipeline:
    loaded = StableDiffusionPipeline.from_pretrained(STARTERS / "picture", dtype=torch.float32, local_files_only=True)
    loaded.scheduler = LCMScheduler.from_config(loaded.scheduler.config)
    loaded.load_lora_weights(STARTERS / "lcm", weight_name="lcm.safetensors")
    loaded.set_progress_bar_config(disable=True)
    return loaded


def share_right(
    pipeline: DiffusionPipeline, prompt: str, said: dict[str, str], *, steps: int, guidance: float
) -> float:
    """Of three seeds."""
    right = 0
    for seed in range(3):
        made = pipeline(
            prompt,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(seed),
            output_type="np",
        ).images[0]
        right += all(judge((made * 255).round().astype(np.uint8), said).values())
    return right / 3


@pytest.mark.parametrize(("prompt", "said"), ASKED)
def test_the_picture_starter_follows_the_prompt(
    pipeline: StableDiffusionPipeline, prompt: str, said: dict[str, str]
) -> None:
    assert share_right(pipeline, prompt, said, steps=20, guidance=3.0) > 0.5


@pytest.mark.parametrize(("prompt", "said"), ASKED)
def test_four_steps_suffice_with_the_consistency_lora(
    fast: StableDiffusionPipeline, prompt: str, said: dict[str, str]
) -> None:
    assert share_right(fast, prompt, said, steps=4, guidance=1.0) > 0.5


def test_older_programs_find_the_text_encoders_weights() -> None:
    with safe_open(STARTERS / "picture" / "text_encoder" / "model.safetensors", "pt") as file:
        assert all(key.startswith("text_model.") for key in file.keys())  # noqa: SIM118 - it is no mapping
    assert {"vocab.json", "merges.txt"} <= {p.name for p in (STARTERS / "picture" / "tokenizer").iterdir()}


def test_weights_are_small_and_inert() -> None:
    weights = [p for p in STARTERS.rglob("*") if p.suffix in (".safetensors", ".bin", ".pt", ".pth", ".ckpt")]
    assert weights
    assert {p.suffix for p in weights} == {".safetensors"}
    assert sum(p.stat().st_size for p in weights) < 60e6


def test_every_model_has_a_card() -> None:
    assert all((p / "README.md").exists() for p in STARTERS.iterdir() if p.is_dir() and p.name != "__pycache__")
