"""How a network computes, not what: which attention kernel it takes, and whether it is compiled. Results are the same up to rounding.

Nothing here downloads anything: kernels come with torch, or from a package that the user installed.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from studio.diffusion.device import device_of
from studio.diffusion.digest import digest
from studio.diffusion.foreign import Foreign
from studio.graph.errors import ValueRefused

_KERNELS: Final = {
    "math": [SDPBackend.MATH],
    "flash": [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH],
    "efficient": [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH],
    "cudnn": [SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH],
}
"""torch's own. What a kernel cannot do is left to the plain one."""
_PACKAGES: Final = {"flash_attn": "flash", "sageattention": "sage", "xformers": "xformers"}
"""Packages, and what diffusers calls their kernels."""
ATTENTIONS: Final = ("auto", *_KERNELS, "sliced", *_PACKAGES)


@dataclass(frozen=True, slots=True)
class Attention:
    """An adapter: the kernel for attention, one of `ATTENTIONS`.

    `auto` leaves the choice to torch; `math` is the plain one, slow and exact; `sliced` goes head by head in a U-Net and needs the least
    memory there.
    """

    kernel: str

    @contextmanager
    def attached(self, network: nn.Module) -> Iterator[Callable[[int, int], None]]:
        """Raises ValueRefused where the kernel is not on this computer, or not for this network."""
        if self.kernel in _KERNELS:
            with sdpa_kernel(_KERNELS[self.kernel]):
                yield _heed_nothing
        elif self.kernel == "sliced":
            with _sliced(network):
                yield _heed_nothing
        elif self.kernel in _PACKAGES:
            with _packaged(network, self.kernel):
                yield _heed_nothing
        else:
            yield _heed_nothing

    def depends_at(self, step: int, steps: int) -> bytes:
        return digest("attention", self.kernel)


@dataclass(frozen=True, slots=True)
class Compiled:
    """An adapter: the network compiled by torch. The first step of a new size takes minutes, every later one is faster.

    `backend`: one of torch's compilers.
    """

    backend: str = "inductor"

    @contextmanager
    def attached(self, network: nn.Module) -> Iterator[Callable[[int, int], None]]:
        """Raises ValueRefused where the compiler's own needs are not on this computer."""
        if self.backend == "inductor":
            _require_compiler(network)
        module: Foreign = network
        # torch keeps what it compiled with the module's code, so a second run of the same network compiles nothing.
        module.compile(backend=self.backend)
        try:
            yield _heed_nothing
        finally:
            module._compiled_call_impl = None

    def depends_at(self, step: int, steps: int) -> bytes:
        return digest("compiled", self.backend)


def _heed_nothing(step: int, steps: int) -> None:
    """Of an adapter that acts alike in every step."""


@contextmanager
def _sliced(network: nn.Module) -> Iterator[None]:
    unet: Foreign = network
    if not hasattr(unet, "set_attention_slice") or not hasattr(unet, "attn_processors"):
        raise ValueRefused(
            "Sliced attention is for U-Nets; this model's network is none.",
            socket="kernel",
            mend="Choose 'efficient', which needs little memory too.",
        )
    before = dict(unet.attn_processors)
    unet.set_attention_slice("max")
    try:
        yield
    finally:
        unet.set_attn_processor(before)


@contextmanager
def _packaged(network: nn.Module, package: str) -> Iterator[None]:
    if importlib.util.find_spec(package) is None:
        raise ValueRefused(
            f"The package '{package}' is not installed.",
            socket="kernel",
            mend=f"Install it (pip install {package.replace('_', '-')}), or choose one of torch's own: {', '.join(_KERNELS)}.",
        )
    if device_of(network).type != "cuda":
        raise ValueRefused(
            f"The kernels of '{package}' run on NVIDIA and AMD cards only.", socket="kernel", mend="Choose 'auto'."
        )
    module: Foreign = network
    if not hasattr(module, "set_attention_backend"):
        raise ValueRefused("This network's attention cannot be exchanged.", socket="kernel", mend="Choose 'auto'.")
    module.set_attention_backend(_PACKAGES[package])
    try:
        yield
    finally:
        module.reset_attention_backend()


def _require_compiler(network: nn.Module) -> None:
    if device_of(network).type == "cuda":
        if importlib.util.find_spec("triton") is None:
            raise ValueRefused(
                "Compiling for a graphics card needs the package 'triton', which is not here.",
                socket="model",
                mend="Install triton (on Windows triton-windows), or take the Compile node away.",
            )
        return
    compilers = ("cl",) if sys.platform == "win32" else ("g++", "clang++")
    if not any(map(shutil.which, compilers)):
        raise ValueRefused(
            "Compiling for the processor needs a C++ compiler, and there is none.",
            socket="model",
            mend=f"Install {' or '.join(compilers)}, or take the Compile node away.",
        )
