"""Kinds of guidance that ride on the model, by what they do to the starter's pictures."""

from __future__ import annotations

import pytest
import torch

from nodes.guidance import curve, freeu, negative_scale, optimized, perturbed_attention, projected, rescale, skip_layers
from studio.graph.errors import ValueRefused
from studio.sdk import Model
from studio.sdk.testing import run_node
from tests.nodes.conftest import Studio

WORDS = "a large red circle on a blue background"


def test_rescaled_and_projected_guidance_is_less_harsh(studio: Studio) -> None:
    words, model = studio.prompt(WORDS), studio.parts.model
    spread = {}
    for name, used in {
        "plain": model,
        "rescaled": run_node(rescale, model=model, amount=1.0),
        "projected": run_node(projected, model=model, longest=10.0),
    }.items():
        spread[name] = studio.sample(words, model=used, steps=6, guidance=14.0).tensor.std().item()
    assert spread["rescaled"] < 0.9 * spread["plain"]
    assert spread["projected"] < 0.9 * spread["plain"]


def test_settings_of_guidance_go_together_and_leave_the_model_as_it_was(studio: Studio) -> None:
    words, model = studio.prompt(WORDS), studio.parts.model
    plain = studio.sample(words).tensor

    def made(used: Model, **changes: object) -> torch.Tensor:
        return studio.sample(words, model=used, **changes).tensor

    level = run_node(curve, model=model, first=4.0, last=4.0)
    assert torch.equal(made(level, guidance=9.0), plain), "the curve stands for the sampler's own guidance"
    assert torch.equal(made(run_node(rescale, model=model, amount=0.0)), plain)
    unchanged = run_node(freeu, model=model, backbone_1=1.0, backbone_2=1.0, skip_1=1.0, skip_2=1.0)
    torch.testing.assert_close(made(unchanged), plain, rtol=1e-3, atol=1e-3)
    empty = studio.prompt()
    several = {
        "curve": run_node(curve, model=model, first=4.0, last=1.0, end=0.9),
        "optimized": run_node(optimized, model=model),
        "still": run_node(optimized, model=model, still=1),
        "negative": run_node(negative_scale, model=model, empty=empty, scale=2.0),
        "perturbed": run_node(perturbed_attention, model=model, scale=2.0),
        "freeu": run_node(freeu, model=model),
        "both": run_node(rescale, model=run_node(perturbed_attention, model=model, scale=2.0), amount=0.5),
    }
    negative = studio.prompt("a green square")
    found = {name: made(used, negative=negative) for name, used in several.items()}
    found["plain"] = made(model, negative=negative)
    names = list(found)
    assert all(torch.isfinite(one).all() for one in found.values())
    assert not any(torch.equal(found[one], found[other]) for one in names for other in names if one != other)
    assert torch.equal(made(model), plain), "nothing is left behind in the network"


def test_what_does_not_fit_is_refused(studio: Studio) -> None:
    words, model = studio.prompt(WORDS), studio.parts.model
    with pytest.raises(ValueRefused, match="cannot leave out layers"):
        studio.sample(words, model=run_node(skip_layers, model=model, start=0.0, end=1.0))
    with pytest.raises(ValueRefused, match="no numbers of layers"):
        run_node(skip_layers, model=model, layers="seven")
    with pytest.raises(ValueRefused, match="ends before it begins"):
        run_node(curve, model=model, start=0.5, end=0.5)
    with pytest.raises(ValueRefused, match="needs a negative"):
        studio.sample(words, model=run_node(curve, model=model), negative=None, guidance=1.0)
