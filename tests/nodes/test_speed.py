"""Speed settings ride on the model, and are counted by what comes of it."""

from __future__ import annotations

from nodes.model import load
from nodes.speed import attention, compile_, step_cache
from nodes.steered import loaded
from studio.diffusion.speed import Attention, Compiled
from studio.diffusion.step_cache import FirstBlockCache
from studio.sdk.testing import run_node


def test_settings_add_up_on_the_model_and_leave_the_one_before_alone() -> None:
    model, *_ = run_node(load)
    fast = run_node(
        compile_, model=run_node(attention, model=run_node(step_cache, model=model, threshold=0.2), kernel="math")
    )
    assert loaded(model).adapters == ()
    assert [type(one) for one in loaded(fast).adapters] == [FirstBlockCache, Attention, Compiled]
    assert loaded(fast).network is loaded(model).network
