"""ControlNets through the nodes, and the pictures that are made for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel

from nodes.conditioning_mix import combine
from nodes.control import apply_control_net, load
from nodes.preprocess import canny, line_art, shuffle
from studio.diffusion.model import LoadedModel
from studio.graph.errors import ModelMissing, ValueRefused
from studio.sdk import ControlNet, Image
from studio.sdk.resident import residents_of
from studio.sdk.testing import run_node
from tests.diffusion import tiny
from tests.nodes.conftest import Studio


@pytest.fixture
def net(studio: Studio, home: Path) -> ControlNet:
    """A ControlNet of the starter's shape in the library, with random weights."""
    model: LoadedModel = studio.parts.model.weights.load()
    torch.manual_seed(1)
    made = tiny.awake(ControlNetModel.from_unet(model.network, conditioning_embedding_out_channels=(4, 8, 8, 8)))
    made.save_pretrained(home / "data" / "models" / "controlnet" / "edges")
    found = run_node(load, control_net="edges")
    assert isinstance(found, ControlNet)
    return found


def test_a_picture_steers_as_strongly_as_it_is_told(studio: Studio, net: ControlNet) -> None:
    words = studio.prompt("a large red circle on a blue background")
    plain = studio.sample(words).tensor
    hint = Image(np.random.default_rng(1).random((1, 100, 100, 3), dtype=np.float32))

    def made(**options: object) -> torch.Tensor:
        return studio.sample(
            run_node(apply_control_net, conditioning=words, control_net=net, image=hint, **options)
        ).tensor

    assert torch.equal(made(strength=0.0), plain)
    changes = [(made(strength=strength) - plain).abs().mean().item() for strength in (0.2, 1.0)]
    assert 0 < changes[0] < changes[1]
    late, fading = made(start=0.5), made(fade=0.0)
    assert not torch.equal(late, plain)
    assert not torch.equal(late, made())
    assert not torch.equal(fading, made())
    both = run_node(combine, first=words, second=words)
    steered = run_node(apply_control_net, conditioning=both, control_net=net, image=hint)
    twice = run_node(apply_control_net, conditioning=steered, control_net=net, image=hint, strength=0.5)
    assert [len(one.extra["controls"]) for one in (twice, twice.extra["others"][0])] == [2, 2]
    assert net.weights in residents_of(twice)
    assert torch.isfinite(studio.sample(twice).tensor).all()
    with pytest.raises(ValueRefused, match="holds no step"):
        made(start=0.7, end=0.2)


def test_a_missing_control_net_is_named(home: Path) -> None:
    with pytest.raises(ModelMissing, match="controlnet"):
        run_node(load, control_net="nowhere")


def square() -> Image:
    pixels = np.zeros((1, 64, 64, 3), dtype=np.float32)
    pixels[:, 16:48, 16:48] = (1.0, 0.5, 0.2)
    return Image(pixels)


def test_edges_are_where_brightness_changes() -> None:
    edges = run_node(canny, image=square()).pixels[0]
    assert edges.max() == 1
    assert edges[32, 14:18].max() == 1
    assert edges[24:40, 24:40].max() == 0
    assert run_node(canny, image=Image.solid(32, 32, (0.5, 0.5, 0.5))).pixels.max() == 0


def test_line_art_draws_the_dark_side_of_an_edge() -> None:
    lines = run_node(line_art, image=Image(1 - square().pixels), blur=3.0).pixels[0]
    assert lines[32, 17] == pytest.approx(1, abs=0.6)
    assert lines[32, 17, 0] > lines[32, 32, 0]
    assert lines[:6].max() == 0
    assert run_node(line_art, image=Image.solid(32, 32, (0.5, 0.5, 0.5))).pixels.max() == 0


def test_shuffled_content_keeps_its_colours_and_is_found_again_by_its_seed() -> None:
    one, again, other = (run_node(shuffle, image=square(), seed=seed).pixels for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.abs(one - square().pixels).max() > 0.5
    assert one.max(axis=(0, 1, 2)) == pytest.approx([1, 0.5, 0.2], abs=0.01)
