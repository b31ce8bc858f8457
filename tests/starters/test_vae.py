import torch
from train import vae as autoencoder


def test_an_untrained_autoencoder_already_shows_the_picture() -> None:
    torch.manual_seed(0)
    vae = autoencoder.build().eval()
    images = autoencoder.held_out_pictures(4)
    usual = autoencoder.psnr(vae, images)
    autoencoder.start_from_colours(vae)
    assert autoencoder.psnr(vae, images) > max(17.0, usual + 5)


def test_whitening_changes_latents_and_no_picture() -> None:
    torch.manual_seed(0)
    vae = autoencoder.build().eval()
    autoencoder.start_from_colours(vae)
    images = autoencoder.held_out_pictures(8)
    with torch.no_grad():
        latents = vae.encode(images).latent_dist.mode()
        before = vae.decode(latents).sample
        mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
        autoencoder.whiten(vae, mean, std)
        whitened = vae.encode(images).latent_dist.mode()
        after = vae.decode(whitened).sample
    assert torch.allclose(before, after, atol=1e-4)
    assert torch.allclose(whitened.mean((0, 2, 3)), torch.zeros(4), atol=1e-4)
    assert torch.allclose(whitened.std((0, 2, 3)), torch.ones(4), atol=1e-4)
