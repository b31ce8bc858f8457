"""Conditionings joined and placed: what the pictures then show."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nodes.conditioning_mix import area, average, combine, concat, region, window, zero_out
from nodes.masks import shape
from studio.graph.errors import ValueRefused
from studio.sdk import Conditioning, Mask
from studio.sdk.storage import pack_value, unpack_value
from studio.sdk.testing import run_node
from tests.nodes.conftest import Studio


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-3, atol=1e-3)


def test_two_regions_show_what_was_asked_for_each(studio: Studio) -> None:
    from train.judge import judge_two

    asked = [
        ("red", "circle", "green", "square"),
        ("green", "triangle", "purple", "circle"),
    ]
    left, right = (run_node(shape, width=128, height=128, x=x, across=0.5, down=1.0) for x in (0.25, 0.75))
    right_answers = []
    for seed, (colour, form, other_colour, other_form) in enumerate(asked):
        words = [
            f"a {colour} {form} on the left side on a white background",
            f"a {other_colour} {other_form} on the right side on a white background",
        ]
        parts = [
            run_node(region, conditioning=studio.prompt(text), mask=mask)
            for text, mask in zip(words, (left, right), strict=True)
        ]
        picture = studio.picture(run_node(combine, first=parts[0], second=parts[1]), steps=10, seed=seed)
        said = {
            "kind": "two",
            "relation": "left",
            "shape": form,
            "colour": colour,
            "other_shape": other_form,
            "other_colour": other_colour,
            "background_colour": "white",
        }
        right_answers += judge_two((picture.pixels[0] * 255).round().astype(np.uint8), said).values()
    assert sum(right_answers) >= 0.9 * len(right_answers)


def test_areas_are_pictures_side_by_side(studio: Studio) -> None:
    parts = [
        run_node(area, conditioning=studio.prompt(f"a large {colour} square on a white background"), x=x)
        for colour, x in (("red", 0.0), ("blue", 0.5))
    ]
    from studio.sdk import Latent

    both = run_node(combine, first=parts[0], second=parts[1])
    pixels = studio.picture(both, steps=10, latent=Latent.empty(256, 128)).pixels[0]
    red, blue = (pixels[48:80, middle - 16 : middle + 16].mean(axis=(0, 1)) for middle in (64, 192))
    assert red[0] > red[2] + 0.3
    assert blue[2] > blue[0] + 0.3
    with pytest.raises(ValueRefused, match="leave a part of the picture"):
        studio.sample(parts[0])


def test_a_prompt_that_changes_on_the_way_follows_each_in_its_window(studio: Studio) -> None:
    circle, square = (studio.prompt(f"a large red {form} on a blue background") for form in ("circle", "square"))
    parts = [
        run_node(window, conditioning=one, start=start, end=end)
        for one, start, end in ((circle, 0, 0.5), (square, 0.5, 1))
    ]
    both = run_node(combine, first=parts[0], second=parts[1])
    changed, plain = (studio.sample(one, steps=4) for one in (both, circle))
    assert not same(changed.tensor, plain.tensor)
    with pytest.raises(ValueRefused, match="No conditioning speaks in step 3 of 4"):
        studio.sample(parts[0], steps=4)
    assert same(studio.sample(run_node(combine, first=circle, second=circle), steps=4).tensor, plain.tensor)
    with pytest.raises(ValueRefused, match="none of the combined"):
        run_node(window, conditioning=parts[0], start=0.6, end=0.9)
    inner = run_node(window, conditioning=both, start=0.25, end=0.75)
    assert studio.sample(run_node(combine, first=inner, second=circle), steps=4).batch == 1


def test_averages_go_from_one_to_the_other(studio: Studio) -> None:
    one, other = studio.prompt("a red circle"), studio.prompt("a blue square on a white background")
    for amount, expected in ((0.0, one), (1.0, other)):
        mixed = run_node(average, first=one, second=other, amount=amount)
        torch.testing.assert_close(mixed.tensors["embeds"], expected.tensors["embeds"])
    long = run_node(concat, first=one, second=other)
    assert long.tensors["embeds"].shape[1] == 2 * one.tensors["embeds"].shape[1]
    assert torch.equal(long.tensors["embeds"][:, one.tensors["embeds"].shape[1] :], other.tensors["embeds"])
    assert studio.sample(long).batch == 1, "a long positive goes with a short negative"
    assert run_node(average, first=one, second=long).tensors["embeds"].shape == long.tensors["embeds"].shape
    nothing = run_node(zero_out, conditioning=run_node(combine, first=one, second=other))
    assert nothing.tensors["embeds"].abs().max() == 0
    assert nothing.extra["others"][0].tensors["embeds"].abs().max() == 0


def test_what_rides_on_a_conditioning_is_kept_on_disk(studio: Studio) -> None:
    mask = run_node(shape, width=16, height=16)
    placed = run_node(region, conditioning=studio.prompt("a red circle"), mask=mask, strength=2.0)
    whole = run_node(combine, first=run_node(window, conditioning=placed, end=0.5), second=studio.prompt())
    packed = pack_value(whole)
    assert packed is not None
    back = unpack_value(packed)
    assert isinstance(back, Conditioning)
    assert back.extra["window"] == [0, 0.5]
    assert back.extra["strength"] == 2
    assert np.array_equal(back.extra["region"].values, mask.values)
    assert back.extra["others"][0].extra == {}


def test_what_does_not_fit_is_refused(studio: Studio) -> None:
    one = studio.prompt("a red circle")
    other = Conditioning(one.tensors, "sdxl")
    for function in (combine, concat, average):
        with pytest.raises(ValueRefused, match="for 'sd1'") as refused:
            run_node(function, first=one, second=other)
        assert refused.value.socket == "second"
    with pytest.raises(ValueRefused, match="The mask is empty"):
        run_node(region, conditioning=one, mask=Mask.of(np.zeros((8, 8))))
    with pytest.raises(ValueRefused, match="holds no step"):
        run_node(window, conditioning=one, start=0.5, end=0.5)
    narrow = Conditioning({"embeds": torch.zeros(1, 4, 8)}, "sd1")
    with pytest.raises(ValueRefused, match="wide"):
        run_node(average, first=one, second=narrow)
