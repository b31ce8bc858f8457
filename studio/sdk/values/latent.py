"""What a diffusion model works on: latents, noise, schedules, conditioning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from studio.graph.errors import ValueRefused
from studio.graph.graph import empty
from studio.sdk.resident import Resident, residents_of
from studio.sdk.socket_types import value_type
from studio.sdk.storage import Packed, pack_value, unpack_value
from studio.sdk.values.arrays import is_tensor, pack_array, pack_tensor, unpack_array, unpack_tensor
from studio.sdk.values.mask import Mask

if TYPE_CHECKING:
    from torch import Tensor


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """A batch of latents, scaled to about unit variance.

    `tensor`: (batch, channels, height, width) or (batch, channels, frames, height, width) or, for sound, (batch, channels, length); float32
    on the CPU, not to be written to. `family` names the model family whose latents these are, empty where any will do. `blank` is (width,
    height) in pixels of a picture that is still to be made from nothing: a sampler then takes zeros of its own model's shape instead of
    `tensor`. `mask`: a sampler makes anew what is inside of it, and keeps the rest; with `gradual` a place that is between 0 and 1 is made
    anew during that last share of the run. `surroundings`: the latent of the picture without what is inside, (batch, channels, height,
    width), for networks that were trained to fill holes. Raises `ValueRefused` for another shape or number type.
    """

    tensor: Tensor
    family: str = ""
    blank: tuple[int, int] | None = None
    mask: Mask | None = None
    gradual: bool = False
    surroundings: Tensor | None = None

    def __post_init__(self) -> None:
        require_tensor(self.tensor, "A latent", (3, 4, 5))

    @classmethod
    def empty(cls, width: int, height: int, batch: int = 1) -> Latent:
        """For pictures of this size in pixels that are made from nothing, by whatever model."""
        import torch

        shape = (batch, 4, max(height // 8, 1), max(width // 8, 1))
        return cls(torch.zeros(shape, dtype=torch.float32), blank=(width, height))

    @property
    def batch(self) -> int:
        return int(self.tensor.shape[0])

    @property
    def nbytes(self) -> int:
        mask = self.mask.values.nbytes if self.mask is not None else 0
        return mask + sum(tensor_bytes(one) for one in (self.tensor, self.surroundings) if one is not None)

    def check(self) -> None:
        """Raises `ValueRefused` for values that are not finite."""
        require_finite(self.tensor, "The latent")
        if self.surroundings is not None:
            require_finite(self.surroundings, "The latent's surroundings")

    def pack(self) -> Packed:
        meta = {"family": self.family, "blank": list(self.blank) if self.blank else None, "gradual": self.gradual}
        arrays = {"tensor": pack_tensor(self.tensor)}
        if self.mask is not None:
            arrays["mask"] = pack_array(self.mask.values)
        if self.surroundings is not None:
            arrays["surroundings"] = pack_tensor(self.surroundings)
        return Packed("Latent", arrays, meta)

    @classmethod
    def unpack(cls, packed: Packed) -> Latent:
        blank = packed.meta["blank"]
        size = (int(blank[0]), int(blank[1])) if blank else None
        mask, surroundings = packed.arrays.get("mask"), packed.arrays.get("surroundings")
        return cls(
            unpack_tensor(packed.arrays["tensor"]),
            packed.meta["family"],
            size,
            Mask(unpack_array(mask)) if mask is not None else None,
            bool(packed.meta.get("gradual", False)),
            unpack_tensor(surroundings) if surroundings is not None else None,
        )

    def __repr__(self) -> str:
        return f"Latent({' x '.join(map(str, self.tensor.shape))}{', ' + self.family if self.family else ''})"


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """Standard normal noise of a latent's shape; `tensor`: (batch, channels, ...) float32 on the CPU."""

    tensor: Tensor

    def __post_init__(self) -> None:
        require_tensor(self.tensor, "Noise", (3, 4, 5))

    @property
    def nbytes(self) -> int:
        return tensor_bytes(self.tensor)

    def check(self) -> None:
        """Raises `ValueRefused` for values that are not finite."""
        require_finite(self.tensor, "The noise")

    def pack(self) -> Packed:
        return Packed("Noise", {"tensor": pack_tensor(self.tensor)})

    @classmethod
    def unpack(cls, packed: Packed) -> Noise:
        return cls(unpack_tensor(packed.arrays["tensor"]))


@value_type()
@dataclass(frozen=True, slots=True)
class Schedule:
    """The noise levels that a run visits: falling, one more than steps, the last usually 0. Raises `ValueRefused` where they are not."""

    sigmas: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.sigmas) < 2:
            raise ValueRefused("A schedule has at least one step, that is two noise levels.")
        if not all(math.isfinite(sigma) and sigma >= 0 for sigma in self.sigmas):
            raise ValueRefused("Noise levels are finite and not negative.")
        if any(later >= earlier for earlier, later in pairwise(self.sigmas)):
            raise ValueRefused("Noise levels fall from step to step.")

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1

    @property
    def nbytes(self) -> int:
        return 32 * len(self.sigmas)

    def pack(self) -> Packed:
        return Packed("Schedule", meta={"sigmas": list(self.sigmas)})

    @classmethod
    def unpack(cls, packed: Packed) -> Schedule:
        return cls(tuple(float(sigma) for sigma in packed.meta["sigmas"]))


@value_type()
@dataclass(frozen=True, slots=True, eq=False)
class Conditioning:
    """What steers a model, as its text encoder made it.

    `tensors`: by the name that the family gives them, such as `embeds` (prompts, tokens, width); the first dimension is the prompts. Not to
    be written to. `family`: whose network they are for. `extra`: further values that belong to it, such as a hint picture with its
    `ControlNet`; every one of them a value that could travel on a wire.
    """

    tensors: Mapping[str, Tensor]
    family: str
    extra: Mapping[str, Any] = field(default_factory=empty)

    def __post_init__(self) -> None:
        for name, tensor in self.tensors.items():
            if not is_tensor(tensor):
                raise ValueRefused(f"The conditioning's '{name}' is {type(tensor).__name__}, not a tensor.")

    @property
    def nbytes(self) -> int:
        return sum(tensor_bytes(tensor) for tensor in self.tensors.values())

    def residents(self) -> tuple[Resident[Any], ...]:
        return residents_of(self.extra)

    def check(self) -> None:
        """Raises `ValueRefused` for values that are not finite."""
        for name, tensor in self.tensors.items():
            require_finite(tensor, f"The conditioning's '{name}'")

    def pack(self) -> Packed | None:
        extra = pack_value([*self.extra.values()])
        if extra is None:
            return None
        arrays = {f"tensors/{name}": pack_tensor(tensor) for name, tensor in self.tensors.items()}
        arrays.update((f"extra/{name}", array) for name, array in extra.arrays.items())
        return Packed("Conditioning", arrays, {"family": self.family, "names": [*self.extra], "extra": extra.meta})

    @classmethod
    def unpack(cls, packed: Packed) -> Conditioning:
        parts: dict[str, dict[str, Any]] = {"tensors": {}, "extra": {}}
        for path, array in packed.arrays.items():
            part, _, name = path.partition("/")
            parts[part][name] = array
        values = unpack_value(Packed("list", parts["extra"], packed.meta["extra"]))
        assert isinstance(values, list)
        tensors = {name: unpack_tensor(array) for name, array in parts["tensors"].items()}
        return cls(tensors, packed.meta["family"], dict(zip(packed.meta["names"], values, strict=True)))


def require_tensor(tensor: object, what: str, dimensions: tuple[int, ...]) -> None:
    """Raises `ValueRefused` where it is not a float32 tensor with one of these numbers of dimensions, none of them 0 long."""
    if not is_tensor(tensor):
        raise ValueRefused(f"{what} is a torch tensor, not {type(tensor).__name__}.")
    shape = tuple(tensor.shape)  # type: ignore[attr-defined]
    dtype = str(tensor.dtype).removeprefix("torch.")  # type: ignore[attr-defined]
    if dtype != "float32" or len(shape) not in dimensions or 0 in shape:
        allowed = " or ".join(map(str, dimensions))
        raise ValueRefused(f"{what} is a float32 tensor with {allowed} dimensions, not {dtype} {shape}.")


def require_finite(tensor: Tensor, what: str) -> None:
    """Raises `ValueRefused` for NaN and infinities."""
    if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
        raise ValueRefused(
            f"{what} has values that are not finite.",
            mend="Try a wider number format for the model, or less guidance.",
        )


def tensor_bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
