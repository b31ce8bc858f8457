import random

import numpy as np
import pytest
from train.pictures import MIX, draw, draw_to_learn, held_out, to_pixels, to_tensor
from train.scenes import DRAWN, SUBJECT_COLOURS, SUBJECTS
from train.shapes import COLOURS, HELD_OUT, SHAPES, outline


@pytest.mark.parametrize("kind", list(MIX))
def test_the_same_seed_draws_the_same_picture(kind: str) -> None:
    first, second = draw(random.Random(5), kind), draw(random.Random(5), kind)
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.depth, second.depth)
    assert (first.caption, first.attributes) == (second.caption, second.attributes)
    assert not np.array_equal(first.pixels, draw(random.Random(6), kind).pixels)


def test_a_caption_says_what_its_attributes_say() -> None:
    rng = random.Random(1)
    for _ in range(300):
        picture = draw(rng, size=16)
        named = [
            picture.attributes[k] for k in ("shape", "colour", "other_shape", "other_colour") if k in picture.attributes
        ]
        assert all(name in picture.caption for name in named), picture.caption


def test_a_scene_says_nothing_of_what_its_caption_leaves_open() -> None:
    rng = random.Random(2)
    for _ in range(200):
        picture = draw(rng, "scene", {"subject": "house", "time": "night"}, size=16)
        assert ("time" in picture.attributes) == ("night" in picture.caption)
        assert ("ground" in picture.attributes) == any(w in picture.caption for w in ("field", "meadow", "snow"))


def test_the_held_out_shapes_are_never_learnt() -> None:
    rng = random.Random(3)
    assert any(held_out(draw(rng, "two", size=16).attributes) for _ in range(400))
    assert not any(held_out(draw_to_learn(rng).attributes) for _ in range(300))


def test_every_subject_and_colour_can_be_drawn() -> None:
    assert {s for found in SUBJECTS.values() for s in found} == {*DRAWN, "nothing"}
    assert all(c in COLOURS for colours in SUBJECT_COLOURS.values() for c in colours)
    assert {shape for shape, _ in HELD_OUT} <= set(SHAPES)


def test_depth_is_far_in_the_sky_and_near_at_the_subject() -> None:
    picture = draw(random.Random(4), "scene", {"subject": "house", "time": "day", "ground": "field"})
    assert picture.depth[:8].max() < 20
    assert picture.depth[70:90, 60:68].min() > 150
    assert picture.depth[-4:].mean() > picture.depth[88:92, :8].mean()


@pytest.mark.parametrize("shape", [s for s in SHAPES if s not in ("circle", "ring")])
def test_outlines_keep_to_their_radius(shape: str) -> None:
    points = outline(shape, 0.5, 0.5, 0.2)
    assert max(max(abs(x - 0.5), abs(y - 0.5)) for x, y in points) == pytest.approx(0.2, rel=0.15)


def test_pixels_survive_the_way_to_tensors_and_back() -> None:
    pixels = draw(random.Random(8)).pixels[None]
    assert np.array_equal(to_pixels(to_tensor(pixels)), pixels)
