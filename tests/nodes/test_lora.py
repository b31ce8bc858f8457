"""LoRAs on the starter: the style is there, and only where it was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from nodes.lora import apply_lora
from studio.graph.errors import ModelMissing, ValueRefused
from studio.sdk.resident import residents_of
from studio.sdk.testing import run_node
from tests.nodes.conftest import Studio


def test_a_style_is_seen_in_the_picture_and_gone_without_the_lora(studio: Studio) -> None:
    from train.styles import tell_style

    parts = studio.parts
    plain = studio.prompt("a large red circle on a blue background")
    before = studio.sample(plain).tensor
    model, reader = run_node(apply_lora, model=parts.model, text_encoder=parts.text_encoder, lora="lora-blueprint")
    assert len(residents_of(model)) == 2
    words = studio._replace(parts=parts._replace(text_encoder=reader)).prompt(
        "a blueprint drawing of a large red circle"
    )
    picture = studio.picture(words, model=model, steps=10)
    assert tell_style((picture.pixels[0] * 255).round().astype(np.uint8)) == "blueprint"
    assert (studio.sample(plain).tensor == before).all(), "nothing is left behind"
    off, same = run_node(
        apply_lora,
        model=parts.model,
        text_encoder=parts.text_encoder,
        lora="lora-blueprint",
        weight=0.0,
        text_weight=0.0,
    )
    assert (studio.sample(plain, model=off).tensor == before).all()
    assert same.options == parts.text_encoder.options


def test_what_cannot_be_read_is_refused(studio: Studio) -> None:
    parts = {"model": studio.parts.model, "text_encoder": studio.parts.text_encoder}
    with pytest.raises(ValueRefused, match="no name with a number"):
        run_node(apply_lora, **parts, lora="lora-blueprint", blocks="down")
    with pytest.raises(ModelMissing, match="lora"):
        run_node(apply_lora, **parts, lora="nowhere")
