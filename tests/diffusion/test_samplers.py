"""Samplers against their references, and resuming them at every step."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import diffusers
import pytest
import torch
from torch import Tensor

from studio.diffusion import schedules
from studio.diffusion.foreign import Foreign
from studio.diffusion.noise import NoiseSource
from studio.diffusion.noise_schedule import BetaSchedule, FlowSchedule, NoiseSchedule
from studio.diffusion.process import EXPLODING, FLOW, NoisingProcess
from studio.diffusion.samplers import SAMPLERS, sampler
from studio.diffusion.step import Denoiser, StepState
from studio.graph.errors import ValueRefused
from tests.diffusion.analytic import blobs, distance, start_at

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning"),
]

NOISE = BetaSchedule.scaled_linear(0.00085, 0.012)
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
KARRAS = {**BETAS, "use_karras_sigmas": True}
TRAILING = {**BETAS, "timestep_spacing": "trailing"}
ABOVE_ZERO = {**TRAILING, "final_sigmas_type": "sigma_min"}
"""Diffusers' bh1 divides 0 by 0 in a step to sigma 0."""
STEPS = 20
STARTS = {EXPLODING: schedules.sigmas("karras", NOISE, 8), FLOW: schedules.sigmas("simple", FlowSchedule(3.0), 8)}


def last(
    name: str, start: StepState, sigmas: Sequence[float], process: NoisingProcess = EXPLODING, **options: Foreign
) -> Tensor:
    *_, state = sampler(name).run(blobs(process), start, sigmas, process, **options)
    return state.latent


# --- references -------------------------------------------------------------------------------------------------


def drive(scheduler: Foreign, denoise: Denoiser, *, scaled: bool, seed: int = 3) -> Tensor:
    """A diffusers scheduler through all of its steps. `scaled`: it works on x / sqrt(1 + sigma^2)."""
    generator = torch.Generator().manual_seed(seed)
    first = float(scheduler.sigmas[0])
    x = torch.randn(1, 4, 6, 6, generator=generator) * first
    if scaled:
        x = x / math.sqrt(first**2 + 1)
    takes_generator = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    for time in scheduler.timesteps:
        scheduler.scale_model_input(x, time)
        if scheduler.step_index is None:
            scheduler._init_step_index(time)
        between = hasattr(scheduler, "sigmas_interpol") and not scheduler.state_in_first_order
        levels = scheduler.sigmas_interpol if between else scheduler.sigmas
        ancestral = hasattr(scheduler, "sigmas_up")
        sigma = float(levels[scheduler.step_index - (1 if between and ancestral else 0)])
        seen = x * math.sqrt(sigma**2 + 1) if scaled else x
        noise = ((seen.double() - denoise(seen, sigma)) / sigma).float()
        x = scheduler.step(noise, time, x, **takes_generator).prev_sample
    return x * math.sqrt(float(scheduler.sigmas[-1]) ** 2 + 1) if scaled else x


def levels_of(scheduler: Foreign) -> tuple[float, ...]:
    """A scheduler's sigmas, every one once."""
    return tuple(dict.fromkeys(float(sigma) for sigma in scheduler.sigmas))


SINGLE = [
    ("euler", "EulerDiscreteScheduler", KARRAS, False, {}),
    ("euler_ancestral", "EulerAncestralDiscreteScheduler", TRAILING, False, {}),
    ("heun", "HeunDiscreteScheduler", KARRAS, False, {}),
    ("dpm_2", "KDPM2DiscreteScheduler", KARRAS, False, {}),
    ("dpm_2_ancestral", "KDPM2AncestralDiscreteScheduler", KARRAS, False, {}),
    ("lms", "LMSDiscreteScheduler", KARRAS, False, {}),
    ("dpmpp_2m", "DPMSolverMultistepScheduler", KARRAS, True, {}),
    ("dpmpp_2m_sde", "DPMSolverMultistepScheduler", {**KARRAS, "algorithm_type": "sde-dpmsolver++"}, True, {}),
    ("uni_pc", "UniPCMultistepScheduler", {**ABOVE_ZERO, "solver_type": "bh1", "solver_order": 3}, True, {}),
    ("uni_pc_bh2", "UniPCMultistepScheduler", {**KARRAS, "solver_type": "bh2", "solver_order": 3}, True, {}),
    ("uni_pc_bh2", "UniPCMultistepScheduler", {**KARRAS, "solver_type": "bh2", "solver_order": 2}, True, {"order": 2}),
    ("deis", "DEISMultistepScheduler", {**KARRAS, "solver_order": 3}, True, {}),
    ("deis", "DEISMultistepScheduler", {**TRAILING, "solver_order": 2}, True, {"order": 2}),
    ("sa_solver", "SASolverScheduler", TRAILING, True, {}),
]


@pytest.mark.parametrize(
    ("name", "kind", "config", "scaled", "options"), SINGLE, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_sampler_agrees_with_diffusers(
    name: str, kind: str, config: dict[str, Foreign], scaled: bool, options: dict[str, Foreign]
) -> None:
    scheduler = getattr(diffusers, kind)(**config)
    scheduler.set_timesteps(STEPS)
    theirs = drive(scheduler, blobs(), scaled=scaled)
    sigmas = levels_of(scheduler)
    assert distance(last(name, start_at(sigmas[0]), sigmas, **options), theirs) < 1e-5


@pytest.mark.parametrize(
    ("name", "kind", "config"),
    [
        ("ddim", "DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": True}),
        ("ddpm", "DDPMScheduler", {"clip_sample": False}),
        ("lcm", "LCMScheduler", {"clip_sample": False, "original_inference_steps": 50}),
    ],
)
def test_a_sampler_of_whole_timesteps_agrees_with_diffusers(name: str, kind: str, config: dict[str, Foreign]) -> None:
    scheduler = getattr(diffusers, kind)(**BETAS, **config, timestep_spacing="trailing")
    scheduler.set_timesteps(STEPS)
    sigmas = (*(NOISE.sigma(int(time)) for time in scheduler.timesteps), 0.0)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 4, 6, 6, generator=generator) * (sigmas[0] / math.sqrt(sigmas[0] ** 2 + 1))
    for sigma, time in zip(sigmas, scheduler.timesteps, strict=False):
        seen = x * math.sqrt(sigma**2 + 1)
        noise = ((seen.double() - blobs()(seen, sigma)) / sigma).float()
        x = scheduler.step(noise, time, x, generator=generator).prev_sample
    assert distance(last(name, start_at(sigmas[0]), sigmas), x) < 2e-5


def test_tcd_agrees_with_diffusers() -> None:
    scheduler = diffusers.TCDScheduler(**BETAS, original_inference_steps=50)
    scheduler.set_timesteps(STEPS)
    # Diffusers ends at timestep 0, whose sigma is not 0.
    sigmas = (*(NOISE.sigma(int(time)) for time in scheduler.timesteps), NOISE.sigma(0))
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 4, 6, 6, generator=generator) * (sigmas[0] / math.sqrt(sigmas[0] ** 2 + 1))
    for sigma, time in zip(sigmas, scheduler.timesteps, strict=False):
        seen = x * math.sqrt(sigma**2 + 1)
        noise = ((seen.double() - blobs()(seen, sigma)) / sigma).float()
        x = scheduler.step(noise, time, x, generator=generator).prev_sample
    ours = last("tcd", start_at(sigmas[0]), sigmas)
    assert distance(ours, x * math.sqrt(sigmas[-1] ** 2 + 1)) < 1e-5


def test_plms_agrees_with_diffusers() -> None:
    scheduler = diffusers.PNDMScheduler(**BETAS, skip_prk_steps=True, set_alpha_to_one=True, steps_offset=1)
    scheduler.set_timesteps(STEPS)
    sigmas = schedules.sigmas("leading", NOISE, STEPS)
    x = start_at(sigmas[0]).latent / math.sqrt(sigmas[0] ** 2 + 1)
    for time in scheduler.timesteps:
        sigma = NOISE.sigma(int(time))
        seen = x * math.sqrt(sigma**2 + 1)
        x = scheduler.step((seen - blobs()(seen, sigma)) / sigma, time, x).prev_sample
    assert distance(last("plms", start_at(sigmas[0]), sigmas), x) < 1e-5


def test_ipndm_agrees_with_diffusers() -> None:
    sigmas = schedules.sigmas("karras", NOISE, STEPS)
    scheduler = diffusers.IPNDMScheduler()
    scheduler.set_timesteps(STEPS)
    levels = torch.tensor(sigmas, dtype=torch.float64)
    scheduler.alphas, scheduler.betas = 1 / (levels**2 + 1).sqrt(), levels / (levels**2 + 1).sqrt()
    x = start_at(sigmas[0]).latent * scheduler.alphas[0]
    for sigma, alpha, beta, time in zip(sigmas, scheduler.alphas, scheduler.betas, scheduler.timesteps, strict=False):
        noise = (x / alpha - blobs()(x / alpha, sigma)) / sigma
        x = scheduler.step((noise - beta * x) / alpha, time, x).prev_sample
    assert distance(last("ipndm", start_at(sigmas[0]), sigmas), x) < 1e-6


def test_sde_ve_agrees_with_diffusers() -> None:
    scheduler = diffusers.ScoreSdeVeScheduler()
    scheduler.set_timesteps(STEPS)
    scheduler.set_sigmas(STEPS, sigma_min=0.03, sigma_max=14.0)
    sigmas = (*(float(sigma) for sigma in scheduler.discrete_sigmas.flip(0)), 0.0)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 4, 6, 6, generator=generator) * sigmas[0]
    mean = x
    # The middle of a step in their time: at its ends, rounding decides to which step it belongs.
    for i, sigma in enumerate(sigmas[:-1]):
        time = (STEPS - 1 - i + 0.5) / (STEPS - 1)
        score = ((blobs()(x, sigma) - x.double()) / sigma**2).float()
        x = scheduler.step_correct(score, x, generator=generator).prev_sample
        score = ((blobs()(x, sigma) - x.double()) / sigma**2).float()
        x, mean = scheduler.step_pred(score, time, x, generator=generator, return_dict=False)
    assert distance(last("sde_ve", start_at(sigmas[0]), sigmas), mean) < 1e-5


@pytest.mark.parametrize(
    ("name", "kind", "config"),
    [
        ("euler", "FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
        ("heun", "FlowMatchHeunDiscreteScheduler", {"shift": 3.0}),
        ("lcm", "FlowMatchLCMScheduler", {"shift": 3.0}),
        (
            "dpmpp_2m",
            "DPMSolverMultistepScheduler",
            {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0},
        ),
        (
            "uni_pc_bh2",
            "UniPCMultistepScheduler",
            {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0},
        ),
        (
            "deis",
            "DEISMultistepScheduler",
            {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0, "solver_order": 3},
        ),
        (
            "sa_solver",
            "SASolverScheduler",
            {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0},
        ),
    ],
)
def test_a_sampler_agrees_with_diffusers_on_a_flow_model(name: str, kind: str, config: dict[str, Foreign]) -> None:
    scheduler = getattr(diffusers, kind)(**config)
    scheduler.set_timesteps(STEPS)
    if scheduler.sigmas[-1] == scheduler.sigmas[-2]:
        scheduler.sigmas[-1] /= 2  # their last step has no length
    sigmas = levels_of(scheduler)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 4, 6, 6, generator=generator) * sigmas[0]
    takes_generator = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    for time in scheduler.timesteps:
        if scheduler.step_index is None:
            scheduler._init_step_index(time)
        sigma = float(scheduler.sigmas[scheduler.step_index])
        velocity = ((x.double() - blobs(FLOW)(x, sigma)) / sigma).float()
        x = scheduler.step(velocity, time, x, **takes_generator).prev_sample
    options = {"order": 2} if name == "uni_pc_bh2" else {}
    # Theirs divides by 1 - 0.9997 in single precision.
    tolerance = 3e-5 if name in ("deis", "sa_solver") else 1e-5
    assert distance(last(name, start_at(sigmas[0]), sigmas, FLOW, **options), x) < tolerance


def split(high: float, low: float) -> tuple[float, float]:
    """k-diffusion's ancestral step with eta 1."""
    up = min(low, math.sqrt(low**2 * (high**2 - low**2) / high**2))
    return math.sqrt(low**2 - up**2), up


def reference_2s_ancestral(denoise: Denoiser, x: Tensor, sigmas: Sequence[float], source: NoiseSource) -> Tensor:
    """k-diffusion, sample_dpmpp_2s_ancestral."""
    for high, low in pairwise(sigmas):
        denoised = denoise(x, high)
        down, up = split(high, low)
        if down == 0:
            x = x + (x - denoised) / high * (down - high)
        else:
            t, t_next = -math.log(high), -math.log(down)
            h = t_next - t
            s = t + h / 2
            second = denoise(math.exp(-s) / math.exp(-t) * x - math.expm1(-h / 2) * denoised, math.exp(-s))
            x = math.exp(-t_next) / math.exp(-t) * x - math.expm1(-h) * second
        if low > 0:
            x = x + source.draw(x) * up
    return x


def reference_sde(denoise: Denoiser, x: Tensor, sigmas: Sequence[float], source: NoiseSource) -> Tensor:
    """k-diffusion, sample_dpmpp_sde with r = 1/2; its Brownian tree written out as two increments."""
    for high, low in pairwise(sigmas):
        denoised = denoise(x, high)
        if low == 0:
            x = denoised
            continue
        t, t_next = -math.log(high), -math.log(low)
        s = (t + t_next) / 2
        middle = math.exp(-s)
        first, second = source.draw(x), source.draw(x)
        walk = first * math.sqrt(high - middle)
        whole = (walk + second * math.sqrt(middle - low)) / math.sqrt(high - low)
        down, up = split(high, middle)
        x_2 = down / high * x - math.expm1(t + math.log(down)) * denoised + first * up
        denoised_2 = denoise(x_2, middle)
        down, up = split(high, low)
        x = down / high * x - math.expm1(t + math.log(down)) * denoised_2 + whole * up
    return x


def reference_3m_sde(denoise: Denoiser, x: Tensor, sigmas: Sequence[float], source: NoiseSource) -> Tensor:
    """k-diffusion, sample_dpmpp_3m_sde with eta 1."""
    denoised_1 = denoised_2 = x
    h_1 = h_2 = None
    for high, low in pairwise(sigmas):
        denoised = denoise(x, high)
        if low == 0:
            return denoised
        h = math.log(high) - math.log(low)
        h_eta = 2 * h
        x = math.exp(-h_eta) * x - math.expm1(-h_eta) * denoised
        phi_2 = math.expm1(-h_eta) / h_eta + 1
        if h_1 is not None and h_2 is not None:
            r0, r1 = h_1 / h, h_2 / h
            d1_0, d1_1 = (denoised - denoised_1) / r0, (denoised_1 - denoised_2) / r1
            d1 = d1_0 + (d1_0 - d1_1) * r0 / (r0 + r1)
            d2 = (d1_0 - d1_1) / (r0 + r1)
            x = x + phi_2 * d1 - (phi_2 / h_eta - 0.5) * d2
        elif h_1 is not None:
            x = x + phi_2 * (denoised - denoised_1) / (h_1 / h)
        x = x + source.draw(x) * low * math.sqrt(-math.expm1(-2 * h))
        denoised_1, denoised_2 = denoised, denoised_1
        h_1, h_2 = h, h_1
    return x


def reference_res(denoise: Denoiser, x: Tensor, sigmas: Sequence[float], source: NoiseSource) -> Tensor:
    """Zhang et al. 2023: the second-order multistep step, with phi functions, in t = -log sigma."""
    older, past = x, 0.0
    for i, (high, low) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, high)
        if low == 0:
            return denoised
        h = math.log(high) - math.log(low)
        phi_1 = (1 - math.exp(-h)) / h
        phi_2 = (math.exp(-h) - 1 + h) / h**2
        if i == 0:
            x = math.exp(-h) * x + h * phi_1 * denoised
        else:
            c_2 = -past / h
            x = math.exp(-h) * x + h * ((phi_1 - phi_2 / c_2) * denoised + phi_2 / c_2 * older)
        older, past = denoised, h
    return x


def reference_er_sde(denoise: Denoiser, x: Tensor, sigmas: Sequence[float], source: NoiseSource) -> Tensor:
    """Cui et al. 2023, algorithm 3; the integrals by the midpoint rule."""

    def phi(level: Tensor) -> Tensor:
        return level * (torch.exp(level**0.3) + 10)

    def scalar(level: float) -> float:
        return float(phi(torch.tensor(level, dtype=torch.float64)))

    known: list[Tensor] = []
    slopes: list[Tensor] = []
    for i, (high, low) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, high)
        if low == 0:
            return denoised
        ratio, move, parts = scalar(low) / scalar(high), low - high, 20_000
        at = low + (torch.arange(parts, dtype=torch.float64) + 0.5) * (-move / parts)
        x = ratio * x + (1 - ratio) * denoised
        if i > 0:
            slopes.append((denoised - known[-1]) / (high - sigmas[i - 1]))
            x = x + (move + float((1 / phi(at)).sum()) * -move / parts * scalar(low)) * slopes[-1]
        if i > 1:
            bend = (slopes[-1] - slopes[-2]) / ((high - sigmas[i - 2]) / 2)
            x = x + (move**2 / 2 + float(((at - high) / phi(at)).sum()) * -move / parts * scalar(low)) * bend
        x = x + source.draw(x) * math.sqrt(low**2 - high**2 * ratio**2)
        known.append(denoised)
    return x


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("dpmpp_2s_ancestral", reference_2s_ancestral),
        ("dpmpp_sde", reference_sde),
        ("dpmpp_3m_sde", reference_3m_sde),
        ("res_multistep", reference_res),
        ("er_sde", reference_er_sde),
    ],
)
def test_a_sampler_follows_its_equations(name: str, reference: Foreign) -> None:
    sigmas = schedules.sigmas("karras", NOISE, STEPS)
    start = start_at(sigmas[0])
    assert start.rng is not None
    theirs = reference(blobs(), start.latent, sigmas, NoiseSource.resumed(start.rng))
    assert distance(last(name, start, sigmas), theirs) < 1e-6


def dpm_step(eps: Denoiser, x: Tensor, t: float, t_next: float, order: int, r1: float) -> Tensor:
    """One step of DPM-Solver (Lu et al. 2022, algorithms 1 and 2), as k-diffusion writes it: t = -log sigma."""
    h, e = t_next - t, math.exp
    first = eps(x, e(-t))
    if order == 1:
        return x - e(-t_next) * math.expm1(h) * first
    s1 = t + r1 * h
    u1 = x - e(-s1) * math.expm1(r1 * h) * first
    second = eps(u1, e(-s1))
    if order == 2:
        return x - e(-t_next) * math.expm1(h) * (first + (second - first) / (2 * r1))
    s2 = t + 2 / 3 * h
    bend = math.expm1(2 / 3 * h) / (2 / 3 * h) - 1
    u2 = x - e(-s2) * (math.expm1(2 / 3 * h) * first + 2 * bend * (second - first))
    third = eps(u2, e(-s2))
    return x - e(-t_next) * (math.expm1(h) * first + 1.5 * (math.expm1(h) / h - 1) * (third - first))


def slopes_of(denoise: Denoiser) -> Denoiser:
    return lambda x, sigma: (x - denoise(x, sigma)) / sigma


DIFFERENTIAL = [(NOISE, EXPLODING), (FlowSchedule(3.0), FLOW)]


@pytest.mark.parametrize(("noise", "process"), DIFFERENTIAL, ids=["eps", "flow"])
@pytest.mark.parametrize("steps", [20, 21, 22])
def test_dpm_fast_is_that_of_k_diffusion(noise: NoiseSchedule, process: NoisingProcess, steps: int) -> None:
    sigmas = schedules.sigmas("simple", noise, steps)[:-1]  # where it ends with k-diffusion
    calls, orders = len(sigmas) - 1, [3] * 6 + {19: [1], 20: [2], 21: [2, 1]}[len(sigmas) - 1]
    assert sum(orders) == calls
    ends = torch.linspace(-math.log(sigmas[0]), -math.log(sigmas[-1]), len(orders) + 1, dtype=torch.float64).tolist()
    x = start_at(sigmas[0]).latent
    for order, t, t_next in zip(orders, ends, ends[1:], strict=False):
        x = dpm_step(slopes_of(blobs(process)), x, t, t_next, order, 1 / 2 if order == 2 else 1 / 3)
    assert distance(last("dpm_fast", start_at(sigmas[0]), sigmas, process), x) < 1e-9
    to_zero = last("dpm_fast", start_at(sigmas[0]), (*sigmas, 0.0), process)
    assert distance(to_zero, blobs(process)(x, sigmas[-1])) < 1e-9


@pytest.mark.parametrize(("noise", "process"), DIFFERENTIAL, ids=["eps", "flow"])
def test_dpm_adaptive_is_that_of_k_diffusion(noise: NoiseSchedule, process: NoisingProcess) -> None:
    sigmas = schedules.sigmas("simple", noise, STEPS)[:-1]
    eps = slopes_of(blobs(process))
    x = before = start_at(sigmas[0]).latent
    t, end, h = -math.log(sigmas[0]), -math.log(sigmas[-1]), 0.05
    accepted, tried = [], 0
    while t < end - 1e-5:
        tried += 1
        t_next = min(end, t + h)
        low, high = (dpm_step(eps, x, t, t_next, order, 1 / 3) for order in (2, 3))
        delta = torch.maximum(torch.tensor(0.0078), 0.05 * torch.maximum(low.abs(), before.abs()))
        error = float(torch.linalg.norm((low - high) / delta)) / x.numel() ** 0.5
        factor = 1 + math.atan((1 / (error + 1e-8)) ** (1 / 3) - 1)
        h *= factor
        if factor >= 0.81:
            before, x, t = low, high, t_next
            accepted.append(math.exp(-t))
    assert tried > len(accepted) or process is FLOW, "a step was refused"
    states = list(sampler("dpm_adaptive").run(blobs(process), start_at(sigmas[0]), sigmas, process))
    assert [state.sigma for state in states] == pytest.approx(accepted, rel=1e-5)
    assert distance(states[-1].latent, x) < 1e-6


def test_dpm_adaptive_takes_the_ends_of_a_schedule_only_and_tells_its_steps_better_and_better() -> None:
    found = sampler("dpm_adaptive")
    few, many = (schedules.sigmas("exponential", NOISE, steps) for steps in (3, 50))
    short, long = (list(found.run(blobs(), start_at(sigmas[0]), sigmas)) for sigmas in (few, many))
    assert torch.equal(short[-1].latent, long[-1].latent)
    assert short[-1].sigma == 0
    told = [found.steps(state, few) for state in short]
    assert told[-1] == told[-2] == len(short)
    assert all(state.index < of for state, of in zip(short[:-1], told, strict=False))
    assert found.steps(start_at(few[0]), few) > len(short), "at first, as many as steps of the first length"


def test_dpm_adaptive_ends_even_on_noise() -> None:
    """A network that says something else at every call cannot be followed; numbers that are none are told at once."""
    generator = torch.Generator().manual_seed(0)

    def wild(x: Tensor, sigma: float) -> Tensor:
        return torch.randn(x.shape, generator=generator, dtype=x.dtype) * 50

    sigmas = (1.0, 0.7, 0.0)
    assert last_of(wild, sigmas).index < 1000
    assert not torch.isfinite(last_of(lambda x, sigma: x * math.nan, sigmas).latent).any()


def last_of(denoise: Denoiser, sigmas: Sequence[float]) -> StepState:
    *_, state = sampler("dpm_adaptive").run(denoise, start_at(sigmas[0]), sigmas)
    return state


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("process", [EXPLODING, FLOW], ids=lambda process: process.name)
def test_every_sampler_ends_at_pictures_that_exist(name: str, process: NoisingProcess) -> None:
    sigmas = schedules.sigmas("simple", NOISE if process is EXPLODING else FlowSchedule(3.0), 40)
    found = last(name, start_at(sigmas[0], batch=3), sigmas, process)
    assert torch.isfinite(found).all()
    assert float((found.abs() - 1.5).abs().mean()) < 0.45
    assert 0.2 < float((found > 0).double().mean()) < 0.8


def test_higher_order_comes_closer_with_the_same_steps() -> None:
    fine = schedules.sigmas("karras", NOISE, 1000)
    true = last("heun", start_at(fine[0]), fine)
    coarse = schedules.sigmas("karras", NOISE, 25)
    error = {
        name: distance(last(name, start_at(coarse[0]), coarse), true)
        for name in ("euler", "dpmpp_2m", "heun", "uni_pc_bh2", "deis", "res_multistep")
    }
    assert max(error.values()) == error["euler"]
    assert all(found < error["euler"] / 3 for name, found in error.items() if name != "euler")


# --- resuming ----------------------------------------------------------------------------------------------------


def equal(one: StepState, other: StepState) -> bool:
    tensors = zip((one.latent, one.denoised, *one.memory), (other.latent, other.denoised, *other.memory), strict=True)
    rng = one.rng is not None and other.rng is not None and torch.equal(one.rng, other.rng)
    return one.index == other.index and one.sigma == other.sigma and rng and all(torch.equal(a, b) for a, b in tensors)


@pytest.mark.parametrize("process", [EXPLODING, FLOW], ids=lambda process: process.name)
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_run_resumed_at_any_step_is_the_unbroken_run(name: str, process: NoisingProcess) -> None:
    sigmas = STARTS[process]
    run, denoise = sampler(name).run, blobs(process)
    states = list(run(denoise, start_at(sigmas[0], batch=2), sigmas, process))
    steps = sampler(name).steps(states[-1], sigmas)
    assert [state.index for state in states] == list(range(1, steps + 1))
    levels = sampler(name).levels or (lambda given: given)
    assert sampler(name).adaptive or [state.sigma for state in states] == list(levels(sigmas)[1:])
    assert all(high.sigma > low.sigma for high, low in pairwise(states))
    assert states[-1].sigma == sigmas[-1]
    for state in states[:-1]:
        assert sampler(name).passes(state, sigmas)
        # a branch in between that goes elsewhere must not disturb it
        list(run(lambda x, sigma: denoise(x, sigma) + 1, state, sigmas, process))
        rest = list(run(denoise, state, sigmas, process))
        assert all(equal(one, other) for one, other in zip(states[state.index :], rest, strict=True))


@pytest.mark.parametrize("name", [name for name, found in SAMPLERS.items() if found.stochastic])
def test_a_stochastic_sampler_follows_its_seed(name: str) -> None:
    sigmas = STARTS[EXPLODING]
    start = start_at(sigmas[0])
    other = replace(start, rng=NoiseSource.seeded(99, 1).state)
    assert not torch.equal(last(name, start, sigmas), last(name, other, sigmas))
    with pytest.raises(ValueRefused, match="random"):
        last(name, replace(start, rng=None), sigmas)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_registry_says_how_often_the_network_is_called(name: str) -> None:
    calls = 0

    def counted(x: Tensor, sigma: float) -> Tensor:
        nonlocal calls
        calls += 1
        return blobs()(x, sigma)

    states = list(sampler(name).run(counted, start_at(STARTS[EXPLODING][0]), STARTS[EXPLODING]))
    if sampler(name).adaptive:
        assert calls > len(states) * sampler(name).calls / 2
        return
    steps = len(STARTS[EXPLODING]) - 1
    usual = steps * sampler(name).calls
    assert calls in ((usual + 1,) if name == "plms" else (usual, usual - (sampler(name).calls - 1)))


@pytest.mark.parametrize("name", [name for name, found in SAMPLERS.items() if found.on_noise])
def test_a_sampler_of_timesteps_takes_the_models_own(name: str) -> None:
    sigmas = STARTS[EXPLODING]
    own = sampler(name).for_model(BetaSchedule.linear(0.0001, 0.02))
    *_, usual = sampler(name).run(blobs(), start_at(sigmas[0]), sigmas)
    *_, of_model = own(blobs(), start_at(sigmas[0]), sigmas)
    *_, same = sampler(name).for_model(NOISE)(blobs(), start_at(sigmas[0]), sigmas)
    assert torch.equal(usual.latent, same.latent)
    assert not torch.equal(usual.latent, of_model.latent)


def test_an_unknown_sampler_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueRefused, match="euler_ancestral"):
        sampler("eule")
