"""Layers that come to the device one by one. The device here is the CPU: what is shown is that nothing else changes."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import Tensor, nn

from studio.diffusion.device import Compact, device_of
from studio.diffusion.foreign import Foreign
from studio.diffusion.offload import LayerByLayer, come, stay
from studio.diffusion.weights.compact import compact
from studio.sdk.resident import Resident
from tests.diffusion import test_flux, tiny

CPU = torch.device("cpu")


def flux(network: nn.Module) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        output: Tensor = network(
            hidden_states=torch.randn(1, 12, 64, generator=generator),
            encoder_hidden_states=torch.randn(1, 4, 32, generator=generator),
            pooled_projections=torch.randn(1, 32, generator=generator),
            timestep=torch.tensor([0.5]),
            guidance=torch.tensor([3.5]),
            txt_ids=torch.zeros(4, 3),
            img_ids=torch.zeros(12, 3),
            return_dict=False,
        )[0]
    return output


def unet(network: nn.Module) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    x, words = torch.randn(1, 4, 8, 8, generator=generator), torch.randn(1, 5, 32, generator=generator)
    with torch.no_grad():
        output: Tensor = network(x, torch.tensor(5.0), words, return_dict=False)[0]
    return output


@pytest.mark.parametrize("run", [flux, unet])
@pytest.mark.parametrize("small", [False, True])
def test_layer_by_layer_gives_the_same_bits(run: Foreign, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    network: nn.Module = test_flux.network() if run is flux else tiny.unet()
    if small:
        compact(network, Compact(torch.int8, torch.float32))
    before = run(network)
    arrived: list[object] = []
    from diffusers.hooks.group_offloading import ModuleGroup

    onload = ModuleGroup.onload_

    def count(group: Foreign) -> None:
        arrived.append(group)
        onload(group)

    monkeypatch.setattr(ModuleGroup, "onload_", count)
    come(network, CPU)
    assert torch.equal(run(network), before)
    layers = [one for one in network.modules() if isinstance(one, (nn.Linear, nn.Conv2d))]
    assert len(set(map(id, arrived))) >= len(layers), "every layer came by itself"
    arrived.clear()
    stay(network)
    assert torch.equal(run(network), before)
    assert not arrived


def test_a_network_says_where_it_computes_though_its_weights_lie_elsewhere() -> None:
    network = nn.Sequential(nn.Linear(4, 4))
    come(network, torch.device("mps"))
    assert device_of(network) == torch.device("mps")
    assert network[0].weight.device == CPU
    LayerByLayer().bring([network], "cpu")
    assert device_of(network) == CPU
    del network
    gc.collect()


def test_a_resident_takes_the_room_of_its_largest_layers() -> None:
    network = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 32, bias=False), nn.Linear(32, 8, bias=False))
    resident = Resident("a", "a", lambda: network, placing=LayerByLayer())
    resident.load()
    assert resident.bytes == resident.bytes_on("cpu") == 4 * (64 + 256 + 256)
    assert resident.bytes_on("cuda:0") == 2 * 4 * 256
    assert resident.to("mps") is network
    assert resident.device == "mps"
    assert network[0].weight.device == CPU
    assert device_of(resident.to("cpu")) == CPU
