"""The noise process of the picture starter, and what a denoiser is asked for."""

from typing import Any

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

STEPS = 1000

# Linear betas up to 0.02 leave 0.6 % of the signal at the last step; Stable Diffusion's schedule leaves 7 %, from which
# flat pictures give away their background.
SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": STEPS,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
}
GREATEST_WEIGHT = 5.0
LEAST_WEIGHT = 0.15


def ddim() -> DDIMScheduler:
    return DDIMScheduler(**SCHEDULE, clip_sample=False, set_alpha_to_one=True, steps_offset=1)


def dpmpp_2m() -> DPMSolverMultistepScheduler:
    return DPMSolverMultistepScheduler(**SCHEDULE)


class Noise:
    """Adds noise, and weighs the error of a v-prediction by min(SNR, 5) / (SNR + 1) (Hang et al. 2023).

    Where there is more noise than picture the weight does not fall below 0.15: the first third of a sampler's steps lies
    there, where the caption alone decides what goes where, and would hardly be learnt otherwise.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.signal = ddim().alphas_cumprod.to(device)
        snr = self.signal / (1 - self.signal)
        weights = snr.clamp(max=GREATEST_WEIGHT) / (snr + 1)
        self.weights = torch.where(snr < 1, weights.clamp(min=LEAST_WEIGHT), weights)

    def timesteps(self, count: int) -> Tensor:
        return torch.randint(STEPS, (count,), device=self.device)

    def mix(self, latents: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Noisy latents and the velocity a * noise - s * latents (Salimans and Ho 2022)."""
        noise = torch.randn_like(latents)
        kept = self.signal[timesteps].sqrt()[:, None, None, None]
        added = (1 - self.signal[timesteps]).sqrt()[:, None, None, None]
        return kept * latents + added * noise, kept * noise - added * latents

    def loss(self, predicted: Tensor, velocity: Tensor, timesteps: Tensor) -> Tensor:
        error = ((predicted.float() - velocity) ** 2).mean((1, 2, 3))
        return 2 * (error * self.weights[timesteps]).mean()
