import random

import numpy as np
import pytest
from train.judge import judge, look_at_scene, tally
from train.pictures import draw


def renders(kind: str, count: int = 40) -> dict[str, float]:
    rng = random.Random(77)
    drawn = [draw(rng, kind, plain=1.0) for _ in range(count)]
    return tally(np.stack([p.pixels for p in drawn]), [p.attributes for p in drawn])


@pytest.mark.parametrize("kind", ["one", "two"])
def test_the_judge_reads_true_renders(kind: str) -> None:
    assert renders(kind)[f"{kind}.all"] >= 0.95


def test_the_judge_reads_a_scene_and_refuses_a_wrong_word() -> None:
    said = {"subject": "boat", "colour": "blue", "time": "night", "ground": "sea"}
    picture = draw(random.Random(3), "scene", said)
    assert look_at_scene(picture.pixels) == said
    assert not judge(picture.pixels, {"kind": "scene", **said, "colour": "red"})["colour"]
    assert not judge(picture.pixels, {"kind": "scene", **said, "time": "day"})["time"]


def test_swapped_shapes_are_wrong() -> None:
    fixed = {"shape": "star", "colour": "yellow", "other_shape": "heart", "other_colour": "blue", "relation": "left"}
    picture = draw(random.Random(1), "two", fixed, plain=1.0)
    assert all(judge(picture.pixels, picture.attributes).values())
    assert not judge(picture.pixels[:, ::-1], picture.attributes)["colour"]


def test_an_empty_picture_shows_nothing() -> None:
    blank = np.full((128, 128, 3), 200, np.uint8)
    said = {"shape": "circle", "colour": "red", "size": "medium", "position": "left", "background_colour": "gray"}
    assert not judge(blank, {"kind": "one", **said})["shape"]
