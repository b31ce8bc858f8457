"""Samplers: free functions from a state to the states that follow, by the names the community uses.

A sampler is called `sampler(denoiser, start, sigmas, process)`; `sigmas` falls, and the run ends at its last entry. It yields the
state after every step. It continues from whatever state it is given: from step 0 with an empty memory, or from a stored state,
which gives the very numbers of the unbroken run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studio.diffusion.noise_schedule import NoiseSchedule
from studio.diffusion.process import NoisingProcess
from studio.diffusion.samplers.ancestral import ancestral_split, dpm_2_ancestral, dpmpp_2s_ancestral, euler_ancestral
from studio.diffusion.samplers.ddim import ddim, ddpm, lcm, tcd, tcd_on
from studio.diffusion.samplers.dpm_solver import adaptive_steps, dpm_adaptive, dpm_fast, fast_levels
from studio.diffusion.samplers.dpmpp import dpmpp_2m, dpmpp_2m_sde, dpmpp_3m_sde, dpmpp_sde
from studio.diffusion.samplers.er_sde import er_sde
from studio.diffusion.samplers.multistep import deis, ipndm, plms, res_multistep
from studio.diffusion.samplers.ode import dpm_2, euler, heun, lms
from studio.diffusion.samplers.sa_solver import sa_solver, sa_solver_on
from studio.diffusion.samplers.score import sde_ve
from studio.diffusion.samplers.signature import SamplerFunction
from studio.diffusion.samplers.uni_pc import uni_pc, uni_pc_bh2
from studio.diffusion.step import StepState
from studio.graph.errors import ValueRefused


@dataclass(frozen=True, slots=True)
class Sampler:
    """A sampler and what a user wants to know of it."""

    name: str
    run: SamplerFunction
    stochastic: bool = False
    """Draws noise at every step; the same seed gives the same picture all the same."""
    calls: int = 1
    """Calls of the network a step (the last step may need fewer; the first step of plms needs one more)."""
    order: int = 1
    """Order of accuracy."""
    reach: Callable[[float, float, NoisingProcess], float] | None = None
    """For steps that call the network at lower noise levels than their own too: (sigma, the next one, process) -> down to which."""
    ending: int = 0
    """So many of the last steps of a run are done otherwise than in the middle of a longer one."""
    on_noise: Callable[[NoiseSchedule], SamplerFunction] | None = None
    """For samplers that work in training timesteps: the sampler in those of a model. `run` assumes the usual ones."""

    levels: Callable[[Sequence[float]], Sequence[float]] | None = None
    """For samplers that place the levels between a schedule's ends themselves: those of their states, as many as the schedule's."""
    estimate: Callable[[StepState, Sequence[float]], int] | None = None
    """For samplers that choose their steps as they go, by the error of what they are given: how many there will have been."""

    @property
    def adaptive(self) -> bool:
        """Chooses its steps as it goes. Items of a batch are run one at a time, or they would depend on their neighbours."""
        return self.estimate is not None

    def steps(self, state: StepState, sigmas: Sequence[float]) -> int:
        """Steps of the whole run, as far as can be told from `state`, which is one of it."""
        return len(sigmas) - 1 if self.estimate is None else self.estimate(state, sigmas)

    def passes(self, state: StepState, sigmas: Sequence[float]) -> bool:
        """Whether a run of this sampler on this schedule can go on from `state`: it stands on a step of it that is not the last."""
        if self.adaptive:
            return sigmas[-1] < state.sigma <= sigmas[0]
        levels = sigmas if self.levels is None else self.levels(sigmas)
        return 0 <= state.index < len(levels) - 1 and levels[state.index] == state.sigma

    def for_model(self, noise: NoiseSchedule) -> SamplerFunction:
        """The sampler for a model trained with that noise."""
        return self.run if self.on_noise is None else self.on_noise(noise)

    def asks(self, sigmas: Sequence[float], i: int, process: NoisingProcess) -> tuple[float, float]:
        """The highest and the lowest noise level at which step i (from 0) calls the network."""
        if self.adaptive:
            return sigmas[0], sigmas[-1]
        levels = sigmas if self.levels is None else self.levels(sigmas)
        return levels[i], levels[i] if self.reach is None else self.reach(levels[i], levels[i + 1], process)

    def looks_at(self, sigmas: Sequence[float], i: int) -> tuple[float | int, ...]:
        """What step i (from 0) looks at in the schedule, besides what the states before it did: its own two levels, and how near the end
        is; for samplers that place their levels themselves, all of it."""
        if self.adaptive or self.levels is not None:
            return tuple(sigmas)
        return sigmas[i], sigmas[i + 1], min(len(sigmas) - 1 - i, self.ending)

    @property
    def title(self) -> str:
        """First line of the docstring: what it is, and where it comes from."""
        return (self.run.__doc__ or "").strip().splitlines()[0]


def _to_next(sigma: float, following: float, process: NoisingProcess) -> float:
    return following


def _to_split(sigma: float, following: float, process: NoisingProcess) -> float:
    down, _ = ancestral_split(process.ratio(sigma), process.ratio(following))
    return process.sigma(down)


SAMPLERS: dict[str, Sampler] = {
    sampler.name: sampler
    for sampler in (
        Sampler("euler", euler),
        Sampler("euler_ancestral", euler_ancestral, stochastic=True),
        Sampler("heun", heun, calls=2, reach=_to_next, order=2),
        Sampler("dpm_2", dpm_2, calls=2, reach=_to_next, order=2),
        Sampler("dpm_2_ancestral", dpm_2_ancestral, stochastic=True, calls=2, reach=_to_split, order=2),
        Sampler("lms", lms, order=4),
        Sampler("dpmpp_2m", dpmpp_2m, order=2),
        Sampler("dpmpp_2s_ancestral", dpmpp_2s_ancestral, stochastic=True, calls=2, reach=_to_split, order=2),
        Sampler("dpmpp_sde", dpmpp_sde, stochastic=True, calls=2, reach=_to_next, order=2),
        Sampler("dpmpp_2m_sde", dpmpp_2m_sde, stochastic=True, order=2),
        Sampler("dpmpp_3m_sde", dpmpp_3m_sde, stochastic=True, order=3),
        Sampler("ddim", ddim),
        Sampler("ddpm", ddpm, stochastic=True),
        Sampler("uni_pc", uni_pc, order=3, ending=3),
        Sampler("uni_pc_bh2", uni_pc_bh2, order=3, ending=3),
        Sampler("lcm", lcm, stochastic=True),
        Sampler("tcd", tcd, stochastic=True, on_noise=tcd_on),
        Sampler("plms", plms, order=4, reach=_to_next),
        Sampler("ipndm", ipndm, order=4),
        Sampler("deis", deis, order=3),
        Sampler("res_multistep", res_multistep, order=2),
        Sampler("er_sde", er_sde, stochastic=True, order=3),
        Sampler("sa_solver", sa_solver, stochastic=True, order=2, ending=2, on_noise=sa_solver_on),
        Sampler("sde_ve", sde_ve, stochastic=True, calls=2),
        Sampler("dpm_fast", dpm_fast, order=3, levels=fast_levels),
        Sampler("dpm_adaptive", dpm_adaptive, calls=3, order=3, estimate=adaptive_steps),
    )
}


def sampler(name: str) -> Sampler:
    """The sampler of that name. Raises ValueRefused where there is none."""
    if name not in SAMPLERS:
        raise ValueRefused(f"There is no sampler '{name}'.", socket="sampler", mend=f"Known: {', '.join(SAMPLERS)}.")
    return SAMPLERS[name]
