"""States on disk: what is read back is what was written, and a run resumed from it is the unbroken one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from studio.diffusion.model import Checkpoint
from studio.diffusion.sampling import sample
from studio.diffusion.schedules import sigmas
from studio.diffusion.step import StepState


@pytest.mark.parametrize("sampler", ["euler", "uni_pc", "lms", "dpmpp_3m_sde"])
def test_a_run_goes_on_from_a_file(tmp_path: Path, sd1: Checkpoint, sampler: str) -> None:
    model, encoder = sd1.model, sd1.text_encoder
    assert encoder is not None
    positive, negative = (model.family.encode(encoder, [text]).conditioned for text in ("the cat", ""))
    latent, levels = torch.zeros(model.latents.shape(16, 16)), sigmas("karras", model.noise, 6)
    whole = list(sample(model, positive, negative, latent, levels, sampler=sampler))
    path = tmp_path / "state.safetensors"
    save_file(whole[3].tensors(), path, metadata=whole[3].facts())
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        state = StepState.stored(tensors, file.metadata())
    assert (state.index, state.sigma, state.sampler) == (4, levels[4], sampler)
    rest = list(sample(model, positive, negative, latent, levels, sampler=sampler, start=state))
    assert torch.equal(rest[-1].latent, whole[-1].latent)
    assert [state.index for state in rest] == [5, 6]
