"""Devices, number formats, memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from studio.diffusion.device import (
    Dtypes,
    choose_device,
    choose_dtypes,
    devices,
    free_memory,
    is_out_of_memory,
    move,
    size_of,
)
from studio.diffusion.model import Checkpoint
from studio.graph.errors import Misuse


def test_the_cpu_is_always_there_and_auto_takes_the_first() -> None:
    found = devices()
    assert found[-1].name == "cpu"
    assert all(device.memory > 0 and device.title for device in found)
    assert choose_device("auto") == torch.device(found[0].name)
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "tpu"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(Misuse, match="cpu"):
        choose_device(name)


def test_the_number_format_suits_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_dtypes(torch.device("cpu")) == Dtypes.all(torch.float32)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    old = choose_dtypes(torch.device("cuda:0"))
    assert (old.network, old.vae) == (torch.float16, torch.float32)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    assert choose_dtypes(torch.device("cuda:0")) == Dtypes.all(torch.bfloat16)


def test_free_memory_is_some_of_it() -> None:
    assert 0 < free_memory(torch.device("cpu")) <= devices()[-1].memory


def test_too_little_memory_is_told_from_other_errors() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_size_counts_parameters_and_buffers_once() -> None:
    shared = nn.Linear(10, 10, bias=False)
    normed = nn.BatchNorm1d(4)
    assert size_of([shared]) == 400
    assert size_of([shared, nn.Sequential(shared)]) == 400
    assert size_of([normed]) == 4 * 4 * 4 + 8


def test_moving_says_what_arrived(sd1: Checkpoint) -> None:
    bytes_here = size_of(sd1.model.modules)
    assert bytes_here == sum(p.numel() * 4 for p in sd1.model.network.parameters())
    assert move(sd1.model.modules, torch.device("cpu")) == bytes_here
    assert move([nn.Linear(10, 10)], torch.device("meta")) == 440
