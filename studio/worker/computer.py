"""The computer itself as a device, for a worker that does without torch."""

from __future__ import annotations

import psutil

from studio.protocol.messages import Device


def computer() -> tuple[Device, ...]:
    """The one device that is always there."""
    memory = psutil.virtual_memory()
    return (Device("cpu", "CPU", memory.total, memory.available),)
