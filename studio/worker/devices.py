"""What the engine asks of devices, answered by torch."""

from __future__ import annotations

import torch

from studio.diffusion import device as torch_device
from studio.protocol.messages import Device


class TorchDevices:
    """Memory of the devices that torch sees."""

    def free(self, device: str) -> int | None:
        return torch_device.free_memory(torch.device(device))

    def is_out_of_memory(self, error: BaseException) -> bool:
        return torch_device.is_out_of_memory(error)

    def release(self, device: str) -> None:
        torch_device.release([torch.device(device).type])


def listed() -> tuple[Device, ...]:
    """All devices with their memory, best first."""
    return tuple(
        Device(one.name, one.title, one.memory, torch_device.free_memory(torch.device(one.name)))
        for one in torch_device.devices()
    )


def chosen(name: str) -> str:
    """The device that a setting means, as torch names it. Raises `Misuse` where this machine has none of that name."""
    return str(torch_device.choose_device(name))
