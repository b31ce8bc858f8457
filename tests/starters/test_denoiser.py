import torch
from train import text, unet
from train.attributes import labels
from train.noise import Noise, ddim


def test_the_velocity_leads_back_to_the_latents() -> None:
    torch.manual_seed(0)
    noise = Noise(torch.device("cpu"))
    latents, timesteps = torch.randn(3, 4, 16, 16), torch.tensor([10, 500, 999])
    noisy, velocity = noise.mix(latents, timesteps)
    for i, timestep in enumerate(timesteps):
        kept = ddim().alphas_cumprod[timestep]
        back = kept.sqrt() * noisy[i] - (1 - kept).sqrt() * velocity[i]
        assert torch.allclose(back, latents[i], atol=1e-4)
    assert float(noise.loss(velocity, velocity, timesteps)) == 0


def test_the_last_step_keeps_almost_nothing_of_the_picture() -> None:
    assert float(ddim().alphas_cumprod[-1].sqrt()) < 0.01


def test_denoising_depends_on_the_words() -> None:
    torch.manual_seed(0)
    model = unet.build().eval()
    noisy, timesteps = torch.randn(1, 4, 16, 16), torch.tensor([500])
    with torch.no_grad():
        red, blue = (unet.denoise(model, noisy, timesteps, torch.randn(1, 77, text.WIDTH)) for _ in range(2))
    assert red.shape == noisy.shape
    assert not torch.allclose(red, blue)


def test_labels_tell_said_from_left_open() -> None:
    found = labels([{"colour": "red"}, {}], text.ATTRIBUTES, "colour")
    assert found.tolist() == [text.ATTRIBUTES["colour"].index("red"), len(text.ATTRIBUTES["colour"])]


def test_the_reader_tells_words_apart_from_the_start() -> None:
    torch.manual_seed(0)
    reader = text.Reader(815).eval()
    with torch.no_grad():
        states = reader(torch.tensor([[813, 700, 814], [813, 701, 814]]))
    assert float((states[0, 2] - states[1, 2]).std()) > 0.05
