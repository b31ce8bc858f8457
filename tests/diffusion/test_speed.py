"""Another kernel, or compiled: the same picture up to rounding, and nothing left behind."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from studio.diffusion import schedules
from studio.diffusion.model import Adapter, Checkpoint
from studio.diffusion.sampling import sample
from studio.diffusion.speed import ATTENTIONS, Attention, Compiled
from studio.graph.errors import ValueRefused
from tests.diffusion.analytic import distance
from tests.diffusion.pipelines import encoded


def made(checkpoint: Checkpoint, *adapters: Adapter) -> Tensor:
    model = replace(checkpoint.model, adapters=adapters)
    sigmas = schedules.sigmas("karras", model.noise, 3)
    positive = encoded(checkpoint, ["the cat on red"])
    *_, state = sample(model, positive, None, torch.zeros(model.latents.shape(64, 64)), sigmas, guidance=1.0, seed=3)
    return state.latent


@pytest.mark.parametrize("kernel", ["auto", "math", "flash", "efficient", "cudnn", "sliced"])
def test_every_kernel_of_torchs_own_gives_the_picture_and_goes_again(sd1: Checkpoint, kernel: str) -> None:
    plain = made(sd1)
    processors = {name: type(one) for name, one in sd1.model.network.attn_processors.items()}  # type: ignore[operator]
    assert distance(made(sd1, Attention(kernel)), plain) < 1e-4
    assert {name: type(one) for name, one in sd1.model.network.attn_processors.items()} == processors  # type: ignore[operator]
    assert torch.equal(made(sd1), plain)


def test_the_plain_kernel_is_really_taken(sd1: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    real = torch.nn.attention.sdpa_kernel
    monkeypatch.setattr("studio.diffusion.speed.sdpa_kernel", lambda kernels: taken.extend(kernels) or real(kernels))
    made(sd1, Attention("math"))
    assert taken == [torch.nn.attention.SDPBackend.MATH]


@pytest.mark.parametrize("kernel", ["flash_attn", "sageattention", "xformers"])
def test_a_package_that_is_missing_is_named(sd1: Checkpoint, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernel in ATTENTIONS
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueRefused, match="not installed"):
        made(sd1, Attention(kernel))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    with pytest.raises(ValueRefused, match="cards only"):
        made(sd1, Attention(kernel))


@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_is_compiled_for_the_run_and_plain_afterwards() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    x = torch.ones(2, 4)
    plain = network(x)
    seen: list[int] = []

    def compiler(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> torch.fx.GraphModule:
        seen.append(len(graph.graph.nodes))
        return graph

    torch._dynamo.register_backend(compiler, name="counting")
    with torch.no_grad():
        for _ in range(2):
            with Compiled("counting").attached(network):
                assert torch.equal(network(x), plain)
                network(x)
        assert len(seen) == 1, "a second run compiles nothing"
        assert torch.equal(network(x), plain)
    assert network._compiled_call_impl is None


def test_without_a_compiler_it_says_what_is_missing(sd1: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ValueRefused, match=r"C\+\+ compiler"):
        made(sd1, Compiled())
