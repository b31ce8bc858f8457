"""What the engine has to know of devices and memory. Whoever owns torch answers."""

from __future__ import annotations

from typing import Protocol


class Devices(Protocol):
    """Questions about memory. Device names are torch's: `cpu`, `cuda:0`, `mps`."""

    def free(self, device: str) -> int | None:
        """Bytes that could be taken now, or None where the system does not tell."""

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether an error says that a device, or the computer, has too little memory."""

    def release(self, device: str) -> None:
        """Give back what an allocator keeps for later."""


class PlainDevices:
    """The computer's own memory alone, for graphs without models."""

    def free(self, device: str) -> int | None:
        return None

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError)

    def release(self, device: str) -> None:
        pass
