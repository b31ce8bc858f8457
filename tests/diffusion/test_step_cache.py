"""Blocks are left out where the first one says that little changed, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from studio.diffusion import schedules
from studio.diffusion.device import Dtypes
from studio.diffusion.model import Checkpoint
from studio.diffusion.sampling import prepare, sample
from studio.diffusion.step_cache import FirstBlockCache
from studio.diffusion.timing import Window
from studio.diffusion.trail import follow
from studio.diffusion.weights.checkpoint import load_checkpoint
from studio.graph.errors import ValueRefused
from tests.diffusion.pipelines import encoded
from tests.diffusion.test_flux import dev as flux_folder  # noqa: F401 - a fixture
from tests.diffusion.test_flux2 import klein as flux2_folder  # noqa: F401
from tests.diffusion.test_pixart_sigma import folder as pixart_folder  # noqa: F401
from tests.diffusion.test_sd3 import folder as sd3_folder  # noqa: F401
from tests.diffusion.test_trail import kept, keys_of
from tests.diffusion.test_z_image import folder as z_image_folder  # noqa: F401

STEPS = 6
FAMILIES = ("flux", "flux2", "pixart", "sd3", "z_image")


@pytest.fixture(params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    folder: Path = request.getfixturevalue(f"{request.param}_folder")
    return load_checkpoint(folder, Dtypes(torch.float32, torch.float32, torch.float32))


def blocks(checkpoint: Checkpoint) -> list[nn.Module]:
    names = ("transformer_blocks", "single_transformer_blocks", "layers")
    return [block for name in names for block in getattr(checkpoint.model.network, name, ())]


@contextmanager
def counted(block: nn.Module) -> Iterator[list[int]]:
    """How often a part of a block is computed."""
    part = next(module for module in block.modules() if isinstance(module, nn.Linear))
    calls: list[int] = []
    handle = part.register_forward_hook(lambda module, arguments, output: calls.append(1))
    try:
        yield calls
    finally:
        handle.remove()


def made(checkpoint: Checkpoint, cache: FirstBlockCache | None) -> Tensor:
    model = replace(checkpoint.model, adapters=(cache,) if cache is not None else ())
    sigmas = schedules.sigmas("normal", model.noise, STEPS)
    positive = encoded(checkpoint, ["the cat on red"])
    empty = torch.zeros(model.latents.shape(32, 32))
    *_, state = sample(model, positive, None, empty, sigmas, guidance=1.0, seed=3)
    return state.latent


def test_a_threshold_of_nothing_changes_nothing_and_leaves_nothing_behind(checkpoint: Checkpoint) -> None:
    plain = made(checkpoint, None)
    assert torch.equal(made(checkpoint, FirstBlockCache(0.0)), plain)
    assert "forward" not in blocks(checkpoint)[-1].__dict__
    assert torch.equal(made(checkpoint, None), plain)


def test_blocks_are_left_out_after_the_first_step(checkpoint: Checkpoint) -> None:
    plain = made(checkpoint, None)
    with counted(blocks(checkpoint)[1]) as calls:
        once = made(checkpoint, FirstBlockCache(1e9))
    assert len(calls) == 1
    assert torch.isfinite(once).all()
    assert not torch.equal(once, plain)
    assert torch.equal(made(checkpoint, FirstBlockCache(1e9)), once), "a run begins with nothing remembered"


def test_outside_of_its_window_every_step_is_whole(checkpoint: Checkpoint) -> None:
    with counted(blocks(checkpoint)[1]) as calls:
        made(checkpoint, FirstBlockCache(1e9, Window(0.5, 1.0)))
    assert len(calls) == STEPS // 2


def test_what_a_cache_remembers_is_in_no_state_so_a_broken_off_run_begins_anew(flux_folder: Path) -> None:  # noqa: F811
    checkpoint = load_checkpoint(flux_folder, Dtypes(torch.float32, torch.float32, torch.float32))
    positive, sigmas = (
        encoded(checkpoint, ["the cat on red"]),
        schedules.sigmas("normal", checkpoint.model.noise, STEPS),
    )
    empty = torch.zeros(checkpoint.model.latents.shape(32, 32))
    for adapters, first in (((), 3), ((FirstBlockCache(0.1),), 0)):
        model = replace(checkpoint.model, adapters=adapters)
        run = prepare(model, positive, None, empty, sigmas, sampler="euler", guidance=1.0, seed=3)
        store, keys = kept(), keys_of(run)
        broken = follow(run, keys, store)
        for _ in range(3):
            next(broken)
        broken.close()
        assert len([step for step in follow(run, keys, store) if step.kept]) == first
        assert all(step.kept for step in follow(run, keys, store)), "a run that was over is there"


def test_a_step_that_is_left_out_gives_what_the_last_one_added() -> None:
    """With blocks that add constants, leaving all but the first out and adding what they added is exact."""
    from diffusers.models.transformers.transformer_z_image import ZImageTransformerBlock

    class Adds(ZImageTransformerBlock):  # type: ignore[misc]  # diffusers has no types
        def __init__(self, amount: float) -> None:
            nn.Module.__init__(self)
            self.amount = amount

        def forward(self, x: Tensor) -> Tensor:
            return x + self.amount

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([Adds(1.0), Adds(10.0), Adds(100.0)])

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = layer(x)
            return x

    from diffusers.hooks._helpers import TransformerBlockRegistry

    TransformerBlockRegistry.register(Adds, TransformerBlockRegistry.get(ZImageTransformerBlock))
    network = Network()
    with FirstBlockCache(0.1).attached(network) as told:
        for step in range(3):
            told(step, 3)
            assert network(torch.full((1, 2, 4), float(step))).mean() == step + 111
            assert network(torch.full((1, 7, 4), 5.0)).mean() == 116, "a step's second call has a memory of its own"


def test_a_u_net_is_refused_with_what_to_do(sd1: Checkpoint) -> None:
    with pytest.raises(ValueRefused, match="transformers"):
        made(sd1, FirstBlockCache(0.1))
