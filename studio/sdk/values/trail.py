"""The steps of a sampler's run, as they travel on a wire: a light handle. The states lie in the running context's `step_store`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from studio.graph.errors import ValueRefused
from studio.sdk.socket_types import value_type
from studio.sdk.storage import Packed


@dataclass(frozen=True, slots=True)
class TrailPart:
    """Of a batch, what was sampled by itself: the noise level before each step and after the last, and the keys of the states there.

    Raises `ValueRefused` where these are not equally many.
    """

    sigmas: tuple[float, ...]
    keys: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not self.keys or len(self.keys) != len(self.sigmas):
            raise ValueRefused("A trail has one state for each noise level.")


@value_type()
@dataclass(frozen=True, slots=True)
class Trail:
    """All steps of a run, from the noise to the end.

    `parts`: usually one; where the items of a batch were sampled one by one, one for each. `sampler` as the sampler's control calls it,
    `family` as of a `Model`. `shape`: (batch, channels, ...) of the latent. Raises `ValueRefused` where there is no part.
    """

    parts: tuple[TrailPart, ...]
    sampler: str
    family: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueRefused("A trail has one part at least.")

    @property
    def sigmas(self) -> tuple[float, ...]:
        """The noise levels of the part that has most."""
        return max((part.sigmas for part in self.parts), key=len)

    @property
    def steps(self) -> int:
        """How many there are; states are counted from 0, the noise, to this."""
        return len(self.sigmas) - 1

    @property
    def nbytes(self) -> int:
        return sum(96 * len(part.keys) for part in self.parts)

    def at(self, step: int) -> tuple[bytes, ...]:
        """The keys of the states after so many steps, of each part; of one that was done earlier, of its end."""
        return tuple(part.keys[min(step, len(part.keys) - 1)] for part in self.parts)

    def goes_on_from(self, other: Trail) -> bool:
        """Whether it has all steps of the other, and more."""
        pairs = zip(self.parts, other.parts, strict=False)
        more = sum(len(part.keys) for part in self.parts) > sum(len(part.keys) for part in other.parts)
        return (
            more
            and len(self.parts) == len(other.parts)
            and all(own.keys[: len(before.keys)] == before.keys for own, before in pairs)
        )

    def step_keys(self) -> Iterator[bytes]:
        """The keys of all states that have to be kept for the trail to be whole."""
        for part in self.parts:
            yield from part.keys

    def pack(self) -> Packed:
        parts = [
            {"sigmas": [sigma.hex() for sigma in part.sigmas], "keys": [key.hex() for key in part.keys]}
            for part in self.parts
        ]
        return Packed(
            "Trail", meta={"parts": parts, "sampler": self.sampler, "family": self.family, "shape": list(self.shape)}
        )

    @classmethod
    def unpack(cls, packed: Packed) -> Trail:
        meta = packed.meta
        parts = (
            TrailPart(tuple(map(float.fromhex, part["sigmas"])), tuple(map(bytes.fromhex, part["keys"])))
            for part in meta["parts"]
        )
        return cls(tuple(parts), str(meta["sampler"]), str(meta["family"]), tuple(map(int, meta["shape"])))


def trails_in(value: object) -> Iterator[Trail]:
    """The trails of a value on a wire, which may be a list of them, or of lists."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Trail):
            yield one
        elif isinstance(one, list):
            waiting.extend(reversed(one))
