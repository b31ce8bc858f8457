"""Devices: which there are, which to take, which number format suits them, and moving models between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias
from weakref import WeakKeyDictionary

import psutil
import torch
from torch import nn

from studio.graph.errors import Misuse

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Device:
    """A place where models can run."""

    name: str
    """As torch writes it: "cpu", "cuda:0", "mps"."""
    title: str
    """For people: the name of the card, or "CPU"."""
    memory: int
    """Bytes in total."""


@dataclass(frozen=True, slots=True)
class Compact:
    """A number format of 8 bits for what lies in memory, and a wider one that is computed in."""

    storage: torch.dtype
    """int8 or float8_e4m3fn."""
    compute: torch.dtype


Format: TypeAlias = torch.dtype | Compact


@dataclass(frozen=True, slots=True)
class Dtypes:
    """The number format of every part of a checkpoint."""

    network: Format
    text_encoder: Format
    vae: Format

    @classmethod
    def all(cls, dtype: Format) -> Dtypes:
        """One format for everything."""
        return cls(dtype, dtype, dtype)


def devices() -> list[Device]:
    """All devices of this machine, the CPU last."""
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found.append(Device(f"cuda:{index}", properties.name, properties.total_memory))
    if torch.backends.mps.is_available():
        found.append(Device("mps", "Apple GPU", psutil.virtual_memory().total))
    found.append(Device("cpu", "CPU", psutil.virtual_memory().total))
    return found


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" is the first GPU, else the CPU, and "cuda" is "cuda:0". Raises Misuse where there is none."""
    known = [device.name for device in devices()]
    wanted = {"auto": known[0], "cuda": "cuda:0"}.get(name, name)
    if wanted not in known:
        raise Misuse(
            f"There is no device '{name}'.", where="device", mend=f"This machine has: auto, {', '.join(known)}."
        )
    return torch.device(wanted)


def choose_dtypes(device: torch.device) -> Dtypes:
    """float32 on the CPU; on a GPU bfloat16 where its hardware has it, else float16.

    A float16 GPU still decodes in float32: the VAEs of several families overflow in half precision.
    """
    if device.type == "cpu":
        return Dtypes.all(torch.float32)
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return Dtypes(torch.float16, torch.float16, torch.float32)
    return Dtypes.all(torch.bfloat16)


def free_memory(device: torch.device) -> int:
    """Bytes that a new tensor could take on the device. Memory that torch keeps but does not use counts as free."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return max(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory(), 0)
    available: int = psutil.virtual_memory().available
    return available


def is_out_of_memory(error: BaseException) -> bool:
    """True where the error says that a device or the machine has too little memory."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    # The CPU allocator and MPS raise plain RuntimeErrors.
    return isinstance(error, RuntimeError) and any(
        phrase in str(error)
        for phrase in (
            "DefaultCPUAllocator: can't allocate memory",
            "DefaultCPUAllocator: not enough memory",
            "MPS backend out of memory",
        )
    )


def size_of(modules: Iterable[nn.Module]) -> int:
    """Bytes of all parameters and buffers; what two modules share counts once."""
    seen: dict[int, int] = {}
    for module in modules:
        for tensor in (*module.parameters(), *module.buffers()):
            storage = tensor.untyped_storage()
            seen[id(tensor) if tensor.is_meta else storage.data_ptr()] = storage.nbytes()
    return sum(seen.values())


def computed(format: Format) -> torch.dtype:
    """The number format that is computed in."""
    return format.compute if isinstance(format, Compact) else format


_computing: WeakKeyDictionary[nn.Module, torch.device] = WeakKeyDictionary()


def computes_on(module: nn.Module, device: torch.device | None) -> bool:
    """State where a module computes whose weights lie elsewhere; None: where they lie. True where something else was stated before."""
    before = _computing.pop(module, None)
    if device is not None:
        _computing[module] = device
    return before is not None


def device_of(module: nn.Module) -> torch.device:
    """Where the module computes: where its first parameter lies, unless `computes_on` says otherwise."""
    return _computing.get(module) or next(module.parameters()).device


def dtype_of(module: nn.Module) -> torch.dtype:
    """Number format that the module computes in: that of its first floating-point parameter."""
    return next(p.dtype for p in module.parameters() if p.is_floating_point())


def move(modules: Iterable[nn.Module], device: torch.device) -> int:
    """Move modules in place and give back the memory they leave. Returns the bytes that are now on `device`."""
    modules = list(modules)
    left = {device_of(module).type for module in modules}
    for module in modules:
        module.to(device)
    release(left)
    return size_of(modules)


def release(kinds: Iterable[str] = ("cuda", "mps")) -> None:
    """Give memory that torch keeps for later back to the driver."""
    for kind in kinds:
        if kind == "cuda" and torch.cuda.is_available():
            torch.cuda.empty_cache()
        elif kind == "mps" and torch.backends.mps.is_available():
            torch.mps.empty_cache()
