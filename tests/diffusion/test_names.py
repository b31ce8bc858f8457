"""Names of other programs mean our samplers and schedules, or nothing."""

from __future__ import annotations

import diffusers
import pytest

from studio.diffusion.names import SAMPLER_ALIASES, SCHEDULE_ALIASES, named
from studio.diffusion.samplers import SAMPLERS
from studio.diffusion.schedules import SCHEDULES
from studio.graph.errors import ValueRefused


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (("dpmpp_2m", "karras"), ("dpmpp_2m", "karras")),
        (("dpmpp_2m_sde_gpu", "beta"), ("dpmpp_2m_sde", "beta")),
        (("euler_a", "normal"), ("euler_ancestral", "normal")),
        (("DPM++ 2M Karras", "normal"), ("dpmpp_2m", "karras")),
        (("DPM++ 2M SDE Exponential", "karras"), ("dpmpp_2m_sde", "exponential")),
        (("Euler a", "SGM Uniform"), ("euler_ancestral", "sgm_uniform")),
        (("dpmpp_2m_k", "simple"), ("dpmpp_2m", "karras")),
        (("UniPCMultistepScheduler", "Align Your Steps"), ("uni_pc_bh2", "align_your_steps")),
    ],
)
def test_names_of_other_programs_are_understood(given: tuple[str, str], meant: tuple[str, str]) -> None:
    sampler, schedule = named(*given)
    assert (sampler.name, schedule) == meant


def test_every_alias_means_something_and_hides_nothing() -> None:
    assert not SAMPLER_ALIASES.keys() & SAMPLERS.keys()
    assert not SCHEDULE_ALIASES.keys() & set(SCHEDULES)
    assert {name for name, _ in SAMPLER_ALIASES.values()} <= SAMPLERS.keys()
    assert {schedule for _, schedule in SAMPLER_ALIASES.values()} <= {"", *SCHEDULES}
    assert set(SCHEDULE_ALIASES.values()) <= set(SCHEDULES)
    assert all(hasattr(diffusers, alias) for alias in SAMPLER_ALIASES if alias.endswith("Scheduler"))


@pytest.mark.parametrize(
    ("names", "socket"), [(("euler_cfg_pp", "karras"), "sampler"), (("euler", "gits"), "schedule")]
)
def test_a_name_for_something_else_is_refused(names: tuple[str, str], socket: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        named(*names)
    assert caught.value.socket == socket
