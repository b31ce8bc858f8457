"""The noise a model was trained with: which sigma belongs to which training timestep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from studio.graph.errors import ValueRefused

BETA_CURVES = ("linear", "scaled_linear", "squaredcos_cap_v2")


class NoiseSchedule(Protocol):
    """What samplers, sigma schedules and model calls ask of a model's training noise."""

    @property
    def timesteps(self) -> int:
        """Number of training timesteps, T; a timestep is 0 .. T - 1."""

    @property
    def sigma_min(self) -> float:
        """Sigma of the smallest timestep."""

    @property
    def sigma_max(self) -> float:
        """Sigma of the largest timestep."""

    @property
    def lowest(self) -> float:
        """The timestep at which schedules of even timesteps (`normal`, `sgm_uniform`) end."""

    def sigma(self, timestep: float) -> float:
        """Noise level at a timestep; between whole timesteps, interpolated."""

    def timestep(self, sigma: float) -> float:
        """The inverse, clamped to the training range; a whole number for the sigma of a whole timestep."""

    def model_time(self, sigma: float) -> float:
        """What the network is told about the noise level."""


@dataclass(frozen=True)
class BetaSchedule:
    """A table of betas (Ho et al. 2020), seen as sigmas: sigma = sqrt((1 - abar) / abar), abar the product of 1 - beta.

    The table is float32, computed as diffusers computes it. Between timesteps log sigma is linear, as in k-diffusion.
    """

    betas: tuple[float, ...]
    zero_terminal: bool = False
    """Rescaled so that the last timestep is pure noise (Lin et al. 2023, arXiv:2305.08891, algorithm 1)."""

    @classmethod
    def linear(cls, start: float, end: float, timesteps: int = 1000) -> BetaSchedule:
        """Betas from `start` to `end` in equal steps."""
        return cls(tuple(torch.linspace(start, end, timesteps, dtype=torch.float32).tolist()))

    @classmethod
    def scaled_linear(cls, start: float, end: float, timesteps: int = 1000) -> BetaSchedule:
        """Square roots of the betas in equal steps, as in Stable Diffusion."""
        roots = torch.linspace(start**0.5, end**0.5, timesteps, dtype=torch.float32)
        return cls(tuple((roots**2).tolist()))

    @classmethod
    def cosine(cls, timesteps: int = 1000, largest: float = 0.999) -> BetaSchedule:
        """Nichol & Dhariwal 2021 (arXiv:2102.09672), equation 17."""

        def abar(time: float) -> float:
            return math.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2

        betas = [min(1 - abar((i + 1) / timesteps) / abar(i / timesteps), largest) for i in range(timesteps)]
        return cls(tuple(torch.tensor(betas, dtype=torch.float32).tolist()))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> BetaSchedule:
        """From a diffusers scheduler_config.json. Raises ValueRefused for a curve that we do not know."""
        zero = bool(config.get("rescale_betas_zero_snr", False))
        if (trained := config.get("trained_betas")) is not None:
            return cls(tuple(torch.tensor(trained, dtype=torch.float32).tolist()), zero)
        steps = int(config.get("num_train_timesteps", 1000))
        start, end = float(config.get("beta_start", 0.0001)), float(config.get("beta_end", 0.02))
        curve = config.get("beta_schedule", "linear")
        match curve:
            case "linear":
                table = cls.linear(start, end, steps)
            case "scaled_linear":
                table = cls.scaled_linear(start, end, steps)
            case "squaredcos_cap_v2":
                table = cls.cosine(steps)
            case _:
                raise ValueRefused(
                    f"The beta schedule '{curve}' is not known.", mend=f"Known: {', '.join(BETA_CURVES)}."
                )
        return cls(table.betas, zero)

    @cached_property
    def sigmas(self) -> NDArray[np.float32]:
        """(T,) sigma of every timestep, rising."""
        abar = torch.cumprod(1.0 - torch.tensor(self.betas, dtype=torch.float32), dim=0)
        if self.zero_terminal:
            roots = abar.sqrt()
            first, last = roots[0].clone(), roots[-1].clone()
            roots = (roots - last) * (first / (first - last))
            # A true zero would be an infinite sigma; the last timestep gets the level diffusers gives it.
            abar = torch.cumprod(torch.cat([roots[:1] ** 2, roots[1:] ** 2 / roots[:-1] ** 2]), dim=0)
            abar[-1] = 2**-24
        table: NDArray[np.float32] = (((1 - abar) / abar) ** 0.5).numpy()
        return table

    @cached_property
    def _logs(self) -> NDArray[np.float64]:
        return np.log(self.sigmas.astype(np.float64))

    @property
    def timesteps(self) -> int:
        return len(self.betas)

    @property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    @property
    def lowest(self) -> float:
        return 0.0

    def sigma(self, timestep: float) -> float:
        if timestep == int(timestep):
            return float(self.sigmas[int(timestep)])
        return float(np.exp(np.interp(timestep, np.arange(self.timesteps), self._logs)))

    def timestep(self, sigma: float) -> float:
        if sigma <= 0:
            return 0.0
        place = int(np.searchsorted(self.sigmas, np.float32(sigma)))
        if place < self.timesteps and self.sigmas[place] == np.float32(sigma):
            return float(place)
        return float(np.interp(math.log(sigma), self._logs, np.arange(self.timesteps)))

    def model_time(self, sigma: float) -> float:
        return self.timestep(sigma)


@dataclass(frozen=True)
class FlowSchedule:
    """Flow matching: sigma is the time itself, moved towards noise by `shift` (Esser et al. 2024, arXiv:2403.03206, equation 23).

    sigma = shift u / (1 + (shift - 1) u) with u = (timestep + 1) / T, so that T timesteps reach from 1/T to 1. The network is
    called with sigma T.
    """

    shift: float = 1.0
    timesteps: int = 1000

    @classmethod
    def from_config(cls, config: Mapping[str, Any], tokens: int) -> FlowSchedule:
        """From a diffusers scheduler_config.json. A shift that depends on the picture's size is taken at `tokens` image tokens."""
        timesteps = int(config.get("num_train_timesteps", 1000))
        if not config.get("use_dynamic_shifting", False):
            return cls(float(config.get("shift", config.get("flow_shift", 1.0))), timesteps)
        least, most = int(config.get("base_image_seq_len", 256)), int(config.get("max_image_seq_len", 4096))
        low, high = float(config.get("base_shift", 0.5)), float(config.get("max_shift", 1.15))
        mu = low + (high - low) * (tokens - least) / (most - least)
        return cls(mu if config.get("time_shift_type") == "linear" else math.exp(mu), timesteps)

    @property
    def sigma_min(self) -> float:
        return self.sigma(0)

    @property
    def sigma_max(self) -> float:
        return 1.0

    @property
    def lowest(self) -> float:
        """Not 0: ComfyUI and diffusers take the smallest sigma, which is shifted already, for a time that is to be shifted."""
        return self.sigma_min * self.timesteps - 1

    def sigma(self, timestep: float) -> float:
        time = (timestep + 1) / self.timesteps
        return self.shift * time / (1 + (self.shift - 1) * time)

    def timestep(self, sigma: float) -> float:
        time = sigma / (self.shift + (1 - self.shift) * sigma)
        return min(max(time * self.timesteps - 1, 0.0), float(self.timesteps - 1))

    def model_time(self, sigma: float) -> float:
        return sigma * self.timesteps
