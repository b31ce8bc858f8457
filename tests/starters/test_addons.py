import random

import numpy as np
import torch
from spandrel import ModelLoader
from train import lcm, upscale
from train.controlnet import edge_f1
from train.noise import Noise
from train.pictures import draw, to_tensor
from train.styles import STYLES, edges, tell_style


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
    model = upscale.Compact().eval()
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


def test_an_untrained_upscaler_interpolates() -> None:
    torch.manual_seed(0)
    model = upscale.Compact().eval()
    upscale.start_from_linear(model)
    picture = torch.rand(1, 3, 16, 20)
    with torch.no_grad():
        linear = torch.nn.functional.interpolate(picture, scale_factor=2.0, mode="bilinear")
        inside = (..., slice(2, -2), slice(2, -2))
        assert torch.allclose(model(picture)[inside], linear[inside], atol=1e-5)


def test_the_upscaler_learns_to_sharpen() -> None:
    torch.manual_seed(0)
    model = upscale.Compact()
    upscale.start_from_linear(model)
    wanted = to_tensor(draw(random.Random(2), "one", plain=1.0, size=96).pixels[None]) / 2 + 0.5
    given = torch.nn.functional.avg_pool2d(wanted, 2)
    with torch.no_grad():
        before = upscale.psnr(model(given), wanted)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(100):
        optimizer.zero_grad()
        upscale.loss_of(model, given, wanted).backward()
        optimizer.step()
    with torch.no_grad():
        bicubic = torch.nn.functional.interpolate(given, scale_factor=2.0, mode="bicubic")
        after = upscale.psnr(model(given), wanted)
    assert after > before + 1
    assert after > upscale.psnr(bicubic, wanted) + 0.5


def test_crops_of_small_and_large_show_the_same() -> None:
    large = torch.rand(2, 3, 128, 128)
    small = torch.nn.functional.avg_pool2d(large, 2)
    given, wanted = upscale.crops(small, large, random.Random(0), 8)
    assert given.shape == (8, 3, upscale.CROP, upscale.CROP)
    assert torch.allclose(torch.nn.functional.avg_pool2d(wanted, 2), given, atol=1e-6)
