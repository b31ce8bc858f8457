import random

import numpy as np
import torch
from spandrel import ModelLoader
from train import lcm
from train.controlnet import edge_f1
from train.noise import Noise
from train.pictures import draw
from train.styles import STYLES, edges, tell_style
from train.upscale import Compact


def test_styles_are_told_from_each_other_and_from_none() -> None:
    rng = random.Random(5)
    drawn = [draw(rng).pixels for _ in range(40)]
    for name, style in STYLES.items():
        assert all(tell_style(style(pixels)) == name for pixels in drawn)
    assert np.mean([tell_style(pixels) is None for pixels in drawn]) > 0.85


def test_edge_agreement_forgives_two_pixels_and_no_more() -> None:
    outline = edges(draw(random.Random(1), "one", {"shape": "square", "size": "large"}, plain=1.0).pixels)
    assert edge_f1(outline, outline) == 1
    assert edge_f1(np.roll(outline, 2, axis=1), outline) > 0.9
    assert edge_f1(np.roll(outline, 5, axis=1), outline) < 0.6
    assert edge_f1(np.zeros_like(outline), outline) == 0


def test_spandrel_knows_the_upscaler() -> None:
    model = Compact().eval()
    loaded = ModelLoader().load_from_state_dict(model.state_dict())
    assert loaded.scale == 2
    picture = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(loaded(picture), model(picture).clamp(0, 1), atol=1e-5)


def test_a_consistency_model_answers_a_clean_picture_with_itself() -> None:
    skip, out = lcm.boundary(torch.tensor([0, 999]))
    assert (float(skip[0]), float(out[0])) == (1.0, 0.0)
    assert float(skip[1]) < 1e-6
    assert float(out[1]) > 0.999


def test_a_teachers_step_with_the_true_noise_stays_on_the_way() -> None:
    torch.manual_seed(0)
    noise = Noise(torch.device("cpu"))
    teacher = lcm.Teacher(noise)
    clean, timesteps = torch.randn(2, 4, 16, 16), torch.tensor([19, 999])
    noisy, velocity = noise.mix(clean, timesteps)
    found, added = teacher.parts(noisy, velocity, timesteps)
    assert torch.allclose(found, clean, atol=1e-3)
    assert torch.allclose(teacher.step(found, added, timesteps), noisy, atol=1e-3)
    assert torch.allclose(teacher.step(found, added, torch.tensor([-1, -1])), found)
