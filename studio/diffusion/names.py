"""The names that other programs give to samplers and schedules: A1111 and Forge, InvokeAI, diffusers, and older ones of ComfyUI.

ComfyUI's own names are ours. A name that stands for another method (`euler_cfg_pp`, `dpmpp_2m_sde_heun`, `ipndm_v`) is in no table: it
is refused rather than replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from studio.diffusion.samplers import Sampler, sampler
from studio.diffusion.schedules import SCHEDULES
from studio.graph.errors import ValueRefused

_A1111: Final = {
    "Euler": "euler",
    "Euler a": "euler_ancestral",
    "Heun": "heun",
    "DPM2": "dpm_2",
    "DPM2 a": "dpm_2_ancestral",
    "LMS": "lms",
    "DPM++ 2M": "dpmpp_2m",
    "DPM++ 2S a": "dpmpp_2s_ancestral",
    "DPM++ SDE": "dpmpp_sde",
    "DPM++ 2M SDE": "dpmpp_2m_sde",
    "DPM++ 3M SDE": "dpmpp_3m_sde",
    "DPM fast": "dpm_fast",
    "DPM adaptive": "dpm_adaptive",
    "DDIM": "ddim",
    "DDPM": "ddpm",
    "PLMS": "plms",
    "UniPC": "uni_pc",
    "LCM": "lcm",
    "TCD": "tcd",
    "DEIS": "deis",
    "SA-Solver": "sa_solver",
    "Res Multistep": "res_multistep",
    "ER SDE": "er_sde",
}
_INVOKE: Final = {
    "euler": "euler",
    "heun": "heun",
    "kdpm_2": "dpm_2",
    "kdpm_2_a": "dpm_2_ancestral",
    "lms": "lms",
    "dpmpp_2m": "dpmpp_2m",
    "dpmpp_2m_sde": "dpmpp_2m_sde",
    "dpmpp_3m": "dpmpp_3m_sde",
    "dpmpp_sde": "dpmpp_sde",
    "deis": "deis",
    "unipc": "uni_pc_bh2",
}
"""Each also with `_k` behind it, for the schedule of Karras."""
_OTHER: Final = {
    "euler_a": "euler_ancestral",
    "pndm": "plms",
    "dpmpp_sde_gpu": "dpmpp_sde",
    "dpmpp_2m_sde_gpu": "dpmpp_2m_sde",
    "dpmpp_3m_sde_gpu": "dpmpp_3m_sde",
    "k_euler": "euler",
    "k_euler_a": "euler_ancestral",
    "k_euler_ancestral": "euler_ancestral",
    "k_heun": "heun",
    "k_lms": "lms",
    "k_dpm_2": "dpm_2",
    "k_dpm_2_a": "dpm_2_ancestral",
    "k_dpm_2_ancestral": "dpm_2_ancestral",
    "k_dpm_fast": "dpm_fast",
    "k_dpm_adaptive": "dpm_adaptive",
    "k_dpmpp_2m": "dpmpp_2m",
    "k_dpmpp_2s_ancestral": "dpmpp_2s_ancestral",
    "k_dpmpp_sde": "dpmpp_sde",
    "EulerDiscreteScheduler": "euler",
    "EulerAncestralDiscreteScheduler": "euler_ancestral",
    "FlowMatchEulerDiscreteScheduler": "euler",
    "HeunDiscreteScheduler": "heun",
    "FlowMatchHeunDiscreteScheduler": "heun",
    "KDPM2DiscreteScheduler": "dpm_2",
    "KDPM2AncestralDiscreteScheduler": "dpm_2_ancestral",
    "LMSDiscreteScheduler": "lms",
    "DPMSolverMultistepScheduler": "dpmpp_2m",
    "DPMSolverSDEScheduler": "dpmpp_sde",
    "DDIMScheduler": "ddim",
    "DDPMScheduler": "ddpm",
    "PNDMScheduler": "plms",
    "IPNDMScheduler": "ipndm",
    "UniPCMultistepScheduler": "uni_pc_bh2",
    "DEISMultistepScheduler": "deis",
    "LCMScheduler": "lcm",
    "TCDScheduler": "tcd",
    "SASolverScheduler": "sa_solver",
    "ScoreSdeVeScheduler": "sde_ve",
}

SCHEDULE_ALIASES: Final[Mapping[str, str]] = {
    "Normal": "normal",
    "Uniform": "normal",
    "Karras": "karras",
    "Exponential": "exponential",
    "SGM Uniform": "sgm_uniform",
    "Simple": "simple",
    "DDIM": "ddim_uniform",
    "Beta": "beta",
    "Linear Quadratic": "linear_quadratic",
    "KL Optimal": "kl_optimal",
    "Align Your Steps": "align_your_steps",
    "ays": "align_your_steps",
}
"""Another program's name to ours."""


def _aliases() -> Iterator[tuple[str, tuple[str, str]]]:
    for alias, name in (*_A1111.items(), *_INVOKE.items(), *_OTHER.items()):
        yield alias, (name, "")
    for alias, name in _A1111.items():
        for title, schedule in SCHEDULE_ALIASES.items():
            yield f"{alias} {title}", (name, schedule)
    for alias, name in _INVOKE.items():
        yield f"{alias}_k", (name, "karras")


SAMPLER_ALIASES: Final[Mapping[str, tuple[str, str]]] = {
    alias: meant for alias, meant in _aliases() if alias != meant[0]
}
"""Another program's name to (our sampler, our schedule); the schedule is empty where the name says nothing of it."""


def named(sampler_name: str, schedule_name: str) -> tuple[Sampler, str]:
    """The sampler, and the name of the schedule, that two names mean; a schedule in the sampler's name counts before the other.

    Raises ValueRefused for names that nobody uses.
    """
    name, schedule = SAMPLER_ALIASES.get(sampler_name, (sampler_name, ""))
    schedule = schedule or SCHEDULE_ALIASES.get(schedule_name, schedule_name)
    if schedule not in SCHEDULES:
        raise ValueRefused(
            f"There is no schedule '{schedule_name}'.", socket="schedule", mend=f"Known: {', '.join(SCHEDULES)}."
        )
    return sampler(name), schedule
