"""Prompts to embeddings, for every family that is here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from studio.diffusion.family import Encoded
from studio.diffusion.model import Checkpoint
from studio.graph.errors import ValueRefused
from tests.diffusion import tiny
from tests.diffusion.analytic import distance


def encode(checkpoint: Checkpoint, *prompts: str, skip_layers: int = 0) -> Encoded:
    encoder = checkpoint.text_encoder
    assert encoder is not None
    return encoder.family.encode(encoder, prompts, skip_layers)


def test_tokens_are_counted_with_their_markers(sd1: Checkpoint) -> None:
    found = encode(sd1, "", "the cat", "the cat and the dog")
    assert found.tokens == (2, 4, 7)
    assert found.window == tiny.WINDOW
    assert found.cut == ("", "", "")
    assert found.conditioned.embeds.shape == (3, tiny.WINDOW, 32)


def test_what_does_not_fit_is_cut_and_said(sd1: Checkpoint) -> None:
    words = " ".join(["cat"] * 14)
    found = encode(sd1, words, f"{words} red dog")
    assert found.tokens == (16, 18)
    assert found.cut == ("", "red dog")
    assert torch.equal(found.conditioned.embeds[0], found.conditioned.embeds[1])


def test_a_list_is_what_its_prompts_are_alone(sd1: Checkpoint, sdxl: Checkpoint) -> None:
    for checkpoint in (sd1, sdxl):
        together = encode(checkpoint, "the cat", "red", "").conditioned
        for item, prompt in enumerate(("the cat", "red", "")):
            alone = encode(checkpoint, prompt).conditioned
            assert distance(together.embeds[item : item + 1], alone.embeds) < 1e-6
            if alone.pooled is not None and together.pooled is not None:
                assert distance(together.pooled[item : item + 1], alone.pooled) < 1e-6


@pytest.mark.parametrize("skip", [1, 2])
def test_skipping_layers_is_a_shorter_encoder(sd1: Checkpoint, skip: int) -> None:
    from transformers import CLIPTextModel

    pipeline = tiny.sd_pipeline()
    shorter = CLIPTextModel(tiny.text_config(layers=3 - skip)).eval()
    shorter.load_state_dict(pipeline.text_encoder.state_dict(), strict=False)
    ids = pipeline.tokenizer("the cat", padding="max_length", max_length=tiny.WINDOW, return_tensors="pt").input_ids
    with torch.no_grad():
        expected = shorter(ids).last_hidden_state
    assert torch.equal(encode(sd1, "the cat", skip_layers=skip).conditioned.embeds, expected)
    assert not torch.equal(encode(sd1, "the cat").conditioned.embeds, expected)


def test_skipping_layers_of_sdxl_is_the_pipelines(sdxl: Checkpoint, sdxl_folder: Path) -> None:
    # From the same file: where weights lie in memory decides about the last bit of a product.
    pipeline = StableDiffusionXLPipeline.from_pretrained(sdxl_folder, dtype=torch.float32)
    for skip in (0, 1):
        with torch.no_grad():
            embeds, _, pooled, _ = pipeline.encode_prompt(
                "the cat", do_classifier_free_guidance=False, clip_skip=skip or None
            )
        found = encode(sdxl, "the cat", skip_layers=skip).conditioned
        assert found.pooled is not None
        assert torch.equal(found.embeds, embeds)
        assert torch.equal(found.pooled, pooled)


def test_more_layers_than_there_are_cannot_be_skipped(sd1: Checkpoint) -> None:
    for skip in (4, -1):
        with pytest.raises(ValueRefused, match="layers"):
            encode(sd1, "the cat", skip_layers=skip)


def test_an_empty_list_is_refused_and_an_empty_prompt_is_not(sd1: Checkpoint) -> None:
    with pytest.raises(ValueRefused, match="empty"):
        encode(sd1)
    assert torch.isfinite(encode(sd1, "").conditioned.embeds).all()


def test_any_text_has_tokens(sd1: Checkpoint) -> None:
    for prompt in ("猫 🐈 \x00 \ud7ff", "a" * 10_000, "\n\t ", "<|endoftext|> cat"):
        found = encode(sd1, prompt)
        assert torch.isfinite(found.conditioned.embeds).all()
        assert found.tokens[0] >= 2
